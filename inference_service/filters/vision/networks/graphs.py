"""CUDA graphs: work recorded once and started by one call, where hundreds of launches would hold up the host.

Graphs that are recorded one after the other may share memory for what is in between. That is safe here for
three reasons. Graphs of one `Recorder` run one after the other on one stream. Their `Recorded` holds the
results. A result may lie where the steps of older graphs compute, so it is copied, or taken before one of
those runs (`harness/recomputed.py` shows who does not).

A capture may fail: another thread has waited for the whole device, or memory is short. It is tried again,
and whoever asked for it works without it otherwise. torch before 2.13 cannot go on after a capture that
failed, so nothing is recorded there. Recording in the middle of a call would stop every session.

`torch.cuda.graph` is not used, since batches run meanwhile. For each capture it waits for the whole device,
and gives up the memory that torch keeps for the next batches. After a failure the thread keeps its stream.
"""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from inference_service.device import captures
from inference_service.device.context import is_broken
from inference_service.device.memory import is_shortage
from inference_service.filters.base import Fallback

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

BATCHES = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)
CROWDS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Numbers of pictures and of people that are recorded; what is fewer is filled up to the next one."""
SMALL = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
TINY = (1, 2, 4, 8, 16, 32, 64)
"""The same of small networks, and of steps that take no longer for twice as many. A filter has many of both,
and each recording takes a turn of the loop."""
ATTEMPTS = 3
MOST_NAMED = 3
LEAST_TORCH = (2, 13)
"""Its allocator leaves a capture that failed (pytorch#180395); replays beside one are safe from 2.7 on."""

LEAST_FALLBACK = Fallback(
    "graphs", f"runs without CUDA graphs, which need torch {'.'.join(map(str, LEAST_TORCH))} or later"
)


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
        self._stream = captures.stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, function: Callable[..., Result], inputs: tuple[Tensor, ...]) -> Recorded[Result]:
        """Record `function(*inputs)`; what is to be computed later is copied into `inputs` then.

        Raises what `function` or CUDA raises the third time, or the second time for lack of memory. Others
        may be recorded after that.
        """
        was_short = False
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._recorded(function, inputs)
            except Exception as exc:
                is_short = is_shortage(exc)
                if attempt == ATTEMPTS or (is_short and was_short):
                    raise
                logger.info("a recording has failed and is tried again: %s: %s", type(exc).__name__, exc)
            # Here, where the exception no longer holds what the capture has taken.
            if is_short:
                captures.give_back()
            was_short = is_short
        raise AssertionError

    def _recorded(self, function: Callable[..., Result], inputs: tuple[Tensor, ...]) -> Recorded[Result]:
        # Once before, since libraries load kernels and choose algorithms at the first call. Not on the stream
        # of captures: cuBLAS would take the memory there in which older graphs compute now. No trial of
        # cuDNN's algorithms: it is for all threads, stops the loop for seconds, and measures beside its work.
        function(*inputs)
        # Also for what has made `inputs`, since batches use another stream.
        torch.cuda.current_stream(self._device).synchronize()
        graph = torch.cuda.CUDAGraph()
        with captures.TURNS.taken(), _no_garbage_collected(), captures.own_workspaces():
            result = self._captured(graph, function, inputs)
        return Recorded(graph, inputs, result)

    def _captured(self, graph: Any, function: Callable[..., Result], inputs: tuple[Tensor, ...]) -> Result:
        with torch.cuda.stream(self._stream):
            # Other threads may use the device meanwhile, so only this one's mistakes are errors.
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                result = function(*inputs)
            except BaseException:
                # It may say no more than that something went wrong before.
                with contextlib.suppress(RuntimeError):
                    graph.capture_end()
                raise
            graph.capture_end()
        return result


def can_record() -> bool:
    """Tell whether this torch can go on after a capture that fails."""
    major, minor = torch.__version__.split(".")[:2]
    return (int(major), int(minor)) >= LEAST_TORCH


class Unrecorded:
    """What is done without a recording, since that has failed."""

    def __init__(self, device: torch.device) -> None:
        self.works: list[str] = []
        self._device = device
        self._is_short = False

    @contextmanager
    def noted(self, work: str) -> Iterator[None]:
        """Note `work` where the body raises. What the GPU does not survive is raised on."""
        try:
            yield
        except Exception as exc:
            logger.info("%s cannot be recorded: %s: %s", work, type(exc).__name__, exc)
            self.works.append(work)
            self._is_short = self._is_short or is_shortage(exc)
            if is_broken(self._device, exc):
                raise

    def fallbacks(self) -> list[Fallback]:
        """Return what to say of it."""
        if not self.works:
            return []
        named = ", ".join(self.works[:MOST_NAMED])
        more = f" and {len(self.works) - MOST_NAMED} more" if len(self.works) > MOST_NAMED else ""
        kind, why = ("memory", ", since memory was short") if self._is_short else ("graphs", "")
        return [Fallback(kind, f"runs without CUDA graphs for {named}{more}{why}")]


def descending(most: int, buckets: Sequence[int]) -> list[int]:
    """Return what is to be recorded for up to `most`, largest first.

    A memory pool gives a block again only to what fits into it. So it grows to what the largest one needs,
    and not to the sum of all.
    """
    return [size for size in reversed(buckets) if size <= bucket(most, buckets)]


def bucket(count: int, buckets: Sequence[int]) -> int:
    """Return the smallest of the sorted `buckets` that holds `count`; beyond the last, `count` itself."""
    return next((size for size in buckets if size >= count), count)


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """Keep the collector from destroying an older graph meanwhile, which would invalidate the capture.

    Nothing is collected before: that holds all threads for 0.1 to 0.2 s in a worker with several filters.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
