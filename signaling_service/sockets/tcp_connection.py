"""One TCP connection that carries a call's datagrams, and stays as quick as its socket is.

A stream delays all that lies behind what it cannot deliver yet. So little waits in the kernel, and what waits
here has a bound: pictures that do not fit are dropped whole, the older ones first, and checks, handshakes and
reports pass. Whoever makes pictures asks `room` before the next one, so that mostly none is made in vain.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable

from aiortc.rtp import is_rtcp

from signaling_service.sockets.framing import DatagramTooLong, Deframer, framed
from signaling_service.sockets.handling_time import HandlingTime, PausingReader
from signaling_service.sockets.udp_socket import Address

FIRST_BYTES = 1024
"""What a stranger may send before its first datagram has proved it; a check has about 100 bytes."""
READ_BYTES = 16 * 1024
READS_A_TURN = 2
"""Before the event loop does something else: 10,000 of the shortest datagrams take 4 ms."""
LOOK_EVERY = 8
"""Datagrams between two looks at the budget."""
UNSENT_BYTES = 8 * 1024
"""Beyond what is on its way the kernel holds so much (TCP_NOTSENT_LOWAT): 65 ms at 1 Mbit/s."""
MEDIA_BYTES = 512 * 1024
"""Of pictures that wait for the socket: one of the largest."""
SENT_AT_ONCE_BYTES = 64 * 1024
OTHER_BYTES = 64 * 1024
"""Of checks, handshakes, reports and messages that wait; whoever sends them sends them again."""

_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
_RTP = range(128, 192)


class TcpConnection:
    """Event loop only. `open` before it is used, `close` in the end."""

    def __init__(self, accepted: socket.socket, address: Address) -> None:
        """Take over a socket that does not block; `address` is the other side's."""
        self.address = address
        self.is_proved = False
        """Whether the page of a call has proved this connection to be its own."""
        self._socket = accepted
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT_BYTES)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: PausingReader | None = None
        self._take: Callable[[TcpConnection, bytes], None] = lambda _, __: None
        self._on_end: Callable[[TcpConnection], None] = lambda _: None
        self._deframer = Deframer()
        self._read_bytes = 0
        self._begun = b""
        """The rest of the datagram that the socket has taken a part of."""
        self._waiting: deque[tuple[bytes, bytes | None]] = deque()
        """Framed datagrams, and of which picture each is."""
        self._media_bytes = self._other_bytes = 0
        """What waits of both kinds."""
        self._is_scheduled = False
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._broken_picture: bytes | None = None
        self._has_dropped = False

    def open(
        self,
        take: Callable[[TcpConnection, bytes], None],
        on_end: Callable[[TcpConnection], None],
        budget: HandlingTime,
    ) -> None:
        """Give each datagram to `take`, from now on, as far as the budget goes.

        `on_end` is told once that the connection is over.
        """
        self._take, self._on_end = take, on_end
        self._loop = asyncio.get_running_loop()
        if self._reader is not None:
            self._reader.close()
        self._reader = PausingReader(self._socket, self._read, budget)
        self._reader.open()

    def send(self, datagram: bytes) -> None:
        """Send at the end of this turn of the event loop, with what else is sent in it."""
        if self._loop is None or not datagram:
            return
        picture, data = _picture_of(datagram), framed(datagram)
        if not self._takes(picture, len(data)):
            return
        self._waiting.append((data, picture))
        # Where the socket is full, it says when it is not.
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)

    async def room(self) -> None:
        """Wait until the socket has taken all that was sent, or is closed."""
        await self._has_room.wait()

    @property
    def is_full(self) -> bool:
        """Whether something waits for the socket."""
        return not self._has_room.is_set()

    def takes_note_of_dropped(self) -> bool:
        """Tell whether pictures were dropped since this was asked last."""
        had, self._has_dropped = self._has_dropped, False
        return had

    def drop_pictures(self) -> bool:
        """Drop the pictures that wait for the socket; tell whether there was one."""
        had = any(picture is not None for _, picture in self._waiting)
        self._drop_pictures(b"")
        return had

    def close(self) -> None:
        """Send what the socket takes at once, and end; safe to call twice."""
        if self._loop is None:
            self._socket.close()
            return
        self._flush()
        self._end()

    def _takes(self, picture: bytes | None, size: int) -> bool:
        if picture is None:
            if self._other_bytes + size > OTHER_BYTES:
                return False
            self._other_bytes += size
            return True
        if picture == self._broken_picture:
            return False
        if self._media_bytes + size > MEDIA_BYTES:
            self._has_dropped = True
            if self._drop_pictures(picture):
                self._broken_picture = picture
                return False
        self._media_bytes += size
        return True

    def _drop_pictures(self, newest: bytes) -> bool:
        """Drop all that wait; tell whether the newest was one of them."""
        is_broken = any(picture == newest for _, picture in self._waiting)
        self._waiting = deque(one for one in self._waiting if one[1] is None)
        self._media_bytes = 0
        return is_broken

    def _flush(self) -> None:
        if self._loop is None:
            return
        try:
            taken = self._socket.send(self._next_bytes())
        except BlockingIOError:
            taken = 0
        except OSError:
            self._end()
            return
        self._forget(taken)
        if self._begun or self._waiting:
            self._is_scheduled = True
            self._has_room.clear()
            self._loop.add_writer(self._socket, self._flush)
        else:
            if not self._has_room.is_set():
                self._loop.remove_writer(self._socket)
                self._has_room.set()
            self._is_scheduled = False

    def _next_bytes(self) -> bytes:
        pieces, size = [self._begun], len(self._begun)
        for data, _ in self._waiting:
            if size >= SENT_AT_ONCE_BYTES:
                break
            pieces.append(data)
            size += len(data)
        return b"".join(pieces)

    def _forget(self, taken: int) -> None:
        rest = len(self._begun) - taken
        self._begun = self._begun[taken:]
        while rest < 0:
            data, picture = self._waiting.popleft()
            if picture is None:
                self._other_bytes -= len(data)
            else:
                self._media_bytes -= len(data)
            rest += len(data)
            self._begun = data[len(data) - rest :] if rest > 0 else b""

    def _read(self, budget: HandlingTime) -> None:
        for _ in range(READS_A_TURN):
            size = READ_BYTES if self.is_proved else FIRST_BYTES - self._read_bytes
            try:
                data = self._socket.recv(size) if size else b""
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._end()
                return
            self._read_bytes += len(data)
            if not self._has_time_for(data, budget):
                return

    def _has_time_for(self, data: bytes, budget: HandlingTime) -> bool:
        """Hand on the datagrams in what was read; False where that was the last for now.

        What the budget has no time for is dropped, as on the way.
        """
        has_time = True
        try:
            for number, datagram in enumerate(self._deframer.feed(data), 1):
                if has_time:
                    self._take(self, datagram)
                if self._loop is None:
                    return False  # Closed by what it has read.
                if number % LOOK_EVERY == 0:
                    has_time = budget.goes_on()
        except DatagramTooLong:
            self._end()
            return False
        return has_time

    def _end(self) -> None:
        if self._loop is None:
            return
        if self._reader is not None:
            self._reader.close()
        self._loop.remove_writer(self._socket)
        self._loop = None
        self._socket.close()
        self._waiting.clear()
        self._has_room.set()
        self._on_end(self)


def _picture_of(datagram: bytes) -> bytes | None:
    """Return timestamp and source of an RTP packet (RFC 3550 section 5.1), None for all else (RFC 7983)."""
    if datagram[0] not in _RTP or len(datagram) < 12 or is_rtcp(datagram):
        return None
    return datagram[4:12]
