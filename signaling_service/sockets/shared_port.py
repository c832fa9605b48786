"""One UDP port for all calls of a process, with a socket for each address of this host.

Whose a datagram is:

- A check (a STUN request) names the call that it is for, in its user name.
- An answer to a check is the call's that has asked: it bears the transaction's id.
- All else is the call's whose page has proved the sender's address, by a check with the call's password.

What is nobody's is dropped before anything else looks at it. A page whose NAT gives it another address
proves that one by its next check, and its call goes on.

A page that sends more than checks has a socket of its own at the port, connected to the page's address. So it
has the system's buffer to itself, and its own budget of this thread's time. What strangers and other pages
send fills neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import aioice.ice

from signaling_service.sockets import arrivals
from signaling_service.sockets.call_transport import CallTransport
from signaling_service.sockets.fixed_port import FixedPort
from signaling_service.sockets.handling_time import HandlingTime, time_of
from signaling_service.sockets.stun_target import called_name, transaction_of
from signaling_service.sockets.udp_socket import Address, UdpSocket, Unqueued

HELD_S = 2.0
"""An address stays a call's for so long after the last word from it, whoever else proves it: a sender's
address can be forged, and a NAT gives a port to somebody else only after minutes."""

SOCKETS_OF_A_CALL = 8
"""A page sends from each of its own addresses. The one that had its first gives way."""

_RTP_VERSION, _LEAST_MEDIA_BYTES = 2, 12

MakeProtocol = Callable[[], aioice.ice.StunProtocol]


class SharedPort:
    """`open` before the first call, `close` after the last."""

    def __init__(self, port: int) -> None:
        self._sockets = FixedPort("UDP", port, SharedSocket)

    def open(self, hosts: Iterable[str]) -> None:
        """Bind to these addresses of this host; raises MediaPortNotTaken."""
        self._sockets.open(hosts)

    def join(self, make: MakeProtocol, host: str) -> CallTransport:
        """Return a call's transport at a local address; raises OSError."""
        return self._sockets.at(host).join(make())

    def make_way(self) -> None:
        """Free the port for a successor; calls go on, between addresses that are known."""
        for shared in self._sockets:
            shared.make_way()

    def close(self) -> None:
        self._sockets.close()


class SharedSocket:
    """One socket, and the calls at it."""

    def __init__(self, host: str, port: int) -> None:
        self._own = UdpSocket(host, port)
        self._calls: dict[bytes, CallTransport] = {}
        """By the user name that this service has chosen for the call."""
        self._pages: dict[Address, CallTransport] = {}
        """By the addresses that pages have proved; arrivals.py bounds them for each call."""
        self._asked: dict[bytes, CallTransport] = {}
        """By the transactions that are open."""
        self._kept: dict[Address, tuple[UdpSocket, CallTransport]] = {}
        """Sockets for one page each, by its address, and whose they are."""

    def join(self, protocol: aioice.ice.StunProtocol) -> CallTransport:
        """Return the transport of one more call; raises OSError where its name is another's."""
        name = _name(protocol)
        if name in self._calls:
            raise OSError("the user name of another call")
        if not self._own.is_open:
            self._own.open(self._take, HandlingTime())
        transport = self._calls[name] = CallTransport(self._own, self, protocol)
        protocol.transactions = _Transactions(self._asked, transport)
        transport.begin()
        return transport

    def make_way(self) -> None:
        """Keep what known pages send; all else that comes to the port is a successor's."""
        if self._own.is_open:
            for address, transport in self._pages.items():
                self._keep(address, transport)
            self._own.read_rest()
        self._own.close()
        self._share_port(True)
        way = _Kept(self._own.address, self._kept)
        for transport in self._calls.values():
            transport.leave_by(way)

    def close(self) -> None:
        self._own.close()
        for address in list(self._kept):
            self._keep_no_more(address)

    # What the calls' transports say (call_transport.Owner)

    def claims(self, transport: CallTransport, address: Address) -> bool:
        holder = self._pages.get(address)
        if holder is not None and holder is not transport:
            known: dict[Address, float] = getattr(holder.protocol, "known_addresses", {})
            if time.monotonic() - known.get(address, 0.0) < HELD_S:
                return False
            known.pop(address, None)
            self._keep_no_more(address)
        self._pages[address] = transport
        return True

    def gives_up(self, transport: CallTransport, address: Address) -> None:
        if self._pages.get(address) is transport:
            del self._pages[address]
            self._keep_no_more(address)

    def renames(self, transport: CallTransport, former: bytes, name: bytes) -> None:
        self._calls[name] = self._calls.pop(former)

    def leaves(self, transport: CallTransport) -> None:
        self._calls.pop(_name(transport.protocol), None)
        for held in (self._pages, self._asked):
            for key in [key for key, holder in held.items() if holder is transport]:
                del held[key]  # type: ignore[arg-type]
        for address in [address for address, (_, holder) in self._kept.items() if holder is transport]:
            self._keep_no_more(address)

    def _take(self, data: bytes, address: Address) -> None:
        if not data:
            return
        if data[0] > 3:  # No STUN (RFC 7983).
            if (call := self._pages.get(address)) is None:
                self._seek(data, address)
            elif address not in self._kept and self._own.is_open:
                self._keep(address, call)
        elif (name := called_name(data)) is not None:
            call = self._calls.get(name)
        elif (transaction := transaction_of(data)) is not None:
            call = self._asked.get(transaction)
        else:
            return
        if call is not None:
            call.protocol.datagram_received(data, address)

    def _keep(self, address: Address, transport: CallTransport) -> None:
        """Give a page a socket of its own, where the system has one."""
        if address in self._kept:
            return
        # Only meanwhile: another program of the same user could bind to the port, too.
        self._share_port(True)
        try:
            one = UdpSocket(*self._own.address, address)
        except OSError:
            return
        finally:
            self._share_port(False)
        one.open(self._take, time_of(transport.protocol.receiver))
        self._kept[address] = one, transport
        its = [at for at, (_, holder) in self._kept.items() if holder is transport]
        for first in its[:-SOCKETS_OF_A_CALL]:
            self._keep_no_more(first)

    def _share_port(self, is_shared: bool) -> None:
        # The system asks any one of them, mostly the newest.
        for one in (self._own, *(kept for kept, _ in self._kept.values())):
            if one.is_open:
                one.share_port(is_shared)

    def _keep_no_more(self, address: Address) -> None:
        if (kept := self._kept.pop(address, None)) is not None:
            kept[0].close()

    def _seek(self, data: bytes, address: Address) -> None:
        """Find the call of a page whose media comes from another address than before (arrivals.py)."""
        if len(data) >= _LEAST_MEDIA_BYTES and data[0] >> 6 == _RTP_VERSION:
            any(arrivals.seek(call.protocol, data, address) for call in self._calls.values())


class _Kept(Unqueued):
    """The way of calls whose port is given up: to the pages that were known then (call_transport.Way)."""

    def __init__(self, address: Address, kept: Mapping[Address, tuple[UdpSocket, CallTransport]]) -> None:
        self.address = address
        self._kept = kept

    def send(self, data: bytes, address: Address) -> None:
        if (kept := self._kept.get(address)) is not None:
            kept[0].send(data, address)


class _Transactions(dict[bytes, Any]):
    """The open transactions of one call, which its socket knows by their ids too."""

    def __init__(self, asked: dict[bytes, CallTransport], transport: CallTransport) -> None:
        super().__init__()
        self._asked = asked
        self._transport = transport

    def __setitem__(self, id_: bytes, transaction: Any) -> None:
        super().__setitem__(id_, transaction)
        self._asked[id_] = self._transport

    def __delitem__(self, id_: bytes) -> None:
        super().__delitem__(id_)
        self._asked.pop(id_, None)


def _name(protocol: aioice.ice.StunProtocol) -> bytes:
    return protocol.receiver.local_username.encode()
