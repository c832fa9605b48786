from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
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


class Workspace:
    """Memory for cuBLAS, in some pool."""

    def __init__(self, pool: object) -> None:
        self.pool = pool
        self.is_free = False


class Cuda:
    """In place of torch's CUDA graphs: captures that fail as often as a test says.

    As torch does, it has a stream for each thread, keeps a workspace for each stream, and frees that of the
    stream on which a graph was captured when the graph ends.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None, failures: int = 0
    ) -> None:
        self.error, self.failures, self.captures = error, failures, 0
        self.was_exclusive: list[bool] = []
        self.did: list[str] = []
        """What stops the whole device, or the batches to come."""
        self.pool: object = None
        """Where memory is taken while something is captured."""
        self.current: Any = MagicMock(name="the loader's")
        self.workspaces: dict[int, Workspace] = {}
        cuda = torch.cuda
        monkeypatch.setattr(cuda, "Stream", lambda device, priority=0: MagicMock(name="for captures"))
        monkeypatch.setattr(cuda, "current_stream", lambda device=None: self.current)
        monkeypatch.setattr(cuda, "stream", self.stream)
        monkeypatch.setattr(cuda, "graph_pool_handle", object)
        monkeypatch.setattr(cuda, "CUDAGraph", lambda: Graph(self))
        monkeypatch.setattr(cuda, "empty_cache", partial(self.did.append, "empty_cache"))
        monkeypatch.setattr(cuda, "synchronize", lambda device=None: self.did.append("synchronize"))
        monkeypatch.setattr(gc, "collect", partial(self.did.append, "collect"))
        monkeypatch.setattr(torch._C, "_cuda_clearCublasWorkspaces", self.free, raising=False)
        captures.stream.cache_clear()

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    def workspace(self) -> Workspace:
        """Return what a product of matrices on the current stream computes in."""
        return self.workspaces.setdefault(id(self.current), Workspace(self.pool))

    def free(self, streams: Iterable[int] | None = None) -> None:
        for one in list(self.workspaces) if streams is None else streams:
            if (freed := self.workspaces.pop(one, None)) is not None:
                freed.is_free = freed.pool is None


class Graph:
    """One graph of `Cuda`."""

    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda
        self.stream: Any = None

    def capture_begin(self, pool: object, capture_error_mode: str) -> None:
        assert capture_error_mode == "thread_local"
        self.stream, self.cuda.pool = self.cuda.current, pool
        self.cuda.captures += 1
        self.cuda.was_exclusive.append(captures.TURNS._now.locked())

    def capture_end(self) -> None:
        assert self.cuda.current is self.stream
        self.cuda.pool = None
        if self.cuda.error and self.cuda.captures <= self.cuda.failures:
            raise self.cuda.error

    def end(self) -> None:
        self.cuda.free([id(self.stream)])


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


def test_a_capture_stops_neither_the_device_nor_other_threads_and_leaves_their_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = Cuda(monkeypatch, INVALIDATED, failures=1)
    recorder = graphs.Recorder(torch.device("cuda", 0))
    for _ in range(3):
        recorder.record(work, (torch.zeros(2),))
    assert cuda.captures == 4
    assert cuda.did == []


def test_what_made_the_inputs_has_ended_before_batches_write_there(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch)
    loaders = cuda.current
    graphs.Recorder(torch.device("cuda", 0)).record(work, (torch.zeros(2),))
    loaders.synchronize.assert_called_once_with()


def test_a_thread_is_on_its_own_stream_again_after_a_capture_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = Cuda(monkeypatch, INVALIDATED, failures=3)
    before = cuda.current
    with pytest.raises(RuntimeError, match="previous error"):
        graphs.Recorder(torch.device("cuda", 0)).record(work, (torch.zeros(2),))
    assert cuda.current is before


@pytest.mark.parametrize("failures", [0, 2])
def test_a_graph_computes_in_memory_of_its_own_pool_whatever_others_begin_and_end(
    monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    cuda = Cuda(monkeypatch, INVALIDATED, failures)
    used: list[tuple[object, Workspace]] = []

    def product(one: Tensor) -> Tensor:
        used.append((cuda.pool, cuda.workspace()))
        return one + 1

    with torch.cuda.stream(captures.stream(torch.device("cuda", 0))):
        # As what compares kernels does.
        product(torch.zeros(2))
    recorders = [graphs.Recorder(torch.device("cuda", 0)) for _ in range(2)]
    made = [recorder.record(product, (torch.zeros(2),)) for recorder in recorders for _ in range(2)]
    for recorded in made[1:]:
        recorded.graph.end()
    captured = [(pool, one) for pool, one in used if pool is not None]
    assert len(captured) == 4 + failures
    assert all(pool is one.pool for pool, one in captured), "another recorder's, or that of the loader's work"
    eager = {id(one) for pool, one in used if pool is None}
    assert not eager & {id(one) for _, one in captured}, "what is done beside a replay computes there too"
    assert cuda.workspaces.keys() <= {id(cuda.current)}


def test_a_capture_that_fails_each_time_is_given_up_and_the_next_one_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Cuda(monkeypatch, INVALIDATED, failures=3)
    recorder = graphs.Recorder(torch.device("cuda", 0))
    with pytest.raises(RuntimeError, match="previous error"):
        recorder.record(work, (torch.zeros(2),))
    assert recorder.record(work, (torch.zeros(2),)).result.tolist() == [1, 1]


def test_for_lack_of_memory_it_is_tried_once_more_without_what_torch_keeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = Cuda(monkeypatch, torch.cuda.OutOfMemoryError(), failures=1)
    recorded = graphs.Recorder(torch.device("cuda", 0)).record(work, (torch.zeros(2),))
    assert recorded.result.tolist() == [1, 1]
    assert cuda.did == ["empty_cache"]
    cuda = Cuda(monkeypatch, torch.cuda.OutOfMemoryError(), failures=3)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        graphs.Recorder(torch.device("cuda", 0)).record(work, (torch.zeros(2),))
    assert cuda.captures == 2
    assert cuda.did == ["empty_cache"]


def test_what_failed_within_a_capture_is_told_and_not_that_the_capture_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = Cuda(monkeypatch, INVALIDATED, failures=3)

    def large(one: Tensor) -> Tensor:
        if cuda.pool is not None:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return one

    with pytest.raises(torch.cuda.OutOfMemoryError):
        graphs.Recorder(torch.device("cuda", 0)).record(large, (torch.zeros(2),))
    assert cuda.pool is None


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
