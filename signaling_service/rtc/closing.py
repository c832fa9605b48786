"""How a connection ends: it is closed once, whoever asks for that, and however often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import aioice.ice
from aiortc import RTCPeerConnection

from signaling_service.errors import OfferGivenUp, SignalingError
from signaling_service.rtc.aiortc_patches import ice_connections

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
    """Close a connection within twice the limit; nobody is told of its end. Its ports are free afterwards.

    aiortc closes one part after the other. Where one does not end in time (a TURN server that is away, a host
    that stands still), the others are closed beside it.
    """
    connections = ice_connections(pc)
    try:
        async with asyncio.timeout(CLOSE_LIMIT_S):
            await pc.close()
    except TimeoutError:
        await _stop_parts(pc)
    finally:
        # Nothing is left to do where all has been closed.
        for connection in connections:
            _free(connection)
        pc.remove_all_listeners()


async def _stop_parts(pc: RTCPeerConnection) -> None:
    transceivers = pc.getTransceivers()
    ways = {transceiver.receiver.transport for transceiver in transceivers}
    parts: list[Any] = [one for each in transceivers for one in (each.sender, each.receiver)]
    if pc.sctp is not None:
        parts.append(pc.sctp)
        ways.add(pc.sctp.transport)
    stopping = [asyncio.ensure_future(part.stop()) for part in (*parts, *ways)]
    done, pending = await asyncio.wait(stopping, timeout=CLOSE_LIMIT_S)
    for one in pending:
        one.cancel()
    await asyncio.gather(*done, return_exceptions=True)


def _free(connection: aioice.ice.Connection) -> None:
    """End what a connection still has: its sockets, its checks, and whoever waits for what comes."""
    connection._closing = True
    for task in (connection._query_consent_task, *(pair.task for pair in connection._check_list)):
        if task is not None:
            task.cancel()
    for protocol in connection._protocols:
        # A TURN server is told of it by a task that ends by itself.
        protocol.transport.close()
    connection._protocols.clear()
    connection._nominated.clear()
    if not connection._closed:
        connection._queue.put_nowait(None)
        connection._emit_event(aioice.ice.ConnectionClosed())
        connection._closed = True
