from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from signaling_service.config import Settings
from signaling_service.errors import SignalingError
from signaling_service.processes import kept_process
from signaling_service.processes.kept_process import KeptProcess, own_endpoint
from signaling_service.processes.nursery import Child, Nursery
from tests.signaling_service import virtual_time
from tests.signaling_service.calling import until


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


class Slow(Nursery):
    """Starts no process, and notes how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float] = []

    async def start(self, end: socket.socket) -> Child:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            await asyncio.Event().wait()
        finally:
            self.waited_s.append(loop.time() - began_s)
        raise AssertionError


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


def test_after_each_failure_a_start_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    nursery = Slow()

    async def keep() -> None:
        clock = SimpleNamespace(monotonic=asyncio.get_running_loop().time)
        monkeypatch.setattr(kept_process, "time", clock)
        kept = KeptProcess(0, 1.0, Settings(), nursery, lambda _: None, lambda _, __: None)
        running = asyncio.create_task(kept.run())
        await asyncio.sleep(900)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    virtual_time.run(keep())
    assert [round(one) for one in nursery.waited_s[:5]] == [30, 60, 120, 240, 240]


async def test_a_fork_server_that_is_slow_to_import_is_waited_for_and_not_begun_anew() -> None:
    nursery = Nursery()
    own, its = socket.socketpair()
    try:
        nursery.prepare()
        server = nursery._server
        assert server is not None
        server.send_signal(signal.SIGSTOP)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await nursery.start(its)
        server.send_signal(signal.SIGCONT)
        child = await nursery.start(its)
        assert nursery._server is server
        its.close()
        own.close()
        await child.wait()
        child.close()
        # One that ends in the middle of its imports is replaced.
        nursery.close()
        nursery.prepare()
        assert nursery._server is not None
        own, its = socket.socketpair()
        starting = asyncio.create_task(nursery.start(its))
        # It has been found alive, and its first word is waited for.
        await until(lambda: nursery._importing is not None)
        nursery._server.send_signal(signal.SIGKILL)
        with pytest.raises(OSError, match="fork server has ended"):
            await starting
        assert nursery._server is None
    finally:
        own.close()
        its.close()
        nursery.close()


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


@pytest.mark.parametrize("stood_s", [0.0, 60.0])
async def test_silence_counts_but_for_the_fronts_own_standstill(
    monkeypatch: pytest.MonkeyPatch, stood_s: float
) -> None:
    """Nothing is heard of the process; before the first look the front itself stands still."""
    now_s, waits, killed = 1000.0, 0, list[float]()
    kept = KeptProcess(0, 1.0, Settings(), Nursery(), lambda _: None, lambda what, name: None)
    reading: Any = asyncio.get_running_loop().create_future()

    async def wait(_: Any, timeout: float) -> None:
        nonlocal now_s, waits
        now_s += timeout + (0.0 if waits else stood_s)
        waits += 1

    monkeypatch.setattr(kept_process, "time", SimpleNamespace(monotonic=lambda: now_s))
    monkeypatch.setattr(asyncio, "wait", wait)
    kept._heard_s = now_s
    process: Any = SimpleNamespace(kill=lambda: killed.append(now_s))
    await kept._watch(process, reading)
    assert killed == [now_s]
    assert waits == kept_process.HANG_LIMIT_S / kept_process.WATCH_EVERY_S + 1
