"""A UDP socket of the event loop that is emptied in one go, and takes what one frame needs in one call.

asyncio's own transport reads one datagram a turn of the event loop, sends each with a system call of its
own, and keeps what the socket does not take, without a bound. Here a full socket drops: media that waits is
late, and whoever sends STUN or DTLS sends it again.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterator
from itertools import islice

from signaling_service.sockets.handling_time import HandlingTime, PausingReader

READS_A_TURN = 128
"""Datagrams that are read before the event loop does something else."""
LOOK_EVERY = 8
"""Datagrams between two looks at the budget. The dearest are checks, of which these take 2 ms."""
READ_BYTES = 2048
"""More than a path carries; of a longer datagram the rest is lost, and with it its integrity."""
SENDS_A_TURN = 64
"""Datagrams that wait for the end of a turn; more go out at once. Linux takes as many segments a call."""
SEGMENTED_BYTES = 60_000
BUFFERS_BYTES = {socket.SO_RCVBUF: 4 * 1024 * 1024, socket.SO_SNDBUF: 256 * 1024}
"""Asked for. The system gives what `net.core.rmem_max` and `wmem_max` allow. What waits to be sent is late:
here it is half a second of 4 Mbit/s."""

_SOL_UDP, _UDP_SEGMENT = 17, 103
"""linux/udp.h: the size into which the system cuts what one call hands it."""
_UNABLE = (errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP)
"""What the system says that cannot cut datagrams: an old kernel, or a device without checksums."""

Address = tuple[str, int]
Take = Callable[[bytes, Address], None]


class Unqueued:
    """Of a way where nothing waits: what it cannot take is dropped."""

    async def room(self, address: Address) -> bool:
        """Wait for nothing: what a full socket drops is lost as on the way, and the page says so."""
        return False

    def is_full(self, address: Address) -> bool:
        """Say no: what does not fit is dropped, and nothing waits."""
        return False

    def drop_pictures(self, address: Address) -> bool:
        """Drop nothing: what is sent in a turn leaves at its end, or never."""
        return False


class UdpSocket(Unqueued):
    """Bound from the beginning; event loop only. `open` before it is used, `close` in the end."""

    def __init__(self, host: str, port: int, page: Address | None = None) -> None:
        """Bind to an address of this host; port 0 is any. Raises OSError.

        With a page only what comes from there is this socket's. The system gives a datagram to the socket
        that is connected to its sender, before any other.
        """
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            for option, size_bytes in BUFFERS_BYTES.items():
                self._socket.setsockopt(socket.SOL_SOCKET, option, size_bytes)
            if port:
                # One that its holder shares can be taken by the same user. Any other is refused.
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._socket.bind((host, port))
            self.share_port(False)
            if page is not None:
                self._socket.connect(page)
        except OSError:
            self._socket.close()
            raise
        self.address: Address = self._socket.getsockname()[:2]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: PausingReader | None = None
        self._take: Take = lambda _, __: None
        self._waiting: list[tuple[bytes, Address]] = []
        self._can_segment = _knows_segments(self._socket)

    def open(self, take: Take, budget: HandlingTime) -> None:
        """Give what comes to `take`, from now on, as far as the budget goes."""
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._reader = PausingReader(self._socket, self._read, budget)
        self._reader.open()

    @property
    def is_open(self) -> bool:
        return self._loop is not None

    def send(self, data: bytes, address: Address) -> None:
        """Send at the end of this turn of the event loop, with what else is sent in it."""
        if self._loop is None or not data:
            return
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append((data, address))
        if len(self._waiting) >= SENDS_A_TURN:
            self._flush()

    def share_port(self, is_shared: bool) -> None:
        """Let other sockets of this user bind to the port from now on, or none; at first none can."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(is_shared))

    def read_rest(self) -> None:
        """Hand on what has come before others had the port, once; `close` follows."""
        self._read(HandlingTime())

    def close(self) -> None:
        """Send what waits, and free the port; safe to call twice."""
        self._flush()
        if self._reader is not None:
            self._reader.close()
        self._loop = None
        self._socket.close()

    def _read(self, budget: HandlingTime) -> None:
        receive, take = self._socket.recvfrom, self._take
        for number in range(1, READS_A_TURN + 1):
            try:
                data, address = receive(READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue  # What an earlier datagram has met on its way.
            take(data, address[:2])
            if self._loop is None:
                return  # Closed by what it has read.
            if number % LOOK_EVERY == 0 and not budget.goes_on():
                return

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for run in _runs(waiting):
            try:
                self._send_run(run)
            except BlockingIOError:
                return
            except OSError:
                continue  # No way to that address; others have one.

    def _send_run(self, run: list[tuple[bytes, Address]]) -> None:
        address = run[0][1]
        if len(run) > 1 and self._can_segment:
            size = struct.pack("=H", len(run[0][0]))
            try:
                parts = [data for data, _ in run]
                self._socket.sendmsg(parts, [(_SOL_UDP, _UDP_SEGMENT, size)], 0, address)
                return
            except BlockingIOError:
                raise
            except OSError as exc:
                # Else it is too large for the way to this address, which takes fragments.
                self._can_segment = exc.errno not in _UNABLE
        for data, _ in run:
            self._socket.sendto(data, address)


def _knows_segments(one: socket.socket) -> bool:
    """Tell whether the system knows of segments; else it would send them as one datagram."""
    try:
        one.getsockopt(_SOL_UDP, _UDP_SEGMENT)
    except OSError:
        return False
    return True


def _runs(waiting: list[tuple[bytes, Address]]) -> Iterator[list[tuple[bytes, Address]]]:
    """Cut what waits into what one call can send: to one address, of one size, the last perhaps shorter."""
    begin = 0
    while begin < len(waiting):
        first, address = waiting[begin]
        end, total = begin + 1, len(first)
        for data, to in islice(waiting, end, None):
            total += len(data)
            if to != address or len(data) > len(first) or total > SEGMENTED_BYTES:
                break
            end += 1
            if len(data) < len(first):
                break
        yield waiting[begin:end]
        begin = end
