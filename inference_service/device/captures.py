"""What all captures of a process share (CUDA graphs): one stream for a device, and turns with the loop.

`cudaDeviceSynchronize` from any thread breaks a capture on its device (CUDA C Programming Guide, "Prohibited
and Unhandled Operations"), and a filter may call it. So no batch begins while a capture lasts, which is some
tens of milliseconds, and nothing is captured while a batch begins.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch


class Turns:
    """Lets one thread at a time work; whoever waits comes next, so that neither side starves the other."""

    def __init__(self) -> None:
        self._next = threading.Lock()
        self._now = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the turn, and keep it for the body; not twice in one thread."""
        with self._next:
            self._now.acquire()
        try:
            yield
        finally:
            self._now.release()


TURNS = Turns()


@cache
def stream(device: torch.device) -> Any:
    """Return the stream on which everything is captured, always the same for a device.

    torch hands out 32 streams in turn, so that the 33rd is one that batches run on. Those of high priority
    are others than those, and nothing else here takes one.
    """
    return torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]
