"""A page's budget by clocks that are made up, and sockets that are read by it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from signaling_service.sockets.handling_time import ADD_EVERY_S, BURST_S, SHARE, HandlingTime, PausingReader
from tests.signaling_service.calling import until

COST_S = 0.001


class Clocks:
    """Of a thread that sleeps until the next datagram, and works for as long as that costs.

    Where it shares its core, all that it does takes `others` times as long again.
    """

    def __init__(self, others: float = 0.0) -> None:
        self.now_s = self.worked_s = self.waited_s = 0.0
        self.others = others
        self.budget = HandlingTime(lambda: self.now_s, lambda: self.worked_s, lambda: self.waited_s)

    def work(self, cost_s: float) -> None:
        self.worked_s += cost_s
        self.waited_s += self.others * cost_s
        self.now_s += (1 + self.others) * cost_s

    def handled(self, count: int, cost_s: float, every_s: float) -> int:
        """Return how many of so many datagrams were handled."""
        found = 0
        for _ in range(count):
            self.now_s += every_s
            if self.budget.begin():
                found += 1
                self.work(cost_s)
            self.budget.end()
        return found


def test_a_camera_loses_nothing() -> None:
    clocks = Clocks()
    assert clocks.handled(10_000, cost_s=0.0001, every_s=0.002) == 10_000
    # What has waited while the process stood still comes at once.
    clocks.now_s += 0.5
    assert clocks.handled(200, cost_s=0.0001, every_s=0.0) == 200


@pytest.mark.parametrize("cost_s", [0.00005, 0.001, 0.01])
def test_a_page_that_floods_takes_its_share_of_the_thread_and_no_more(cost_s: float) -> None:
    clocks = Clocks()
    count = 100_000
    clocks.handled(count, cost_s, every_s=0.00002)
    assert clocks.worked_s - BURST_S == pytest.approx(SHARE * clocks.now_s, rel=0.05, abs=cost_s)
    clocks.now_s += 10.0
    began_s = clocks.worked_s
    clocks.handled(count, cost_s, every_s=0.0)
    assert clocks.worked_s - began_s < BURST_S / (1 - SHARE) + cost_s


def test_where_others_take_the_core_a_flood_has_its_share_of_what_the_thread_gets() -> None:
    """The thread is always busy, and gets a fifth of a core."""
    clocks = Clocks(others=4.0)
    began_s = clocks.worked_s
    flood_s = 0.0
    for _ in range(20_000):
        before_s = clocks.worked_s
        clocks.handled(1, COST_S, every_s=0.0)
        flood_s += clocks.worked_s - before_s
        clocks.work(COST_S)  # Other calls.
    got_s = clocks.worked_s - began_s
    assert got_s / clocks.now_s == pytest.approx(0.2, rel=0.01)
    assert flood_s / got_s == pytest.approx(SHARE, rel=0.1)


def test_a_page_that_has_flooded_has_its_burst_again_after_a_rest() -> None:
    clocks = Clocks()
    clocks.handled(1000, COST_S, every_s=0.0)
    assert not clocks.budget.begin()
    clocks.now_s += 10.0
    assert clocks.handled(1000, COST_S, every_s=0.0) >= BURST_S / COST_S


def test_the_system_is_not_asked_with_each_datagram() -> None:
    asked: list[float] = []
    clocks = Clocks()

    def waited() -> float:
        asked.append(clocks.now_s)
        return 0.0

    clocks.budget = HandlingTime(lambda: clocks.now_s, lambda: clocks.worked_s, waited)
    clocks.handled(10_000, cost_s=0.0001, every_s=0.00001)
    assert len(asked) <= clocks.now_s / ADD_EVERY_S + 1


def test_what_is_looked_at_meanwhile_is_charged_once() -> None:
    clocks = Clocks()
    assert clocks.budget.begin()
    for _ in range(4):
        clocks.work(BURST_S / 5)
        assert clocks.budget.goes_on()
    clocks.work(BURST_S / 5 + 1e-6)
    assert not clocks.budget.goes_on()
    clocks.budget.end()
    # What is done in between is not the page's.
    clocks.worked_s += 100 * BURST_S
    clocks.budget.end()
    clocks.now_s += 1.0
    clocks.budget.begin()
    clocks.now_s += 1.0
    assert clocks.budget.begin()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.setblocking(False)
    with one, two:
        yield one, two


async def test_a_socket_is_left_alone_while_its_page_has_no_time(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    one, two = ends
    clocks, read = Clocks(), list[bytes]()

    def take(budget: HandlingTime) -> None:
        read.append(one.recv(10))
        clocks.work(2 * BURST_S)

    reader = PausingReader(one, take, clocks.budget)
    reader.open()
    for number in range(3):
        two.send(bytes([number]))
    loop = asyncio.get_running_loop()
    await until(lambda: reader._pause is not None)
    turns = 0
    while turns < 50:
        await asyncio.sleep(0)
        turns += 1
    assert read == [b"\0"]
    # Its selector does not wake the loop for it, either.
    assert loop.remove_reader(one) is False
    clocks.now_s += BURST_S / SHARE
    await until(lambda: reader._pause is None or len(read) > 1)
    clocks.now_s += 2 * BURST_S / SHARE
    await until(lambda: len(read) == 2)
    # It rests once more, and does not wake up behind its end.
    clocks.now_s += 2 * BURST_S / SHARE
    await until(lambda: len(read) == 3)
    two.send(b"after")
    await until(lambda: reader._pause is not None)
    pause = reader._pause
    assert pause is not None
    reader.close()
    reader.close()
    assert pause.cancelled()
    assert loop.remove_reader(one) is False
    assert len(read) == 3
