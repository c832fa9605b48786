"""Where frames may go of a worker that names its host; statuses of real connections: test_results.py."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from shared import endpoints
from shared.endpoints import Endpoint
from shared.wire import StatusHeader
from signaling_service.workers import senders
from signaling_service.workers.senders import LOOK_UP_EVERY_S, SILENT_S, Peer, Senders
from tests.signaling_service.calling import until
from tests.signaling_service.making import status

RESULTS = endpoints.parse("tcp://*:5556")


class Names:
    """A name server whose answers a test may change and hold back."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def resolve(self, endpoint: Endpoint) -> list[Endpoint]:
        self.asked.append(endpoint.host)
        assert self.may_answer.wait(10)
        return [Endpoint("tcp", one, endpoint.port) for one in self.addresses.get(endpoint.host, [])]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr(endpoints, "resolve", made.resolve)
    return made


def at(host: str, worker: str = "w") -> StatusHeader:
    return status(worker=worker, frames_endpoint=f"tcp://{host}:5555")


async def is_taken(rules: Senders, said: StatusHeader, peer: Peer, now_s: float) -> bool:
    """What is said is taken soon: a status comes again."""
    taken: Callable[[], bool] = lambda: rules.why_refused(said, peer, now_s) is None  # noqa: E731
    await until(lambda: taken() or not rules._looking_up)
    return taken()


async def test_a_host_s_name_is_believed_of_who_speaks_from_its_addresses(names: Names) -> None:
    names.addresses["gpu-1.example"] = ["192.0.2.7", "2001:db8::7"]
    rules = Senders(RESULTS)
    # Not before the name is known, and without a wait for it.
    names.may_answer.clear()
    assert rules.why_refused(at("gpu-1.example"), Peer("a", "192.0.2.7"), 0.0) == "frames_endpoint"
    names.may_answer.set()
    assert await is_taken(rules, at("gpu-1.example"), Peer("a", "192.0.2.7"), 0.1)
    assert await is_taken(rules, at("gpu-1.example", "w6"), Peer("b", "2001:db8::7"), 0.1)
    assert await is_taken(rules, at("gpu-1.example", "w4"), Peer("c", "::ffff:192.0.2.7"), 0.1)
    assert not await is_taken(rules, at("gpu-1.example", "other"), Peer("d", "192.0.2.8"), 0.1)
    assert not await is_taken(rules, at("nowhere.example", "other"), Peer("d", "192.0.2.8"), 0.1)
    assert names.asked == ["gpu-1.example", "nowhere.example"]


def test_an_endpoint_without_a_port_is_no_place_for_frames() -> None:
    said = status(worker="w", frames_endpoint="tcp://192.0.2.7:*")
    assert Senders(RESULTS).why_refused(said, Peer("a", "192.0.2.7"), 0.0) == "frames_endpoint"


def test_who_spoke_before_the_endpoint_was_given_up_speaks_for_no_worker_here() -> None:
    rules = Senders(RESULTS)
    assert rules.why_refused(at("192.0.2.7"), Peer("a", "192.0.2.7"), 0.0) is None
    rules.begin_anew()
    # The worker's connection to the other endpoint counts, not its old one.
    assert rules.why_refused(at("192.0.2.7"), Peer("a", "192.0.2.7"), 0.1) == "foreign_worker"
    assert rules.why_refused(at("192.0.2.7"), Peer("b", "192.0.2.7"), 0.1) is None


async def test_a_name_is_looked_up_again_and_kept_while_nobody_answers(names: Names) -> None:
    names.addresses["gpu"] = ["192.0.2.7"]
    rules = Senders(RESULTS)
    assert await is_taken(rules, at("gpu"), Peer("a", "192.0.2.7"), 0.0)
    names.addresses.clear()
    later_s = LOOK_UP_EVERY_S + 1
    assert await is_taken(rules, at("gpu"), Peer("a", "192.0.2.7"), later_s)
    await until(lambda: not rules._looking_up)
    assert await is_taken(rules, at("gpu"), Peer("a", "192.0.2.7"), later_s)
    names.addresses["gpu"] = ["192.0.2.9"]
    later_s += LOOK_UP_EVERY_S + 1
    rules.why_refused(at("gpu"), Peer("a", "192.0.2.7"), later_s)
    await until(lambda: not rules._looking_up)
    assert not await is_taken(rules, at("gpu"), Peer("a", "192.0.2.7"), later_s)
    # The worker's name is free when its old connection has been silent.
    assert await is_taken(rules, at("gpu"), Peer("b", "192.0.2.9"), later_s + SILENT_S + 1)
    assert names.asked == ["gpu"] * 3


async def test_the_names_that_are_looked_up_are_bounded(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "MAX_NAMES", 3)
    rules = Senders(RESULTS)
    for number in range(10):
        rules.why_refused(at(f"host-{number}"), Peer("a", "192.0.2.7"), 0.0)
    await asyncio.gather(*rules._looking_up)
    assert names.asked == ["host-0", "host-1", "host-2"]


async def test_the_system_s_own_names_are_found() -> None:
    rules = Senders(RESULTS)
    assert await is_taken(rules, at("localhost"), Peer("a", "127.0.0.1"), 0.0)
