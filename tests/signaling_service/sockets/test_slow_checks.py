from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aioice import stun
from aioice.candidate import Candidate
from aioice.ice import Connection, StunProtocol

from signaling_service.rtc import aiortc_patches
from signaling_service.sdp.candidates import MAX_CHECKED
from signaling_service.sockets import arrivals
from signaling_service.sockets.slow_checks import TURN_S
from tests.signaling_service import virtual_time

SOCKETS = 3
CALL_S = 10.0
"""As long as an offer may wait for its connection."""
SEND_STUN = getattr(StunProtocol.send_stun, "original", StunProtocol.send_stun)


class Wire:
    """A transport that notes when each datagram was sent, and where to."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, tuple[str, int], stun.Message]] = []

    def sendto(self, data: bytes, addr: tuple[str, int]) -> None:
        self.sent.append((asyncio.get_running_loop().time(), addr, stun.parse_message(data)))

    def close(self) -> None:
        """There is nothing to free."""


def host(number: int, port: int) -> Candidate:
    return Candidate(str(number), 1, "udp", 2**24 - number, f"198.51.100.{number}", port, "host")


async def calling(wire: Wire, addresses: int) -> tuple[Connection, asyncio.Task[None]]:
    """A call of several sockets whose offer names addresses, and its attempt to connect."""
    connection = Connection(ice_controlling=False)
    connection.remote_username, connection.remote_password = "page", "p" * 22
    for number in range(SOCKETS):
        protocol = StunProtocol(connection)
        protocol.transport = wire  # type: ignore[assignment]
        protocol.local_candidate = host(200 + number, 50_000)
        connection._protocols.append(protocol)
    connection._local_candidates_end = True
    for number in range(addresses):
        await connection.add_remote_candidate(host(1 + number, 40_000))
    return connection, asyncio.create_task(connection.connect())


async def strange(wire: Wire) -> None:
    _, connecting = await calling(wire, MAX_CHECKED)
    await asyncio.sleep(CALL_S)
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StunProtocol, "send_stun", SEND_STUN)
    aiortc_patches.apply(["127.0.0.1"])


def most_within(wire: Wire, length_s: float) -> int:
    times = [at_s for at_s, _, _ in wire.sent]
    return max(sum(begin <= at_s < begin + length_s for at_s in times) for begin in times)


def test_checks_to_addresses_that_do_not_answer_are_sent_one_a_turn(patched: None) -> None:
    wire = Wire()
    virtual_time.run(strange(wire))
    assert most_within(wire, 0.9 * TURN_S) == 1
    assert len(wire.sent) <= CALL_S / TURN_S + 1
    # Each is asked from each socket, and none for ever in vain.
    assert len({address for _, address, _ in wire.sent}) == MAX_CHECKED
    transactions = {message.transaction_id for _, _, message in wire.sent}
    assert len(transactions) == SOCKETS * MAX_CHECKED


def test_without_the_patch_they_come_in_bursts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StunProtocol, "send_stun", SEND_STUN)
    wire = Wire()
    virtual_time.run(strange(wire))
    assert most_within(wire, 1.0) > 2 / TURN_S


def test_an_address_that_has_answered_waits_for_nothing(patched: None) -> None:
    wire = Wire()

    async def called() -> None:
        connection, connecting = await calling(wire, MAX_CHECKED)
        await asyncio.sleep(0.2)
        wire.sent.clear()
        (protocol, *_) = connection._protocols
        # The page's own check from an address that is last in line, and from one that was never named.
        for address in (("198.51.100.16", 40_000), ("203.0.113.7", 9)):
            check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
            check.attributes["USERNAME"] = f"{connection.local_username}:page"
            check.attributes["PRIORITY"] = 1
            check.attributes["ICE-CONTROLLING"] = 2**63
            check.add_message_integrity(connection.local_password.encode())
            arrivals.guarded(None)(protocol, bytes(check), address)
        await asyncio.sleep(0)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)

    virtual_time.run(called())
    checked = [address for _, address, message in wire.sent if message.message_class is stun.Class.REQUEST]
    assert checked == [("198.51.100.16", 40_000), ("203.0.113.7", 9)]


def test_checks_that_wait_for_their_turn_end_with_their_call(patched: None) -> None:
    wire = Wire()

    async def ended() -> None:
        connection, connecting = await calling(wire, MAX_CHECKED)
        await asyncio.sleep(0.2)
        checks = [pair.task for pair in connection._check_list if pair.task is not None]
        for task in (connecting, *checks):
            task.cancel()
        await asyncio.gather(connecting, *checks, return_exceptions=True)
        wire.sent.clear()
        await asyncio.sleep(CALL_S)

    virtual_time.run(ended())
    assert wire.sent == []


def test_a_stun_server_is_asked_at_once(patched: None) -> None:
    wire = Wire()

    async def asking() -> None:
        connection, connecting = await calling(wire, MAX_CHECKED)
        (protocol, *_) = connection._protocols
        await asyncio.sleep(0.2)
        wire.sent.clear()
        question = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        asked: asyncio.Task[Any] = asyncio.create_task(protocol.request(question, ("192.0.2.1", 3478)))
        await asyncio.sleep(0)
        assert [address for _, address, _ in wire.sent] == [("192.0.2.1", 3478)]
        for task in (asked, connecting):
            task.cancel()
        await asyncio.gather(asked, connecting, return_exceptions=True)

    virtual_time.run(asking())
