"""CUDA graphs: work recorded once and started by one call, where hundreds of launches would hold up the host.

Graphs that are recorded one after the other may share memory for what is in between. That is safe here for
three reasons. Graphs of one `Recorder` run one after the other on one stream. Their `Recorded` holds the
results. What one graph takes from another it takes before any third one runs.

All recording happens while a filter is loaded. After a capture that fails, torch (up to 2.11) believes that
it still captures, so a filter whose recording fails is not loaded. Recording in the middle of a call would
stop every session while cuDNN tries its algorithms.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")

BATCHES = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)
CROWDS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Numbers of pictures and of people that are recorded; what is fewer is filled up to the next one."""
WARM_UPS = 3
"""Runs before recording: libraries choose their algorithms and take their workspaces then."""


@dataclass(slots=True)
class Recorded(Generic[Result]):
    """One graph with the tensors it reads from and writes to."""

    graph: Any
    inputs: tuple[Tensor, ...]
    result: Result

    def replay(self) -> Result:
        """Run on the current stream; the result is overwritten by the next run."""
        self.graph.replay()
        return self.result


class Recorder:
    """Records into one memory pool, on a stream of its own, of one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, function: Callable[..., Result], inputs: tuple[Tensor, ...]) -> Recorded[Result]:
        """Record `function(*inputs)`; what is to be computed later is copied into `inputs` then.

        Raises whatever `function` or CUDA raises; nothing should be recorded after that.
        """
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream), _chosen_algorithms():
            for _ in range(WARM_UPS):
                function(*inputs)
        current.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads may use the device meanwhile, so only this one's mistakes are errors.
        with (
            _no_garbage_collected(),
            torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"),
        ):
            result = function(*inputs)
        return Recorded(graph, inputs, result)


def bucket(count: int, buckets: Sequence[int]) -> int:
    """Return the smallest of the sorted `buckets` that holds `count`; beyond the last, `count` itself."""
    return next((size for size in buckets if size >= count), count)


@contextmanager
def _chosen_algorithms() -> Iterator[None]:
    """Let cuDNN try its algorithms; what it chooses for a shape, it keeps for the recording."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """Keep the collector from destroying an older graph meanwhile, which would invalidate the capture."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
