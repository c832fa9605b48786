"""What a filter does without, noted by whatever it loads, however deep that lies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from inference_service.filters.base import Fallback

_noted: ContextVar[list[Fallback] | None] = ContextVar("noted", default=None)


@contextmanager
def collected() -> Iterator[list[Fallback]]:
    """Give the list of what is noted meanwhile, in this thread."""
    token = _noted.set(found := [])
    try:
        yield found
    finally:
        _noted.reset(token)


def note(fallback: Fallback) -> None:
    """Have it told of the filter that is being loaded, once; outside of a loading it goes nowhere."""
    found = _noted.get()
    if found is not None and fallback not in found:
        found.append(fallback)
