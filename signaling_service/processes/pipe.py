"""Between the front and one of its media processes: calls, their answers, and notices, over a Unix socket.

    +----------------+---------------------------------------------------------+
    | u32 big-endian | msgpack [kind, number, name, value]                     |
    | length         | kind: `call`, `answer`, `refusal` (to a number), `notice` |
    +----------------+---------------------------------------------------------+

The socket's two ends are all that ties the processes together: when either is gone, however it went, the
other reads the end of the stream.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgpack

from signaling_service.errors import MediaProcessLost, NoMediaProcess, PassedOn, SignalingError

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_UNSENT_BYTES = 4 * 1024 * 1024
"""What the other end has not read of notices; beyond, they are left out: newer ones follow."""
MAX_CALLS = 256

_LENGTH = struct.Struct(">I")

Serve = Callable[[str, Any], Awaitable[Any]]
Notice = Callable[[str, Any], None]


class Pipe:
    """One end; event loop only. `open`, then `run`, which reads until the other end is gone."""

    def __init__(self, own: socket.socket, serve: Serve, on_notice: Notice) -> None:
        """`serve` answers calls: it returns a value that msgpack can pack, or raises a SignalingError."""
        self._socket = own
        self._serve = serve
        self._on_notice = on_notice
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take the socket; calls may begin."""
        self._reader, self._writer = await asyncio.open_unix_connection(sock=self._socket)

    async def run(self) -> None:
        """Read until the stream ends; what still waits for an answer then raises MediaProcessLost."""
        reader = self._reader
        assert reader is not None
        try:
            while True:
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                if length > MAX_MESSAGE_BYTES:
                    raise ValueError(f"a message of {length} bytes")
                self._take(*msgpack.unpackb(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await self._close()

    async def call(self, name: str, value: Any, limit_s: float) -> Any:
        """Return the other end's answer; raises what it refused with, NoMediaProcess where it is away, or
        MediaProcessLost where it was asked and left without an answer.
        """
        if self._writer is None or len(self._waiting) >= MAX_CALLS:
            raise NoMediaProcess
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._send("call", number, name, value)
        try:
            async with asyncio.timeout(limit_s):
                return await answer
        except TimeoutError as exc:
            raise MediaProcessLost from exc
        finally:
            self._waiting.pop(number, None)

    def tell(self, name: str, value: Any) -> None:
        """Send a notice, unless the other end has left too much unread."""
        if self._writer is not None and self._writer.transport.get_write_buffer_size() < MAX_UNSENT_BYTES:
            self._send("notice", 0, name, value)

    def _send(self, kind: str, number: int, name: str, value: Any) -> None:
        packed: bytes = msgpack.packb([kind, number, name, value])
        if self._writer is not None:
            self._writer.write(_LENGTH.pack(len(packed)) + packed)

    def _take(self, kind: str, number: int, name: str, value: Any) -> None:
        if kind == "notice":
            # Behind what a call before it does first: an offer may be given up right after it was dealt.
            asyncio.get_running_loop().call_soon(self._on_notice, name, value)
        elif kind == "call":
            task = asyncio.get_running_loop().create_task(self._answer(number, name, value))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        elif (answer := self._waiting.get(number)) is not None and not answer.done():
            if kind == "answer":
                answer.set_result(value)
            else:
                answer.set_exception(PassedOn(value))

    async def _answer(self, number: int, name: str, value: Any) -> None:
        try:
            self._send("answer", number, name, await self._serve(name, value))
        except SignalingError as exc:
            self._send("refusal", number, name, exc.as_map())
        except Exception:
            logger.exception("call %s failed", name)
            self._send("refusal", number, name, SignalingError("internal error").as_map())

    async def _close(self) -> None:
        writer, self._writer = self._writer, None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(MediaProcessLost())
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
