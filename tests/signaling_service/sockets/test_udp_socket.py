from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator

import pytest

from signaling_service.sockets import udp_socket
from signaling_service.sockets.handling_time import BURST_S, SHARE, HandlingTime
from signaling_service.sockets.udp_socket import LOOK_EVERY, Address, UdpSocket
from tests.signaling_service.calling import until

HOSTS = ["127.0.0.1", "::1"]


class Kept:
    """A socket, and what it has received."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = UdpSocket(host, 0)
        self.came: list[tuple[bytes, Address]] = []
        self.socket.open(lambda data, address: self.came.append((data, address)), HandlingTime())

    @property
    def datas(self) -> list[bytes]:
        return [data for data, _ in self.came]


@pytest.fixture
def other() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        one.settimeout(5)
        yield one


@pytest.mark.parametrize("host", HOSTS)
async def test_what_is_sent_in_one_turn_comes_in_its_order(host: str) -> None:
    one, two = Kept(host), Kept(host)
    sizes = [20, 1200, 1200, 700, 1200, 1200, 1200, 1300, 5, 5, 5, 6]
    sent = [bytes([number]) * size for number, size in enumerate(sizes)]
    for data in sent:
        one.socket.send(data, two.socket.address)
    await until(lambda: len(two.came) == len(sent))
    assert two.datas == sent
    assert {address for _, address in two.came} == {one.socket.address}
    one.socket.close()
    two.socket.close()


async def test_a_frame_of_packets_is_one_call_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = Kept(), Kept(), Kept()
    if not one.socket._can_segment:
        pytest.skip("needs UDP_SEGMENT")
    calls: list[int] = []
    send = one.socket._send_run

    def counting(run: list[tuple[bytes, Address]]) -> None:
        calls.append(len(run))
        send(run)

    monkeypatch.setattr(one.socket, "_send_run", counting)
    for to, size in ((two, 1000), (two, 1000), (two, 400), (three, 1000), (three, 1000), (two, 1000)):
        one.socket.send(bytes(size), to.socket.address)
    await until(lambda: len(two.came) == 4 and len(three.came) == 2)
    assert calls == [3, 2, 1]
    for each in (one, two, three):
        each.socket.close()


@pytest.mark.parametrize("error", [errno.EIO, errno.EMSGSIZE])
async def test_what_the_system_cannot_cut_goes_out_one_by_one(error: int) -> None:
    one, two = Kept(), Kept()

    class Refusing:
        def __init__(self, own: socket.socket) -> None:
            self._own = own

        def sendmsg(self, *given: object) -> None:
            raise OSError(error, "as if")

        def __getattr__(self, name: str) -> object:
            return getattr(self._own, name)

    one.socket._can_segment = True
    one.socket._socket = Refusing(one.socket._socket)  # type: ignore[assignment]
    for number in range(3):
        one.socket.send(bytes([number]) * 900, two.socket.address)
    await until(lambda: len(two.came) == 3)
    # A device that cannot is not asked again; one way that is narrow says nothing of others.
    assert one.socket._can_segment is (error == errno.EMSGSIZE)
    one.socket.close()
    two.socket.close()


async def test_all_that_waits_is_read_in_one_turn_up_to_a_bound(
    other: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp_socket, "READS_A_TURN", 5)
    one = UdpSocket("127.0.0.1", 0)
    for number in range(12):
        other.sendto(bytes([number]), one.address)
    came: list[int] = []
    turns: list[int] = []
    loop = asyncio.get_running_loop()

    def look() -> None:
        turns.append(len(came))
        if len(came) < 12:
            loop.call_soon(look)

    one.open(lambda data, address: came.append(data[0]), HandlingTime())
    look()
    await until(lambda: turns[-1] == 12)
    assert came == list(range(12))
    assert sorted(set(turns)) == [0, 5, 10, 12]
    one.close()


async def test_nothing_is_read_once_the_pages_time_is_used_up(other: socket.socket) -> None:
    """With a clock of CPU time by which a datagram takes a tenth of what a page may save."""
    worked_s, now_s = 0.0, 100.0
    one, came = UdpSocket("127.0.0.1", 0), list[bytes]()
    budget = HandlingTime(lambda: now_s, lambda: worked_s, lambda: 0.0)

    def take(data: bytes, address: Address) -> None:
        nonlocal worked_s
        worked_s += BURST_S / 10
        came.append(data)

    for number in range(100):
        other.sendto(bytes([number]), one.address)
    one.open(take, budget)
    turns = 0
    while turns < 100:
        await asyncio.sleep(0)
        turns += 1
    # It was looked at after each few, and had been read once more than that.
    assert 10 <= len(came) <= 10 + LOOK_EVERY
    had, now_s = len(came), now_s + BURST_S / SHARE
    await until(lambda: len(came) > had)
    assert len(came) <= had + LOOK_EVERY
    one.close()


async def test_a_full_socket_drops_and_keeps_nothing(other: socket.socket) -> None:
    one = Kept()
    tried: list[bytes] = []

    class Full:
        def __init__(self, own: socket.socket) -> None:
            self._own = own

        def sendto(self, data: bytes, address: Address) -> None:
            tried.append(data)
            raise BlockingIOError

        def sendmsg(self, parts: list[bytes], *given: object) -> None:
            self.sendto(parts[0], ("", 0))

        def __getattr__(self, name: str) -> object:
            return getattr(self._own, name)

    own = one.socket._socket
    one.socket._socket = Full(own)  # type: ignore[assignment]
    address = other.getsockname()
    for size in (10, 11, 12):
        one.socket.send(bytes(size), address)
    await until(lambda: bool(tried))
    one.socket._socket = own
    one.socket.send(b"newer", address)
    # What came behind the first that did not go has not been tried, and is not kept.
    assert await asyncio.to_thread(other.recv, 100) == b"newer"
    assert tried == [bytes(10)]
    one.socket.close()


async def test_no_way_to_one_address_leaves_the_others_theirs(other: socket.socket) -> None:
    one = Kept()
    one.socket.send(b"lost", ("255.255.255.255", 9))  # Broadcasts need a right of their own.
    one.socket.send(b"here", other.getsockname())
    assert await asyncio.to_thread(other.recv, 100) == b"here"
    one.socket.close()


async def test_what_was_sent_before_closing_goes_out_and_the_port_is_free(other: socket.socket) -> None:
    one = Kept()
    one.socket.send(b"goodbye", other.getsockname())
    one.socket.close()
    one.socket.close()
    one.socket.send(b"too late", other.getsockname())
    assert await asyncio.to_thread(other.recv, 100) == b"goodbye"
    again = UdpSocket(*one.socket.address)
    with pytest.raises(OSError, match="in use"):
        UdpSocket(*one.socket.address)
    again.close()
