"""Waits for a condition with a deadline, in place of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

_LOOK_AGAIN_S = (0.02, 0.1)
"""Least and longest pause."""
_SHARE = 0.1
"""Of what has been waited for so far, as a pause: looking costs a page or a service more than it costs us."""


@overload
async def eventually(condition: Callable[[], Awaitable[T]], within_s: float, what: str) -> T: ...


@overload
async def eventually(condition: Callable[[], T], within_s: float, what: str) -> T: ...


async def eventually(condition: Callable[[], T | Awaitable[T]], within_s: float, what: str) -> T:
    """Return the first true value of `condition`; raises AssertionError, which says `what`, when late."""
    began_s = time.monotonic()
    while True:
        outcome = condition()
        value: T = await outcome if inspect.isawaitable(outcome) else outcome
        if value:
            return value
        waited_s = time.monotonic() - began_s
        if waited_s > within_s:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        least_s, longest_s = _LOOK_AGAIN_S
        await asyncio.sleep(min(longest_s, max(least_s, waited_s * _SHARE)))
