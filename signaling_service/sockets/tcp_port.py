"""One TCP port for the calls of a process whose pages cannot send UDP (RFC 6544, passive candidates).

Whoever connects has to say a check (a STUN request) for a call, with the call's password, as its very first
datagram. Any other connection is closed at once, or when its time is up (strangers.py).
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable

import aioice.ice
from aioice.candidate import Candidate, candidate_foundation

from signaling_service.sockets.call_connections import CallConnections
from signaling_service.sockets.call_transport import CallTransport
from signaling_service.sockets.fixed_port import FixedPort
from signaling_service.sockets.handling_time import HandlingTime, PausingReader
from signaling_service.sockets.strangers import Strangers
from signaling_service.sockets.stun_target import called_name
from signaling_service.sockets.tcp_connection import TcpConnection
from signaling_service.sockets.udp_socket import Address

BACKLOG = 64
"""Connections that wait for the event loop."""
REST_S = 1.0
"""So long nobody is accepted where the process has no descriptor left."""
TYPE_PREFERENCE = 90
"""Of a candidate's priority: below UDP's own addresses (126) and those a STUN server tells (100, RFC 8445
section 5.1.2.2), and above relays."""
LOCAL_PREFERENCE = 4 * 2**13 + 2**13 - 1
"""Of a passive candidate (RFC 6544 section 4.2)."""

_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

MakeProtocol = Callable[[], aioice.ice.StunProtocol]


class TcpPort:
    """`open` before the first call, `start` in the event loop, `close` after the last call."""

    def __init__(self, port: int) -> None:
        self._strangers = Strangers()
        self._listeners = FixedPort("TCP", port, lambda host, port: Listener(host, port, self._strangers))

    def open(self, hosts: Iterable[str]) -> None:
        """Listen at these addresses of this host; raises MediaPortNotTaken."""
        self._listeners.open(hosts)

    def start(self) -> None:
        """Accept connections, from now on."""
        for listener in self._listeners:
            listener.start()

    def candidates(
        self, connection: aioice.ice.Connection, component: int, hosts: Iterable[str]
    ) -> list[Candidate]:
        """Give a call a passive candidate at each of these addresses of this host that can have one."""
        made = []
        for host in hosts:
            protocol = aioice.ice.StunProtocol(connection)
            try:
                address = self._join(protocol, host).get_extra_info("sockname")
            except OSError:
                continue
            protocol.local_candidate = Candidate(
                foundation=candidate_foundation("host", "tcp", host),
                component=component,
                transport="tcp",
                priority=(TYPE_PREFERENCE << 24) + (LOCAL_PREFERENCE << 8) + 256 - component,
                host=host,
                port=address[1],
                type="host",
                tcptype="passive",
            )
            connection._protocols.append(protocol)
            made.append(protocol.local_candidate)
        return made

    def make_way(self) -> None:
        """Free the port for a successor; connections that are there go on."""
        for listener in self._listeners:
            listener.close()

    def close(self) -> None:
        self._listeners.close()
        self._strangers.close()

    def _join(self, protocol: aioice.ice.StunProtocol, host: str) -> CallTransport:
        """Return a call's transport at a local address, also at one that this host has had only since."""
        listener = self._listeners.at(host)
        if not listener.is_open:
            listener.start()
        return listener.join(protocol)


class Listener:
    """Accepts at one address, and finds the call of each connection. `start` in the event loop."""

    def __init__(self, host: str, port: int, strangers: Strangers) -> None:
        """Bind and listen; raises OSError."""
        self._strangers = strangers
        self._calls: dict[bytes, CallConnections] = {}
        """By the user name that this service has chosen for the call."""
        self._reader: PausingReader | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
            self._socket.listen(BACKLOG)
        except OSError:
            self._socket.close()
            raise
        self.address: Address = self._socket.getsockname()[:2]

    def start(self) -> None:
        """Accept connections, from now on."""
        self._reader = PausingReader(self._socket, self._accept, self._strangers.budget)
        self._reader.open()

    @property
    def is_open(self) -> bool:
        return self._reader is not None

    def join(self, protocol: aioice.ice.StunProtocol) -> CallTransport:
        """Return the transport of one more call; raises OSError where its name is another's."""
        name = protocol.receiver.local_username.encode()
        if name in self._calls:
            raise OSError("the user name of another call")
        call = self._calls[name] = CallConnections(self.address, protocol, self._calls)
        transport = CallTransport(call, call, protocol)
        transport.begin()
        return transport

    def close(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self._socket.close()

    def _accept(self, budget: HandlingTime) -> None:
        for _ in range(BACKLOG):
            try:
                accepted, address = self._socket.accept()
            except OSError as exc:
                if exc.errno in _NO_DESCRIPTORS:
                    self._rest()
                if isinstance(exc, BlockingIOError) or exc.errno in _NO_DESCRIPTORS:
                    return
                continue  # One that has gone while it waited.
            accepted.setblocking(False)
            try:
                connection = TcpConnection(accepted, address[:2])
            except OSError:
                accepted.close()
                continue
            if self._strangers.admit(connection):
                connection.open(self._meet, self._strangers.forget, budget)
            else:
                connection.close()
            if not budget.goes_on():
                return

    def _rest(self) -> None:
        assert self._reader is not None
        self._reader.close()
        self._resting = asyncio.get_running_loop().call_later(REST_S, self.start)

    def _meet(self, connection: TcpConnection, datagram: bytes) -> None:
        """Take the first datagram of a connection."""
        name = called_name(datagram)
        call = None if name is None else self._calls.get(name)
        if call is not None and call.proves(connection, datagram):
            self._strangers.forget(connection)
        else:
            connection.close()
