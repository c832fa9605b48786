"""Which datagrams reach a call: those of its page, and of no one else.

A call's UDP ports are open to everybody. aioice hands on whatever is not STUN, from any address, and aiortc
reads its first byte without a look at its length: one empty datagram ended a call. So a datagram is looked at
here before either of them sees it:

- STUN (RFC 8489) goes on where it can be parsed. It makes its sender's address known where its integrity was
  made with the passwords that page and service told each other in offer and answer.
- DTLS, RTP and RTCP, told apart by their first byte (RFC 7983), go on from known addresses.
- All else is dropped.

Only what goes on and was sent by the page counts as heard from it.

A page's RTP from another address is dropped too, but a NAT may have given the page that address. Where the
page has fallen silent elsewhere, it is sent a check there at once: its own next one may come 2.5 s later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import aioice.ice
from aioice import stun
from aioice.candidate import candidate_priority

from signaling_service.sockets.call_transport import CallTransport
from signaling_service.sockets.udp_socket import Address

MAX_KNOWN = 64
"""Addresses of one page. The one known first is forgotten; its next check makes it known again."""
MAX_REMOTE = 32
"""Addresses of one page that are sent checks: those it names, and those that its own checks come from."""
MAX_WAITING = 1024
"""Datagrams of one page that wait to be handled: several turns of the event loop have read fewer."""
MOVED_S = 1.0
"""A page that sends from another address, and for so long nothing from its former one, has moved."""
SILENT_S = 0.2
"""A camera that is quiet for so long, and heard elsewhere, may have moved."""
SEEK_EVERY_S = 0.2
_STUN = range(4)
_DTLS = range(20, 64)
_RTP = range(128, 192)


def guarded(original: Any) -> Callable[..., None]:
    """Return `StunProtocol.datagram_received` behind the look described above; `original` is not called."""

    def datagram_received(self: aioice.ice.StunProtocol, data: bytes, addr: tuple[Any, ...]) -> None:
        address = (addr[0], addr[1])  # Of IPv6 there are four parts.
        first = data[0] if data else -1
        if first in _STUN:
            _take_stun(self, data, address)
        elif (first in _RTP or first in _DTLS) and address in _known(self):
            _hear(self, address)
            if self.receiver._queue.qsize() >= MAX_WAITING:
                return
            self.receiver.data_received(data, self.local_candidate.component)
        elif first in _RTP:
            seek(self, data, address)

    return datagram_received


def seek(protocol: aioice.ice.StunProtocol, data: bytes, address: Address) -> bool:
    """Send a check to where media of the page has come from, if the page has fallen silent elsewhere.

    Its answer proves the address, and makes it the one that media goes to. Returns whether the datagram is
    the page's by the keys of its media. It is dropped all the same.
    """
    connection, now_s = protocol.receiver, time.monotonic()
    is_authentic = getattr(connection, "is_authentic", None)
    if is_authentic is None or not _is_silent(connection, SILENT_S):
        return False
    if now_s - getattr(connection, "sought_s", 0.0) < SEEK_EVERY_S or not is_authentic(data):
        return False
    connection.sought_s = now_s  # type: ignore[attr-defined]
    if _has_room(connection, address):
        # As if the page had sent a check from there, and nominated it.
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        component = protocol.local_candidate.component
        check.attributes["PRIORITY"] = candidate_priority(component, "prflx")
        check.attributes["USE-CANDIDATE"] = None
        connection.check_incoming(check, address, protocol)
    return True


def _take_stun(protocol: aioice.ice.StunProtocol, data: bytes, address: Address) -> None:
    connection = protocol.receiver
    try:
        message = stun.parse_message(data)
        is_request = message.message_class is stun.Class.REQUEST
        transaction = None if is_request else protocol.transactions.get(message.transaction_id)
        if not is_request and transaction is None:
            return
        if _is_of_the_page(connection, message, is_request) and _claims(protocol, address):
            known = _known(protocol)
            known.pop(address, None)
            _hear(protocol, address)
            if len(known) > MAX_KNOWN:
                _forget_first(protocol, known)
            if is_request and _has_moved(connection, address):
                message.attributes["USE-CANDIDATE"] = None
        if is_request and not _has_room(connection, address):
            return
        if transaction is not None:
            transaction.response_received(message, address)
        else:
            connection.request_received(message, address, protocol)
    except Exception:
        # Whatever a stranger makes of a STUN message, the event loop must not log a traceback for it.
        return


def _is_of_the_page(connection: aioice.ice.Connection, message: stun.Message, is_request: bool) -> bool:
    password = connection.local_password if is_request else connection.remote_password
    return password is not None and message.check_message_integrity(password.encode())


def _has_moved(connection: aioice.ice.Connection, address: Address) -> bool:
    """Tell whether a page that checks from this address has left the one that media goes to.

    A NAT may give a page another address in mid-call. Chromium nominates that one by its next check, others
    do not: to them this service would send into the void until it ends the call.
    """
    pair = connection._nominated.get(1)
    return pair is not None and pair.remote_addr != address and _is_silent(connection, MOVED_S)


def _is_silent(connection: aioice.ice.Connection, for_s: float) -> bool:
    """Tell whether nothing has come for so long from where media goes to; no, if it goes nowhere."""
    pair = connection._nominated.get(1)
    if pair is None or connection.ice_controlling:
        return False
    return time.monotonic() - _known(pair.protocol).get(pair.remote_addr, 0.0) > for_s


def _has_room(connection: aioice.ice.Connection, address: Address) -> bool:
    """Each address from which a check comes is sent checks, and whoever has the password may forge many."""
    remote = connection._remote_candidates
    if len(remote) + len(connection._early_checks) < MAX_REMOTE:
        return True
    return any((one._network_host, one.port) == address for one in remote)


def _known(protocol: aioice.ice.StunProtocol) -> dict[Address, float]:
    """Addresses that the page has proved at this socket, the last proved last; with time.monotonic() of the
    last datagram from each.
    """
    if (known := getattr(protocol, "known_addresses", None)) is None:
        known = protocol.known_addresses = {}  # type: ignore[attr-defined]
    return known


def _claims(protocol: aioice.ice.StunProtocol, address: Address) -> bool:
    """Tell whether an address is the page's, whatever other calls have at the same socket."""
    transport = protocol.transport
    return not isinstance(transport, CallTransport) or transport.claims(address)


def _forget_first(protocol: aioice.ice.StunProtocol, known: dict[Address, float]) -> None:
    first = next(iter(known))
    del known[first]
    if isinstance(protocol.transport, CallTransport):
        protocol.transport.gives_up(first)


def _hear(protocol: aioice.ice.StunProtocol, address: Address) -> None:
    now_s = time.monotonic()
    _known(protocol)[address] = now_s
    protocol.receiver.heard_s = now_s  # type: ignore[attr-defined]
