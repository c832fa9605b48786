"""How long each stage of a batch takes, on the device that does it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_OF_THIS_BATCH: ContextVar[Stages | None] = ContextVar("stages of this batch", default=None)


@contextmanager
def lap(name: str) -> Iterator[None]:
    """For filters: count the body as a stage of this name, which `bench` shows; elsewhere just run it."""
    stages = _OF_THIS_BATCH.get()
    if stages is None:
        yield
    else:
        with stages.lap(name):
            yield


class Stages:
    """Laps by the name of their stage: a GPU's own clock there, this process's elsewhere."""

    def __init__(self, device: torch.device) -> None:
        self._is_gpu = device.type == "cuda"
        self._totals_ms: defaultdict[str, float] = defaultdict(float)
        self._laps: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Count the work that the body does, or queues on its current stream, as one lap of `name`."""
        if self._is_gpu:
            begin, end = _timed_event(), _timed_event()
            begin.record()
            yield
            end.record()
            self._laps.append((name, begin, end))
        else:
            started_s = time.perf_counter()
            yield
            self._totals_ms[name] += (time.perf_counter() - started_s) * 1e3

    @contextmanager
    def of_filter(self, name: str) -> Iterator[None]:
        """As `lap`, and the filter may divide it into laps of its own."""
        token = _OF_THIS_BATCH.set(self)
        try:
            with self.lap(name):
                yield
        finally:
            _OF_THIS_BATCH.reset(token)

    def totals_ms(self) -> dict[str, float]:
        """Return the sum of each stage's laps; waits for the GPU to end them."""
        for name, begin, end in self._laps:
            end.synchronize()
            self._totals_ms[name] += float(begin.elapsed_time(end))
        self._laps.clear()
        return dict(self._totals_ms)


def _timed_event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
