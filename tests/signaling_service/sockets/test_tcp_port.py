from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from aioice import stun
from aioice.candidate import Candidate
from aioice.ice import Connection

from signaling_service.rtc import aiortc_patches
from signaling_service.rtc.ice_restart import restart
from signaling_service.sockets import arrivals, strangers, tcp_port
from signaling_service.sockets.call_connections import CONNECTIONS_OF_A_CALL
from signaling_service.sockets.fixed_port import MediaPortNotTaken
from signaling_service.sockets.framing import Deframer, framed
from signaling_service.sockets.handling_time import BURST_S, SHARE, HandlingTime, time_of
from signaling_service.sockets.own_port import OwnPorts
from signaling_service.sockets.tcp_connection import TcpConnection
from signaling_service.sockets.tcp_port import TcpPort
from tests.signaling_service.calling import until
from tests.signaling_service.sockets.test_arrivals import STRANGE

HOST = "127.0.0.1"
NAME, PASSWORD = "page", "thePasswordOfThePagesOwn"


@pytest.fixture
async def port(free_port: int) -> AsyncIterator[TcpPort]:
    aiortc_patches.apply([HOST])
    aiortc_patches.bind_ice(OwnPorts())
    made = TcpPort(free_port)
    made.open([HOST])
    made.start()
    yield made
    made.close()


@asynccontextmanager
async def called(port: TcpPort) -> AsyncIterator[Connection]:
    """The service's end of a call that waits for its page."""
    ours = Connection(ice_controlling=False)
    aiortc_patches.gather_on_tcp([ours], port)
    await ours.gather_candidates()
    ours.remote_username, ours.remote_password = NAME, PASSWORD
    connecting = asyncio.create_task(ours.connect())
    try:
        yield ours
    finally:
        connecting.cancel()
        await ours.close()


class Page:
    """A page's end of one TCP connection: it checks, and answers checks."""

    def __init__(self, port: TcpPort, ours: Connection, host: str = HOST) -> None:
        self._ours = ours
        self.socket = socket.create_connection((HOST, port._listeners._port), 5, (host, 0))
        self.socket.setblocking(False)
        self.address = self.socket.getsockname()
        self.heard: list[bytes] = []
        self.is_over = False
        self._deframer = Deframer()
        asyncio.get_running_loop().add_reader(self.socket, self._read)

    def check(self, *, password: str = "", nominate: bool = True) -> None:
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{self._ours.local_username}:{NAME}"
        message.attributes["PRIORITY"] = 1
        message.attributes["ICE-CONTROLLING"] = 1
        if nominate:
            message.attributes["USE-CANDIDATE"] = None
        message.add_message_integrity((password or self._ours.local_password).encode())
        self.say(bytes(message))

    def say(self, data: bytes) -> None:
        self.socket.send(framed(data))

    async def join(self) -> None:
        """Check until this connection is the one that media takes."""
        self.check()
        await until(lambda: sends_to(self._ours) == self.address)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()

    def _read(self) -> None:
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self.is_over = True
            asyncio.get_running_loop().remove_reader(self.socket)
        for datagram in self._deframer.feed(data):
            if datagram[0] > 3:
                self.heard.append(datagram)
                continue
            message = stun.parse_message(datagram)
            if message.message_class is stun.Class.REQUEST:
                answer = stun.Message(message.message_method, stun.Class.RESPONSE, message.transaction_id)
                answer.attributes["XOR-MAPPED-ADDRESS"] = (HOST, 1)
                answer.add_message_integrity(PASSWORD.encode())
                self.say(bytes(answer))


def sends_to(ours: Any) -> Any:
    pair = ours._nominated.get(1)
    return None if pair is None else pair.remote_addr


def goes_to(ours: Connection, page: Page) -> bool:
    return bool(sends_to(ours) == page.address)


def knows_no_address(ours: Connection) -> bool:
    """Tell whether every connection of the call's page is over."""
    protocols: list[Any] = ours._protocols
    return not any(one.known_addresses for one in protocols if one.local_candidate.transport == "tcp")


@contextmanager
def paging(*pages: Page) -> Iterator[None]:
    try:
        yield
    finally:
        for page in pages:
            page.close()


def of_tcp(ours: Connection) -> tuple[list[Candidate], list[Candidate]]:
    candidates = ours.local_candidates
    return [one for one in candidates if one.transport == "udp"], [
        one for one in candidates if one.transport == "tcp"
    ]


async def test_a_candidate_of_tcp_stands_behind_those_of_udp(port: TcpPort) -> None:
    async with called(port) as ours:
        udp, tcp = of_tcp(ours)
        assert udp
        assert [(one.host, one.port, one.tcptype) for one in tcp] == [
            (HOST, port._listeners._port, "passive")
        ]
        assert ours.local_candidates == [*udp, *tcp]
        assert max(one.priority for one in tcp) < min(one.priority for one in udp)


async def test_a_check_makes_a_connection_the_calls_and_both_ways_carry_media(port: TcpPort) -> None:
    async with called(port) as ours, called(port) as other:
        page, others = Page(port, ours), Page(port, other)
        with paging(page, others):
            await page.join()
            await others.join()
            page.say(b"\x80of the page")
            assert await ours.recv() == b"\x80of the page"
            await ours.send(b"\x80of the service")
            await until(lambda: page.heard == [b"\x80of the service"])
            assert other._queue.empty()
            assert not others.heard
            assert not len(port._strangers)
            for listener in port._listeners:
                for call in listener._calls.values():
                    budgets = [one._reader._budget for one in call._open.values() if one._reader]
                    assert budgets == [time_of(call._protocol.receiver)]
            await ours.close()
            await until(lambda: page.is_over)
            assert not others.is_over
    assert not any(listener._calls for listener in port._listeners)


async def test_strangers_are_accepted_no_faster_than_their_time_allows(port: TcpPort) -> None:
    """With a clock of CPU time by which a connection takes a tenth of what they may save."""
    worked_s, now_s = 0.0, 100.0
    (listener,) = port._listeners
    assert listener._reader is not None
    budget = HandlingTime(lambda: now_s, lambda: worked_s, lambda: 0.0)
    listener._reader._budget = budget

    def refuse(connection: TcpConnection) -> bool:
        nonlocal worked_s
        worked_s += BURST_S / 10
        return False

    port._strangers.admit = refuse  # type: ignore[method-assign]
    crowd = [socket.socket() for _ in range(40)]
    for one in crowd:
        one.setblocking(False)
        one.connect_ex((HOST, port._listeners._port))
    for _ in range(100):
        await asyncio.sleep(0)
    assert round(worked_s / BURST_S * 10) in (10, 11)
    now_s += BURST_S / SHARE
    await until(lambda: worked_s >= 1.9 * BURST_S)
    for one in crowd:
        one.close()


async def test_what_strangers_say_is_of_their_time_together(port: TcpPort) -> None:
    one, two = (socket.create_connection((HOST, port._listeners._port), 5) for _ in range(2))
    await until(lambda: len(port._strangers) == 2)
    budgets = {connection._reader._budget for connection in port._strangers._timers if connection._reader}
    assert budgets == {port._strangers.budget}
    one.close()
    two.close()


WORDS = {
    "of HTTP": b"GET / HTTP/1.1\r\nHost: cam.example.org\r\n\r\n",
    "too long": b"\xff\xff",
    **{name: framed(data) for name, data in STRANGE.items() if data},
}


@pytest.mark.parametrize("name", WORDS)
async def test_a_strangers_first_words_end_its_connection(port: TcpPort, name: str) -> None:
    async with called(port) as ours:
        stranger = Page(port, ours)
        with paging(stranger):
            stranger.socket.send(WORDS[name])
            await until(lambda: stranger.is_over)
        assert not len(port._strangers)
        assert ours._queue.empty()
        assert not ours._check_list


async def test_a_wrong_password_ends_a_connection_and_the_call_goes_on(port: TcpPort) -> None:
    async with called(port) as ours:
        page, stranger = Page(port, ours), Page(port, ours)
        with paging(page, stranger):
            await page.join()
            stranger.check(password="not the password of it")
            await until(lambda: stranger.is_over)
            await ours.send(b"\x80still here")
            await until(lambda: page.heard == [b"\x80still here"])


async def test_who_says_nothing_or_one_byte_after_the_other_is_closed_in_time(
    port: TcpPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "PROVE_S", 0.2)
    async with called(port) as ours:
        silent, slow, page = (Page(port, ours) for _ in range(3))
        with paging(silent, slow, page):
            await page.join()
            for byte in bytes(50):
                if slow.is_over:
                    break
                slow.socket.send(bytes([byte]))
                await asyncio.sleep(0.02)
            await until(lambda: silent.is_over and slow.is_over)
            assert not page.is_over


async def test_an_address_has_few_connections_that_wait_and_all_together_have_a_bound(
    port: TcpPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "MOST_OF_AN_ADDRESS", 2)
    monkeypatch.setattr(strangers, "MOST", 3)
    async with called(port) as ours:
        waiting = [Page(port, ours, "127.0.0.2") for _ in range(2)]
        await until(lambda: len(port._strangers) == 2)
        one_more = Page(port, ours, "127.0.0.2")
        await until(lambda: one_more.is_over)
        assert not any(one.is_over for one in waiting)
        page = Page(port, ours)
        with paging(*waiting, one_more, page):
            await page.join()
            waiting += [Page(port, ours, f"127.0.0.{last}") for last in (3, 4)]
            # The oldest gives way, and nobody whose call it is.
            await until(lambda: waiting[0].is_over)
            assert [one.is_over for one in waiting] == [True, False, False, False]
            assert not page.is_over
            assert len(port._strangers) == 3


async def test_a_call_keeps_the_connections_that_were_heard_last(port: TcpPort) -> None:
    async with called(port) as ours:
        pages = [Page(port, ours) for _ in range(CONNECTIONS_OF_A_CALL + 1)]
        with paging(*pages):
            for page in pages:
                await page.join()
            await until(lambda: pages[0].is_over)
            assert not any(page.is_over for page in pages[1:])


async def test_media_takes_another_connection_when_its_own_is_over_and_nothing_is_left_of_that(
    port: TcpPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "MOVED_S", 1000.0)  # Only what is over has been left.
    monkeypatch.setattr(arrivals, "MAX_REMOTE", 4)
    async with called(port) as ours:
        for _ in range(8):
            page = Page(port, ours)
            page.check(nominate=False)
            if sends_to(ours) is None:
                await page.join()
            await until(partial(goes_to, ours, page))
            page.close()
            await until(partial(knows_no_address, ours))
        assert len(ours._remote_candidates) <= 2
        assert len(ours._check_list) <= 2


async def test_a_page_turns_to_a_pair_whose_check_was_cancelled_when_another_was_nominated(
    port: TcpPort,
) -> None:
    async with called(port) as ours:
        first, second = Page(port, ours), Page(port, ours)
        with paging(first, second):
            asyncio.get_running_loop().remove_reader(second.socket)  # It does not answer yet.
            second.check(nominate=False)
            await first.join()
            await until(lambda: any(pair.task and pair.task.done() for pair in ours._check_list))
            asyncio.get_running_loop().add_reader(second.socket, second._read)
            await second.join()


async def test_a_process_without_descriptors_rests_and_accepts_again(
    port: TcpPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp_port, "REST_S", 0.01)
    (listener,) = port._listeners
    tries: list[int] = []

    class Full:
        """The listening socket of a process that has no descriptor left, the first three times."""

        def __init__(self, own: socket.socket) -> None:
            self._own = own

        def accept(self) -> Any:
            tries.append(1)
            if len(tries) <= 3:
                raise OSError(errno.EMFILE, "Too many open files")
            return self._own.accept()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._own, name)

    monkeypatch.setattr(listener, "_socket", Full(listener._socket))
    async with called(port) as ours:
        page = Page(port, ours)
        with paging(page):
            await page.join()
    assert len(tries) >= 4


async def test_a_port_that_is_taken_is_said_at_start(port: TcpPort) -> None:
    with pytest.raises(MediaPortNotTaken, match=f"TCP port {port._listeners._port} of {HOST}"):
        TcpPort(port._listeners._port).open(["::1", HOST])
    port.open(["192.0.2.1", HOST])
    async with called(port) as ours:
        assert len(of_tcp(ours)[1]) == 1


async def test_a_call_takes_no_name_of_another(port: TcpPort) -> None:
    async with called(port) as ours:
        # What a check names must be one call.
        assert port.candidates(ours, 1, [HOST]) == []
        page = Page(port, ours)
        await page.join()
        page.close()


async def test_a_call_that_restarts_ice_is_found_by_its_other_name(port: TcpPort) -> None:
    async with called(port) as ours:
        first = Page(port, ours)
        await first.join()
        transport: Any = SimpleNamespace(_connection=ours, iceGatherer=SimpleNamespace())
        former = ours.local_username
        restart(transport, NAME, PASSWORD)
        assert ours.local_username != former
        second = Page(port, ours)
        await second.join()
        first.close()
        second.close()
