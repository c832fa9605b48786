from __future__ import annotations

import pytest

from signaling_service.processes.kept_process import own_endpoint


@pytest.mark.parametrize(
    ("front", "own"),
    [
        ("ipc:///run/p2pcamera/results.ipc", "ipc:///run/p2pcamera/results-2.ipc"),
        ("tcp://127.0.0.1:5556", "tcp://127.0.0.1:*"),
        ("tcp://localhost:5556", "tcp://localhost:*"),
        ("tcp://*:5556", "tcp://*:5559"),
        ("tcp://10.0.0.7:5556", "tcp://10.0.0.7:5559"),
    ],
)
def test_each_process_has_results_sent_to_a_place_of_its_own(front: str, own: str) -> None:
    assert str(own_endpoint(front, 2)) == own
