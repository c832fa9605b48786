"""How a connection ends: it is closed once, whoever asks for that, and however often."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiortc import RTCPeerConnection

from signaling_service.errors import OfferGivenUp, SignalingError

CLOSE_LIMIT_S = 2.0

Value = TypeVar("Value")


class Closing:
    """Runs `close` once. Event loop only."""

    def __init__(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._close = close
        self._task: asyncio.Task[None] | None = None

    @property
    def has_begun(self) -> bool:
        return self._task is not None

    async def first(self, opening: Awaitable[Value]) -> Value:
        """Return what `opening` returns; raises OfferGivenUp where closing has begun meanwhile.

        Whatever a connection says of an offer while it is being closed, the offer is not to blame.
        """
        try:
            opened = await opening
        except SignalingError as exc:
            if self.has_begun:
                raise OfferGivenUp from exc
            raise
        if self.has_begun:
            raise OfferGivenUp
        return opened

    def begin(self) -> None:
        """Begin to close, unless that has begun; returns at once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._close())

    async def wait(self) -> None:
        """Close, and return when everything is freed. Who is cancelled meanwhile cancels nothing here."""
        self.begin()
        assert self._task is not None
        await asyncio.shield(self._task)


async def close_connection(pc: RTCPeerConnection) -> None:
    """Close a connection within a limit; nobody is told of its end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_LIMIT_S):
            await pc.close()
    pc.remove_all_listeners()
