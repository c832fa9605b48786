from __future__ import annotations

import pytest

from signaling_service.session import latency
from signaling_service.session.latency import MAX_DECODING, LatencyWindow
from tests.signaling_service.making import result


class Clock:
    """Stands in for the module `time`."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(latency, "time", made)
    return made


def test_decoding_lasts_from_the_whole_frame_to_its_picture(clock: Clock) -> None:
    window = LatencyWindow()
    window.note_arrived(3000)
    clock.now_s += 0.010
    window.note_arrived(6000)
    clock.now_s += 0.010
    window.note_decoded(3000)
    clock.now_s += 0.020
    window.note_decoded(6000)
    window.note_decoded(9000)  # Of which nothing was noted.
    window.note_encoded(0.004)
    window.note_encoded(0.006)
    window.add(result(wait_ms=1.0, batch_ms=2.0, filter_ms=1.5), 0.005)
    stages, worker = window.take()
    assert (stages["decode"], stages["encode"], stages["transport"]) == (25.0, 5.0, 2.0)
    assert worker == "w1"


def test_a_second_without_results_has_no_stages_and_leaves_nothing_behind(clock: Clock) -> None:
    window = LatencyWindow()
    window.note_encoded(1.0)
    assert window.take() == ({}, "")
    window.add(result(), 0.005)
    assert set(window.take()[0]) == {"transport", "wait", "batch", "filter", "total"}


def test_frames_that_a_decoder_drops_are_forgotten(clock: Clock) -> None:
    window = LatencyWindow()
    for pts in range(MAX_DECODING + 1):
        window.note_arrived(pts)
    clock.now_s += 1
    window.note_decoded(0)
    window.add(result(), 0.005)
    assert "decode" not in window.take()[0]
    window.note_decoded(1)
    window.add(result(), 0.005)
    assert window.take()[0]["decode"] == 1000.0
