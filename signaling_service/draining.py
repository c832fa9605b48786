"""How long a service that is to end keeps its sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any


async def kept(ended: Coroutine[Any, Any, None], until_s: float, hurry: asyncio.Event) -> bool:
    """Return when `ended` does, at a time of the monotonic clock, or when `hurry` is set.

    Tells whether it was the first.
    """
    waiting = asyncio.create_task(ended)
    hurrying = asyncio.create_task(hurry.wait())
    both = {waiting, hurrying}
    try:
        left_s = max(0.0, until_s - time.monotonic())
        await asyncio.wait(both, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        return waiting.done()
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
