"""Waits for a condition with a deadline, in place of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

_LOOK_AGAIN_S = 0.02


@overload
async def eventually(condition: Callable[[], Awaitable[T]], within_s: float, what: str) -> T: ...


@overload
async def eventually(condition: Callable[[], T], within_s: float, what: str) -> T: ...


async def eventually(condition: Callable[[], T | Awaitable[T]], within_s: float, what: str) -> T:
    """Return the first true value of `condition`; raises AssertionError, which says `what`, when late."""
    deadline = time.monotonic() + within_s
    while True:
        outcome = condition()
        value: T = await outcome if inspect.isawaitable(outcome) else outcome
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        await asyncio.sleep(_LOOK_AGAIN_S)
