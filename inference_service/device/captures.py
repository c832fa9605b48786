"""What all captures of a process share (CUDA graphs): one stream for a device, turns, memory of libraries.

`cudaDeviceSynchronize` from any thread breaks a capture on its device (CUDA C Programming Guide, "Prohibited
and Unhandled Operations"), and a filter may call it. So no batch begins while a capture lasts, which is some
tens of milliseconds, and nothing is captured while a batch begins.
"""

from __future__ import annotations

import contextlib
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


@contextmanager
def own_workspaces() -> Iterator[None]:
    """Let the body capture with memory for cuBLAS from the graph's own pool; within a turn.

    torch keeps a workspace for each thread and stream, and a graph goes on to compute in that of its capture.
    Torch 2.14 frees those of a stream as soon as any graph ends that was captured there (pytorch#193402). So
    none is kept after a capture. It stays in the pool, as all that lies between the graph's steps. The other
    streams get theirs anew with their next product.
    """
    # Before, too: other work may have been done on the stream of captures.
    torch._C._cuda_clearCublasWorkspaces()
    try:
        yield
    finally:
        torch._C._cuda_clearCublasWorkspaces()


def give_back() -> None:
    """Return to the device what torch keeps for later, which a capture cannot use."""
    with contextlib.suppress(RuntimeError), TURNS.taken():
        torch.cuda.empty_cache()
