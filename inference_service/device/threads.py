"""With how many threads torch computes on a CPU: those of the host, or one while more of them only wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

_LOCK = Lock()
_full: list[int] = []
"""What each thread has that computes with one of them now."""


def count() -> int:
    """Return how many there are, whatever some batch makes do with meanwhile."""
    with _LOCK:
        return _full[0] if _full else torch.get_num_threads()


def enter() -> None:
    """Give all of them to the calling thread, which else has as many as torch has at its first question."""
    torch.set_num_threads(count())


@contextmanager
def alone() -> Iterator[None]:
    """Let torch compute with one thread, in the calling thread.

    Its others wait for the next step by keeping a core busy.
    """
    own = torch.get_num_threads()
    with _LOCK:
        _full.append(own)
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _LOCK:
            torch.set_num_threads(own)
            _full.remove(own)
