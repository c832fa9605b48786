"""What reaches the sockets of calls: datagrams, and streams with datagrams in them."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import aioice.ice
from aioice.candidate import Candidate

from signaling_service.sockets.framing import DatagramTooLong, Deframer
from signaling_service.sockets.stun_target import called_name, transaction_of
from tests.fuzz.media import loop

PASSWORD = "thePasswordOfThisCallAlone"
_STRANGER, _PAGE = ("192.0.2.9", 9), ("192.0.2.7", 7)


def datagram(data: bytes) -> None:
    """A datagram of a stranger, and then of an address that the page has proved; the call goes on."""
    loop().run_until_complete(_arrive(data))


async def _arrive(data: bytes) -> None:
    connection: Any = aioice.ice.Connection(ice_controlling=False, local_password=PASSWORD)
    connection.remote_username, connection.remote_password = "page", PASSWORD
    protocol: Any = aioice.ice.StunProtocol(connection)
    protocol.local_candidate = Candidate("1", 1, "udp", 1, "192.0.2.1", 1, "host")
    protocol.transport = SimpleNamespace(sendto=lambda data, address: None)
    connection._protocols.append(protocol)
    protocol.datagram_received(data, _STRANGER)
    assert connection._queue.empty()
    protocol.known_addresses = {**getattr(protocol, "known_addresses", {}), _PAGE: 1.0}
    protocol.datagram_received(data, _PAGE)
    assert connection._queue.empty() or data
    called_name(data)
    transaction_of(data)
    for pair in connection._check_list:
        if pair.task is not None:
            pair.task.cancel()


def tcp_stream(data: bytes) -> None:
    """What a stranger sends to the TCP port; the first byte says into which pieces it is cut."""
    size = 1 + (data[0] if data else 0)
    deframer, heard = Deframer(), list[bytes]()
    with contextlib.suppress(DatagramTooLong):
        for at in range(1, len(data), size):
            heard += deframer.feed(data[at : at + size])
    at_once = list[bytes]()
    with contextlib.suppress(DatagramTooLong):
        for datagram in Deframer().feed(data[1:]):
            at_once.append(datagram)
    assert heard == at_once
    for datagram in heard:
        called_name(datagram)
        transaction_of(datagram)
