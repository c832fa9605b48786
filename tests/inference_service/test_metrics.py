from __future__ import annotations

from inference_service.metrics import Metrics


def test_the_line_names_every_counter_that_is_not_zero():
    metrics = Metrics()
    assert metrics.line() == ""
    metrics.frames_received = 3
    metrics.frames_dropped["version"] += 2
    assert metrics.line() == "frames_received=3 frames_dropped[version]=2"
