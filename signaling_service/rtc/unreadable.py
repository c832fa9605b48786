"""What a page sends over its call and this service cannot read costs that one message, never the call.

aiortc reads datagrams in one task. An exception of whatever it calls ends that task, and with it the call: a
text that is not UTF-8, an answer that is too long to send, a report with a value that nobody expected.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

logger = logging.getLogger(__name__)


def survived(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Return a method of aiortc's that drops what it cannot read; the first of each transport is logged."""

    async def read(self: Any, *given: Any, **named: Any) -> None:
        try:
            await original(self, *given, **named)
        except ConnectionError:
            raise  # So it learns that the other end is gone.
        except Exception as exc:
            note_dropped(self, exc)

    return read


def note_dropped(transport: Any, exc: Exception) -> None:
    """Log the first exception of a transport for which something was dropped."""
    if not getattr(transport, "has_told_unreadable", False):
        transport.has_told_unreadable = True
        # Not its text: it may be what the page has sent.
        logger.warning("what a page has sent cannot be read (%s), and is dropped", type(exc).__name__)
