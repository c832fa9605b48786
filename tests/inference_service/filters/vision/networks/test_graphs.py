from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from unittest.mock import MagicMock

import pytest
import torch
from torch import Tensor

from inference_service.device import captures
from inference_service.filters.vision.networks import graphs
from inference_service.filters.vision.networks.graphs import _no_garbage_collected, bucket
from inference_service.filters.vision.settings.recorded import RecordedSettings


def test_a_count_goes_into_the_smallest_bucket_that_holds_it() -> None:
    buckets = (1, 2, 4, 8)
    assert [bucket(count, buckets) for count in (1, 2, 3, 4, 5, 8, 9)] == [1, 2, 4, 4, 8, 8, 9]


def test_no_garbage_is_collected_during_a_capture() -> None:
    assert gc.isenabled()
    with _no_garbage_collected():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with _no_garbage_collected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


class Cuda:
    """In place of torch's CUDA graphs: captures that fail as often as a test says."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None, failures: int = 0
    ) -> None:
        self.error, self.failures, self.captures = error, failures, 0
        self.was_exclusive: list[bool] = []
        self.trials: list[bool] = []
        cuda = torch.cuda
        monkeypatch.setattr(cuda, "Stream", lambda device, priority=0: MagicMock())
        monkeypatch.setattr(cuda, "current_stream", lambda device=None: MagicMock())
        monkeypatch.setattr(cuda, "stream", lambda stream: nullcontext())
        monkeypatch.setattr(cuda, "graph_pool_handle", object)
        monkeypatch.setattr(cuda, "CUDAGraph", MagicMock)
        monkeypatch.setattr(cuda, "graph", self.graph)
        captures.stream.cache_clear()

    @contextmanager
    def graph(self, graph: object, **kinds: object) -> Iterator[None]:
        self.captures += 1
        self.was_exclusive.append(captures.TURNS._now.locked())
        yield
        self.trials.append(torch.backends.cudnn.benchmark)
        if self.error and self.captures <= self.failures:
            raise self.error


def work(one: Tensor) -> Tensor:
    assert not torch.backends.cudnn.benchmark, "all threads would try algorithms"
    return one + 1


INVALIDATED = RuntimeError("CUDA error: operation failed due to a previous error during capture")


def test_a_capture_that_another_thread_has_broken_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch, INVALIDATED, failures=2)
    recorded = graphs.Recorder(torch.device("cuda", 0)).record(work, (torch.zeros(2),))
    assert recorded.result.tolist() == [1, 1]
    assert cuda.was_exclusive == [True] * 3
    assert not captures.TURNS._now.locked()


def test_a_capture_that_fails_each_time_is_given_up_and_the_next_one_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Cuda(monkeypatch, INVALIDATED, failures=3)
    recorder = graphs.Recorder(torch.device("cuda", 0))
    with pytest.raises(RuntimeError, match="previous error"):
        recorder.record(work, (torch.zeros(2),))
    assert recorder.record(work, (torch.zeros(2),)).result.tolist() == [1, 1]


def test_for_lack_of_memory_nothing_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch, torch.cuda.OutOfMemoryError(), failures=3)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        graphs.Recorder(torch.device("cuda", 0)).record(work, (torch.zeros(2),))
    assert cuda.captures == 1


def test_the_largest_is_recorded_first() -> None:
    assert graphs.descending(7, graphs.BATCHES) == [8, 6, 4, 3, 2, 1]
    assert graphs.descending(1, graphs.BATCHES) == [1]


@pytest.mark.parametrize(
    ("version", "can"),
    [("2.6.0+cu124", False), ("2.12.1", False), ("2.13.0", True), ("2.14.1+cu130", True), ("3.0.0a0", True)],
)
def test_a_torch_that_cannot_go_on_after_a_failure_records_nothing(
    monkeypatch: pytest.MonkeyPatch, version: str, can: bool
) -> None:
    monkeypatch.setattr(torch, "__version__", version)
    settings = RecordedSettings()
    device = torch.device("cuda", 0)
    assert settings.sizes_to_record(device)[:1] == ([(640, 480)] if can else [])
    unrecorded = graphs.Unrecorded(device)
    assert [one.kind for one in settings.without_graphs(device, unrecorded)] == ([] if can else ["graphs"])
    assert settings.without_graphs(torch.device("cpu"), unrecorded) == []


def fail(unrecorded: graphs.Unrecorded, work: str, error: Exception) -> None:
    with unrecorded.noted(work):
        raise error


def test_what_is_not_recorded_is_told_in_short_and_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    unrecorded = graphs.Unrecorded(torch.device("cuda", 0))
    assert unrecorded.fallbacks() == []
    for number in range(5):
        fail(unrecorded, f"{number} of it", INVALIDATED)
    (told,) = unrecorded.fallbacks()
    assert told == ("graphs", "runs without CUDA graphs for 0 of it, 1 of it, 2 of it and 2 more")
    fail(unrecorded, "the largest", RuntimeError("CUDA error: out of memory"))
    (told,) = unrecorded.fallbacks()
    assert told.kind == "memory"
    assert told.text.endswith("since memory was short")


def test_a_gpu_that_breaks_in_a_capture_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def synchronize(device: torch.device) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    with (
        pytest.raises(RuntimeError, match="previous error"),
        graphs.Unrecorded(torch.device("cuda", 0)).noted("it"),
    ):
        raise INVALIDATED
