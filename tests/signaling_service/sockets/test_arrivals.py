from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aioice import stun
from aiortc import RTCConfiguration, RTCPeerConnection

from signaling_service.rtc import aiortc_patches, silence
from signaling_service.rtc.aiortc_patches import ice_connections
from signaling_service.rtc.silence import Silence
from signaling_service.sockets import arrivals
from tests.signaling_service.calling import until

BAD_STUN = b"\x00\x01\x00\x04\x21\x12\xa4\x42" + bytes(12) + b"\x00\x20\x00\x00"
"""A request whose XOR-MAPPED-ADDRESS has no content."""
STRANGE = {
    "empty": b"",
    "one byte of DTLS": b"\x16",
    "DTLS alert": bytes.fromhex("15fefd00000000000000010002" + "0200"),
    "RTP": b"\x80\x60" + bytes(30),
    "RTCP": b"\x80\xc8" + bytes(30),
    "malformed STUN": BAD_STUN,
    "STUN that is cut short": BAD_STUN[:12],
    "STUN request without integrity": bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST)),
    "STUN answer to nothing": bytes(stun.Message(stun.Method.BINDING, stun.Class.RESPONSE)),
    "ZRTP": b"\x10" + bytes(20),
    "TURN channel": b"\x40\x00\x00\x04" + bytes(4),
    "none of RFC 7983": b"\xff" + bytes(20),
}
NOT_MEDIA = ["empty", "malformed STUN", "STUN that is cut short", "ZRTP", "TURN channel", "none of RFC 7983"]


class Called:
    """Two connected peers with a data channel, and what the first one's loop complained of."""

    def __init__(self) -> None:
        aiortc_patches.apply(["127.0.0.1"])
        self.ours, self.theirs = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
        self.faults: list[dict[str, Any]] = []
        self.heard: list[str] = []
        self.channel = self.theirs.createDataChannel("control")
        self.ours.on("datachannel", lambda channel: channel.on("message", self.heard.append))

    @property
    def connection(self) -> Any:
        """Its aioice connection, whose methods a test may replace."""
        (connection,) = ice_connections(self.ours)
        return connection

    @property
    def port(self) -> int:
        return int(self.connection.local_candidates[0].port)

    async def connect(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, fault: self.faults.append(fault))
        await self.theirs.setLocalDescription(await self.theirs.createOffer())
        await self.ours.setRemoteDescription(self.theirs.localDescription)
        await self.ours.setLocalDescription(await self.ours.createAnswer())
        await self.theirs.setRemoteDescription(self.ours.localDescription)
        await until(lambda: self.channel.readyState == "open")

    async def is_alive(self) -> None:
        """A message gets through."""
        had = len(self.heard)
        self.channel.send("still here")
        await until(lambda: len(self.heard) > had)

    async def close(self) -> None:
        await self.ours.close()
        await self.theirs.close()


@pytest.fixture
async def called() -> AsyncIterator[Called]:
    one = Called()
    await one.connect()
    yield one
    await one.close()


@contextmanager
def stranger() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        yield sender


@pytest.mark.parametrize("name", STRANGE)
async def test_no_datagram_of_a_stranger_ends_a_call_or_counts_as_heard(called: Called, name: str) -> None:
    before_s = aiortc_patches.heard_s(called.connection)
    taken: list[bytes] = []
    take = called.connection.data_received
    called.connection.data_received = lambda data, component: taken.append(data)
    with stranger() as sender:
        for _ in range(20):
            sender.sendto(STRANGE[name], ("127.0.0.1", called.port))
        # Sent last on the same socket: when it has been read, so have the others.
        probe = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        read = asyncio.Event()
        request_received = called.connection.request_received

        def noting(message: stun.Message, *where: Any) -> None:
            if message.transaction_id == probe.transaction_id:
                read.set()
            request_received(message, *where)

        called.connection.request_received = noting
        sender.sendto(bytes(probe), ("127.0.0.1", called.port))
        async with asyncio.timeout(5):
            await read.wait()
    assert taken == []
    assert aiortc_patches.heard_s(called.connection) == before_s
    called.connection.data_received = take
    await called.is_alive()
    assert called.ours.connectionState == "connected"
    assert called.faults == []


@pytest.mark.parametrize("kind", [one for one in stun.Class if one is not stun.Class.REQUEST])
async def test_a_stranger_s_answer_to_no_question_is_answered_by_nothing(
    called: Called, kind: stun.Class
) -> None:
    unasked = stun.Message(stun.Method.BINDING, kind)
    # Another method than checks have would be answered with an error.
    other = stun.Message(stun.Method.ALLOCATE, kind)
    asked = stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST)
    with stranger() as sender:
        sender.setblocking(False)
        for message in (unasked, other, asked):
            sender.sendto(bytes(message), ("127.0.0.1", called.port))
        async with asyncio.timeout(5):
            answer = await asyncio.get_running_loop().sock_recv(sender, 2048)
        # The last one's: it comes behind what the others would have got.
        assert stun.parse_message(answer).transaction_id == asked.transaction_id
    await called.is_alive()
    assert called.faults == []


@pytest.mark.parametrize("name", NOT_MEDIA)
async def test_what_no_page_sends_ends_no_call_from_the_pages_own_address_either(
    called: Called, name: str
) -> None:
    (theirs,) = ice_connections(called.theirs)
    pair = theirs._nominated[1]
    for _ in range(20):
        # The socket itself: asyncio sends nothing empty.
        transport: Any = pair.protocol.transport
        transport._sock.sendto(STRANGE[name], pair.remote_addr)
    await called.is_alive()
    assert called.ours.connectionState == "connected"
    assert called.faults == []


async def test_strangers_do_not_keep_a_page_that_is_gone(
    called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "ASK_AFTER_S", 0.4)
    (theirs,) = ice_connections(called.theirs)
    for protocol in theirs._protocols:
        protocol.transport.abort()

    async def flood() -> None:
        with stranger() as sender:
            while True:
                for data in STRANGE.values():
                    sender.sendto(data, ("127.0.0.1", called.port))
                await asyncio.sleep(0.05)

    flooding = asyncio.create_task(flood())
    async with asyncio.timeout(4):
        await Silence(called.ours).lasts(1.0)
    flooding.cancel()


async def test_a_check_with_the_calls_password_makes_an_address_known(called: Called) -> None:
    connection = called.connection
    taken: list[bytes] = []
    connection.data_received = lambda data, component: taken.append(data)
    check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    check.attributes["USERNAME"] = f"{connection.local_username}:{connection.remote_username}"
    check.attributes["PRIORITY"] = 1
    check.attributes["ICE-CONTROLLING"] = 2**63
    check.add_message_integrity(connection.local_password.encode())
    before_s = aiortc_patches.heard_s(connection)
    with stranger() as sender:
        sender.sendto(bytes(check), ("127.0.0.1", called.port))
        sender.sendto(b"\x80media", ("127.0.0.1", called.port))
        await until(lambda: taken == [b"\x80media"])
    assert aiortc_patches.heard_s(connection) > before_s


async def test_the_addresses_known_of_one_page_are_bounded(called: Called) -> None:
    (protocol,) = called.connection._protocols
    for port in range(1, 2 * arrivals.MAX_KNOWN):
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        check.add_message_integrity(called.connection.local_password.encode())
        protocol.datagram_received(bytes(check), ("127.0.0.2", port))
    assert len(protocol.known_addresses) == arrivals.MAX_KNOWN


async def test_whoever_has_the_password_cannot_have_checks_sent_to_many(called: Called) -> None:
    connection = called.connection
    (protocol,) = connection._protocols
    for port in range(1, 3 * arrivals.MAX_REMOTE):
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        check.attributes["USERNAME"] = f"{connection.local_username}:{connection.remote_username}"
        check.attributes["PRIORITY"] = 1
        check.attributes["ICE-CONTROLLING"] = 2**63
        check.add_message_integrity(connection.local_password.encode())
        protocol.datagram_received(bytes(check), ("127.0.0.2", port))
    assert len(connection._remote_candidates) == arrivals.MAX_REMOTE
    await called.is_alive()


async def test_what_waits_of_a_page_is_bounded(called: Called) -> None:
    waiting = called.connection._queue
    (pair,) = called.connection._nominated.values()
    # In one turn of the event loop, in which nothing of it is handled.
    for _ in range(2 * arrivals.MAX_WAITING):
        pair.protocol.datagram_received(b"\x80\x60" + bytes(30), pair.remote_addr)
    assert waiting.qsize() == arrivals.MAX_WAITING
    await called.is_alive()
