"""CUDA graphs: work recorded once and started by one call, where hundreds of launches would hold up the host.

Graphs that are recorded one after the other may share memory for what is in between. That is safe here
because graphs of one `Recorder` run one after the other on one stream, results are held by their `Recorded`,
and what one graph takes from another it takes before any third one runs.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

WARM_UPS = 3
"""Runs before recording: libraries choose their algorithms and take their workspaces then."""
SEEN_BEFORE_RECORDING = 30
"""Recording takes longer than a batch, so a size must have come this often (a second) to be worth it."""
MAX_COUNTED = 256


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

        Raises whatever `function` or CUDA raises; the device can be used on after that.
        """
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream), _chosen_algorithms():
            for _ in range(WARM_UPS):
                function(*inputs)
        current.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads may use the device meanwhile, so only this one's mistakes are errors.
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            result = function(*inputs)
        return Recorded(graph, inputs, result)


class Recordings(Generic[Result]):
    """Recordings by key, the longest unused one dropped; one failure and all goes on without graphs."""

    def __init__(self, make: Callable[..., Result], limit: int, device: torch.device) -> None:
        """`make(*key)` records what belongs to a key; see `get`."""
        self._make = make
        self._limit = limit
        self._device = device
        self._kept: OrderedDict[Hashable, Result] = OrderedDict()
        self._seen: OrderedDict[Hashable, int] = OrderedDict()
        self._failed = False

    def get(self, key: tuple[Any, ...], *, at_once: bool = False) -> Result | None:
        """Return what was made for `key`; None where it is not yet worth it or cannot be done."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        if self._failed or not (at_once or self._is_frequent(key)):
            return None
        try:
            made = self._make(*key)
        except RuntimeError as exc:
            self._failed = True
            logger.warning("densepose: no CUDA graph for %s, goes on without any more", key, exc_info=exc)
            return None
        self._kept[key] = made
        if len(self._kept) > self._limit:
            # The device may still be running it.
            torch.cuda.synchronize(self._device)
            self._kept.popitem(last=False)
        return made

    def _is_frequent(self, key: Hashable) -> bool:
        self._seen[key] = self._seen.pop(key, 0) + 1
        if len(self._seen) > MAX_COUNTED:
            self._seen.popitem(last=False)
        if self._seen[key] < SEEN_BEFORE_RECORDING:
            return False
        del self._seen[key]
        return True


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
