"""The parts that can be broken, and how many workers each case has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psutil

from harness.chaos.faults import FAULTS, Fault, Target, cut, hung, nothing
from harness.services import Process, Services


@dataclass(frozen=True, slots=True)
class Part:
    """Something that may break."""

    name: str
    workers: int
    find: Callable[[Services], Target]
    is_worker: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of the matrix."""

    part: Part
    fault_name: str
    fault: Fault

    @property
    def needs_cables(self) -> bool:
        """Workers have to be in networks of their own, since nothing cuts a Unix socket."""
        return self.part.is_worker and self.fault is cut

    @property
    def name(self) -> str:
        return f"{self.part.name}, {self.fault_name}"


def _of(processes: list[Process]) -> list[psutil.Process]:
    return [psutil.Process(one.pid) for one in processes]


def _workers(services: Services, count: int) -> Target:
    # All that a cable brings, by its end at this side (scene.py).
    drops = [f"INPUT -i worker{place}" for place in range(count)]
    return Target(_of(services.workers[:count]), drops)


def media(services: Services) -> list[psutil.Process]:
    """Return the front's media processes that run."""
    assert services.signaling is not None
    if not services.signaling.is_running:
        return []
    # Those that its fork server has made.
    return [one for child in psutil.Process(services.signaling.pid).children() for one in child.children()]


def _media_process(services: Services) -> Target:
    busiest = max(media(services), key=lambda one: sum(one.cpu_times()[:2]))
    return Target([busiest], _datagrams(busiest))


def _front(services: Services) -> Target:
    assert services.signaling is not None
    return Target(_of([services.signaling]), _http(services))


def _service(services: Services) -> Target:
    assert services.signaling is not None
    children = media(services)
    datagrams = [rule for one in children for rule in _datagrams(one)]
    return Target([*_of([services.signaling, *services.workers]), *children], [*_http(services), *datagrams])


def _datagrams(process: psutil.Process) -> list[str]:
    ports = {one.laddr.port for one in process.net_connections(kind="udp")}
    return [f"INPUT -p udp --{way} {port}" for port in ports for way in ("dport", "sport")]


def _http(services: Services) -> list[str]:
    return [f"INPUT -p tcp --{way} {services.port}" for way in ("dport", "sport")]


PARTS = (
    Part("the only worker", 1, lambda services: _workers(services, 1), is_worker=True),
    Part("one of three workers", 3, lambda services: _workers(services, 1), is_worker=True),
    Part("all three workers", 3, lambda services: _workers(services, 3), is_worker=True),
    Part("a media process of two", 3, _media_process),
    Part("the front", 3, _front),
    Part("the whole service", 3, _service),
)
CALM = Case(Part("nothing", 3, lambda services: Target([], [])), "nothing", nothing)
"""What the other cases are compared with."""
CASES = [CALM] + [
    Case(part, name, fault)
    for part in PARTS
    for name, fault in FAULTS.items()
    if part.is_worker or fault is not hung
]
"""Only workers have filters. Of the whole service all workers hang, which is a case of its own."""
