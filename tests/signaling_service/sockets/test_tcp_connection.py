from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from signaling_service.sockets import tcp_connection
from signaling_service.sockets.framing import Deframer, framed
from signaling_service.sockets.handling_time import BURST_S, SHARE, HandlingTime
from signaling_service.sockets.tcp_connection import MEDIA_BYTES, OTHER_BYTES, READ_BYTES, TcpConnection
from tests.signaling_service.calling import until

CHECK = b"\x01\x01" + bytes(98)
HANDSHAKE = b"\x16\xfe\xfd" + bytes(97)
REPORT = b"\x80\xc8" + bytes(26)


@dataclass
class Ends:
    """A connection, and the socket at its other end, which is read only when a test says so."""

    connection: TcpConnection
    far: socket.socket
    heard: list[bytes] = field(default_factory=list)
    ended: list[TcpConnection] = field(default_factory=list)

    async def read(self) -> list[bytes]:
        """Read until this end has sent all."""
        deframer, read = Deframer(), list[bytes]()
        while self.has_rest or self.may_read:
            if not self.may_read:
                await asyncio.sleep(0)
                continue
            read += deframer.feed(self.far.recv(1 << 20))
        return read

    @property
    def has_rest(self) -> bool:
        return not self.connection._has_room.is_set() or self.connection._is_scheduled

    @property
    def may_read(self) -> bool:
        try:
            return bool(self.far.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        far = socket.socket()
        # Little fits between the two ends, as on a slow link.
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        far.connect(server.getsockname())
        near, address = server.accept()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
    for one in (near, far):
        one.setblocking(False)
    made = Ends(TcpConnection(near, address), far)
    made.connection.is_proved = True
    made.connection.open(lambda _, data: made.heard.append(data), made.ended.append, HandlingTime())
    yield made
    made.connection.close()
    far.close()


def picture(number: int, packets: int = 20) -> list[bytes]:
    """The packets of a picture: RTP's 12 bytes with its timestamp, and 1,000 of content."""
    stamp = number.to_bytes(4, "big")
    return [b"\x80\x60" + at.to_bytes(2, "big") + stamp + b"ssrc" + bytes(1000) for at in range(packets)]


async def stand(ends: Ends) -> int:
    """Send pictures until the socket takes no more; returns how many were sent."""
    for number in range(1, 1000):
        for packet in picture(number):
            ends.connection.send(packet)
        await asyncio.sleep(0)
        if not ends.connection._has_room.is_set():
            return number
    raise AssertionError("the socket takes everything")


async def test_both_ways_carry_datagrams(ends: Ends) -> None:
    for data in (CHECK, HANDSHAKE, *picture(1, 3)):
        ends.connection.send(data)
    assert await ends.read() == [CHECK, HANDSHAKE, *picture(1, 3)]
    ends.far.send(b"\x00\x03abc\x00")
    ends.far.send(b"\x02de")
    await until(lambda: ends.heard == [b"abc", b"de"])


async def test_who_makes_pictures_waits_while_the_socket_is_full(ends: Ends) -> None:
    await ends.connection.room()
    await stand(ends)
    waiting = asyncio.create_task(ends.connection.room())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    await ends.read()
    await waiting
    assert not ends.connection.takes_note_of_dropped()


async def test_of_pictures_that_do_not_fit_the_newest_is_kept_whole_and_older_ones_go_whole(
    ends: Ends,
) -> None:
    last = await stand(ends) + 100
    for number in range(last - 99, last + 1):
        for packet in picture(number):
            ends.connection.send(packet)
        assert ends.connection._media_bytes <= MEDIA_BYTES
    assert ends.connection.takes_note_of_dropped()
    assert not ends.connection.takes_note_of_dropped()
    read = await ends.read()
    whole = {
        number: [one for one in read if one[4:8] == number.to_bytes(4, "big")]
        for number in range(1, last + 1)
    }
    assert whole[last] == picture(last)
    # But for one that had begun to go out when it was dropped.
    parts = [number for number, packets in whole.items() if packets not in ([], picture(number))]
    assert len(parts) <= 1
    assert [number for number, packets in whole.items() if not packets]


async def test_the_rest_of_a_picture_that_was_dropped_does_not_follow(ends: Ends) -> None:
    await stand(ends)
    huge = picture(5000, packets=3 * MEDIA_BYTES // 1000)
    for packet in huge:
        ends.connection.send(packet)
    assert ends.connection.takes_note_of_dropped()
    for packet in picture(5001):
        ends.connection.send(packet)
    read = await ends.read()
    assert not [one for one in read if one in huge]
    assert read[-20:] == picture(5001)


async def test_checks_handshakes_and_reports_pass_a_full_socket_and_have_a_bound_too(ends: Ends) -> None:
    last = await stand(ends)
    for number in range(last + 1, last + 50):
        for packet in picture(number):
            ends.connection.send(packet)
    others = [CHECK, HANDSHAKE, REPORT]
    for data in others:
        ends.connection.send(data)
    for packet in picture(last + 50, packets=3 * MEDIA_BYTES // 1000):
        ends.connection.send(packet)
    assert [one for one in await ends.read() if one in others] == others

    await stand(ends)
    for _ in range(2 * OTHER_BYTES // len(CHECK)):
        ends.connection.send(CHECK)
    assert ends.connection._other_bytes <= OTHER_BYTES


async def test_pictures_that_wait_can_be_taken_back(ends: Ends) -> None:
    assert not ends.connection.drop_pictures()
    last = await stand(ends)
    for number in range(last + 1, last + 5):
        for packet in picture(number):
            ends.connection.send(packet)
    ends.connection.send(CHECK)
    assert ends.connection.drop_pictures()
    read = await ends.read()
    assert read[-1] == CHECK
    assert max(int.from_bytes(one[4:8], "big") for one in read if one != CHECK) <= last


async def test_a_page_that_leaves_wakes_who_waits_and_is_said_once(ends: Ends) -> None:
    await stand(ends)
    waiting = asyncio.create_task(ends.connection.room())
    ends.far.close()
    await waiting
    assert ends.ended == [ends.connection]
    ends.connection.send(CHECK)
    ends.connection.close()
    assert ends.ended == [ends.connection]


async def test_a_datagram_that_is_too_long_ends_the_connection(ends: Ends) -> None:
    ends.far.send(b"\xff\xff")
    await until(lambda: bool(ends.ended))


async def test_a_stranger_may_send_little(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_connection, "FIRST_BYTES", 200)
    ends.connection.is_proved = False
    ends.far.send(b"\x01\x00" + bytes(197))
    await until(lambda: ends.connection._read_bytes == 199)
    assert not ends.ended
    ends.far.send(b"\x00")
    await until(lambda: bool(ends.ended))
    assert not ends.heard


async def test_the_shortest_datagrams_do_not_keep_the_event_loop(ends: Ends) -> None:
    sent = framed(b"x") * 40_000
    most = 0
    while sent:
        with suppress(BlockingIOError):
            sent = sent[ends.far.send(sent) :]
        had = len(ends.heard)
        ends.connection._read(HandlingTime(cpu_clock=lambda: 0.0))
        most = max(most, len(ends.heard) - had)
        await asyncio.sleep(0)
    await until(lambda: len(ends.heard) == 40_000)
    assert 0 < most <= 11_000


async def test_what_a_page_has_no_time_for_is_dropped_and_no_more_is_read(ends: Ends) -> None:
    """With a clock of CPU time by which a datagram takes a tenth of what a page may save."""
    worked_s, now_s = 0.0, 100.0
    budget = HandlingTime(lambda: now_s, lambda: worked_s, lambda: 0.0)

    def take(connection: TcpConnection, data: bytes) -> None:
        nonlocal worked_s
        worked_s += BURST_S / 10
        ends.heard.append(data)

    ends.connection.open(take, ends.ended.append, budget)
    ends.far.send(b"".join(framed(bytes([number])) for number in range(50)))
    await until(lambda: bool(ends.heard))
    turns = 0
    while turns < 100:
        await asyncio.sleep(0)
        turns += 1
    heard = list(ends.heard)
    assert 10 <= len(heard) <= 10 + tcp_connection.LOOK_EVERY
    # It comes when there is time again, and the stream is still understood.
    now_s += BURST_S / SHARE
    ends.far.send(framed(b"later"))
    await until(lambda: ends.heard != heard)
    assert ends.heard[len(heard)] == b"later"
    assert not ends.ended


async def test_a_page_without_time_is_read_once_a_turn(ends: Ends) -> None:
    """What is read can only be dropped; what is not read holds the page back."""
    spent = iter(range(10**9))
    ends.connection.open(lambda _, data: None, ends.ended.append, HandlingTime(cpu_clock=spent.__next__))
    ends.far.send(framed(bytes(1000)) * 40)
    await until(lambda: ends.connection._read_bytes > 0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert ends.connection._read_bytes <= READ_BYTES


async def test_one_that_becomes_a_calls_is_read_by_the_calls_time_alone(ends: Ends) -> None:
    """Whoever read it before was resting, and does not wake up."""
    spent = HandlingTime(cpu_clock=iter(range(10**9)).__next__)
    ends.connection.open(lambda _, data: None, ends.ended.append, spent)
    before = ends.connection._reader
    assert before is not None

    def rests() -> bool:
        ends.far.send(framed(b"x"))
        return before._pause is not None

    await until(rests)
    ends.connection.open(lambda _, data: ends.heard.append(data), ends.ended.append, HandlingTime())
    assert before._pause is None
    assert before._loop is None
    await until(lambda: bool(ends.heard))
