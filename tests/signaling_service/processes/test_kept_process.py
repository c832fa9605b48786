from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psutil
import pytest

from signaling_service.config import Settings
from signaling_service.errors import SignalingError
from signaling_service.processes import kept_process
from signaling_service.processes.kept_process import KeptProcess, own_endpoint
from signaling_service.processes.nursery import Child, Nursery


class Ended(Nursery):
    """Its processes have ended as soon as they are made."""

    async def start(self, end: socket.socket) -> Child:
        own, its = socket.socketpair()
        its.close()
        return Child(0, own)


class Refusing(Nursery):
    """None can be forked."""

    async def _fork(self, descriptors: list[int]) -> int:
        raise OSError("no more processes")


@pytest.fixture
def _no_collection() -> Iterator[None]:
    """Without it the collector closes, some time later, what nobody has closed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collection")
@pytest.mark.parametrize("nursery", [Ended, Refusing])
async def test_a_process_that_ended_or_never_began_leaves_no_socket(nursery: type[Nursery]) -> None:
    made = nursery()
    kept = KeptProcess(0, 1.0, Settings(), made, lambda _: None, lambda _, __: None)
    before = psutil.Process().num_fds()
    # What was raised is kept, and with it all that its frames hold.
    with pytest.raises((SignalingError, OSError)) as raised:
        async with kept._started():
            pass
    assert psutil.Process().num_fds() == before, raised


async def test_a_process_that_is_starting_when_the_others_drain_makes_way_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_process, "RESTART_AFTER_S", (0.0,))
    kept = KeptProcess(0, 1.0, Settings(), Ended(), lambda _: None, lambda _, __: None)
    done = []

    @asynccontextmanager
    async def started() -> AsyncIterator[tuple[None, None]]:
        done.append("starts")
        kept.drain(10.0)
        yield None, None
        done.append("has ended")

    async def watch(process: None, reading: None) -> None:
        done.append("goes on")
        await asyncio.Event().wait()

    monkeypatch.setattr(kept, "_started", started)
    monkeypatch.setattr(kept, "_watch", watch)
    async with asyncio.timeout(2):
        await kept.run()
    assert done == ["starts", "has ended"]


@pytest.mark.parametrize(
    ("front", "own"),
    [
        ("ipc:///run/p2pcamera/results.ipc", "ipc:///run/p2pcamera/results-2.ipc"),
        ("tcp://127.0.0.1:5556", "tcp://127.0.0.1:*"),
        ("tcp://localhost:5556", "tcp://localhost:*"),
        ("tcp://*:5556", "tcp://*:5559"),
        ("tcp://10.0.0.7:5556", "tcp://10.0.0.7:5559"),
    ],
)
def test_each_process_has_results_sent_to_a_place_of_its_own(front: str, own: str) -> None:
    assert str(own_endpoint(front, 2)) == own
