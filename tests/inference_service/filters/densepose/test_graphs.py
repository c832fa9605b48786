from __future__ import annotations

import logging

import pytest
import torch

from inference_service.filters.densepose.graphs import SEEN_BEFORE_RECORDING, Recordings, bucket

CPU = torch.device("cpu")


def test_a_count_goes_into_the_smallest_bucket_that_holds_it() -> None:
    buckets = (1, 2, 4, 8)
    assert [bucket(count, buckets) for count in (1, 2, 3, 4, 5, 8, 9)] == [1, 2, 4, 4, 8, 8, 9]


def test_what_comes_often_is_recorded_and_kept() -> None:
    made: list[int] = []
    recordings = Recordings(lambda key: made.append(key) or key, limit=4, device=CPU)
    seen = [recordings.get((7,)) for _ in range(SEEN_BEFORE_RECORDING + 2)]
    assert seen == [None] * (SEEN_BEFORE_RECORDING - 1) + [7, 7, 7]
    assert made == [7]


def test_what_is_needed_is_recorded_at_once() -> None:
    recordings = Recordings(lambda key: key, limit=4, device=CPU)
    assert recordings.get((3,), at_once=True) == 3
    assert recordings.get((3,)) == 3


def test_the_longest_unused_recording_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[object] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    made: list[int] = []
    recordings = Recordings(lambda key: made.append(key) or key, limit=2, device=CPU)
    for key in (1, 2, 1, 3, 1):
        assert recordings.get((key,), at_once=True) == key
    assert made == [1, 2, 3]
    assert waited == [CPU], "the device may still run what is dropped"
    assert recordings.get((2,)) is None


def test_after_a_failure_all_goes_on_without_recordings(caplog: pytest.LogCaptureFixture) -> None:
    def fail(key: int) -> int:
        raise RuntimeError("operation not permitted when stream is capturing")

    recordings = Recordings(fail, limit=2, device=CPU)
    with caplog.at_level(logging.WARNING):
        assert [recordings.get((key,), at_once=True) for key in range(5)] == [None] * 5
    assert len(caplog.records) == 1
