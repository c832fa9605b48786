from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zmq

from shared import sockets
from shared.wire import STATUS_TOPIC, ResultKind, StatusHeader, pack_result, pack_status
from signaling_service.metrics import Metrics
from signaling_service.workers.results import Result, ResultListener, ResultsNotBound
from tests.signaling_service.making import SESSION, planes, result, status


@dataclass
class Listening:
    listener: ResultListener
    pub: zmq.Socket[bytes]
    context: zmq.Context[zmq.Socket[bytes]]
    metrics: Metrics
    frames: str
    statuses: list[StatusHeader] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def dropped(self, reason: str) -> float:
        return (
            self.metrics.registry.get_sample_value("p2pcamera_wire_errors_total", {"reason": reason}) or 0.0
        )

    async def joined(self) -> None:
        """Send until the subscription has reached the PUB."""
        await self.until(
            lambda: bool(self.statuses), lambda: self.send(STATUS_TOPIC, pack_status(self.status()))
        )
        before = len(self.results)
        await self.until(
            lambda: len(self.results) > before, lambda: self.send(SESSION, pack_result(result(), planes()))
        )
        self.results.clear()

    def status(self, worker: str = "w1", **values: Any) -> StatusHeader:
        return status(worker, **{"frames_endpoint": self.frames, **values})

    def send(self, *parts: bytes) -> None:
        self.pub.send_multipart(list(parts))

    async def until(self, is_so: Callable[[], bool], meanwhile: Callable[[], object] = lambda: None) -> None:
        async with asyncio.timeout(5):
            while not is_so():
                meanwhile()
                await asyncio.sleep(0.02)


@pytest.fixture
async def listening(results: str) -> AsyncIterator[Listening]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    metrics = Metrics()
    pub = sockets.pub_results(context)
    pub.connect(results)
    statuses: list[StatusHeader] = []
    listener = ResultListener(context, results, metrics, statuses.append)
    made = Listening(listener, pub, context, metrics, results.replace("results", "frames"), statuses)
    listener.start(asyncio.get_running_loop())
    listener.subscribe(SESSION, made.results.append)
    await made.joined()
    yield made
    listener.close()
    listener.close()
    context.destroy(linger=0)


async def test_a_result_reaches_its_session(listening: Listening) -> None:
    listening.send(SESSION, pack_result(result(5), planes(value=9)))
    await listening.until(lambda: bool(listening.results))
    assert listening.results[0].header.sequence == 5
    assert bytes(listening.results[0].planes) == planes(value=9)


async def test_of_many_results_the_loop_gets_the_newest_with_its_planes(listening: Listening) -> None:
    for sequence in [1, 2, 9, 3]:
        listening.send(SESSION, pack_result(result(sequence), planes()))
    # The loop is held up, as by a long callback, until all have arrived.
    time.sleep(0.3)  # noqa: ASYNC251
    await listening.until(lambda: len(listening.results) >= 4)
    with_planes = [one.header.sequence for one in listening.results if one.planes]
    assert with_planes == [9]
    assert sorted(one.header.sequence for one in listening.results) == [1, 2, 3, 9]


async def test_errors_and_progress_are_not_lost_behind_frames(listening: Listening) -> None:
    listening.send(SESSION, pack_result(result(1, kind=ResultKind.ERROR, code="filter_failed", text="why")))
    for sequence in range(2, 20):
        listening.send(SESSION, pack_result(result(sequence), planes()))
    await listening.until(lambda: any(one.header.kind is ResultKind.ERROR for one in listening.results))


async def test_malformed_messages_are_counted_and_dropped(listening: Listening) -> None:
    good = pack_result(result(7), planes())
    listening.send(SESSION)
    listening.send(SESSION, good, b"third")
    listening.send(SESSION, good[:-1])
    listening.send(SESSION, b"\xff\xff\xff\xff")
    listening.send(SESSION, pack_result(result(7, session=b"another session!"), planes()))
    listening.send(STATUS_TOPIC, b"no status")
    listening.send(STATUS_TOPIC, good)
    listening.send(SESSION, good)
    await listening.until(lambda: bool(listening.results))
    assert [one.header.sequence for one in listening.results] == [7]
    assert listening.dropped("malformed") >= 3
    assert listening.dropped("size") == 2
    assert listening.dropped("oversized") == 2


async def test_after_unsubscribing_nothing_is_delivered(listening: Listening) -> None:
    listening.listener.unsubscribe(SESSION)
    listening.send(SESSION, pack_result(result(1), planes()))
    count = len(listening.statuses)
    listening.send(STATUS_TOPIC, pack_status(listening.status()))
    await listening.until(lambda: len(listening.statuses) > count)
    assert not listening.results


async def test_a_second_start_on_the_same_path_is_refused_and_takes_nothing_away(
    listening: Listening,
) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    other = ResultListener(context, listening.listener.reply_to, listening.metrics, lambda status: None)
    with pytest.raises(ResultsNotBound, match=r"cannot bind ipc://.* another process has it"):
        other.bind()
    other.close()
    context.destroy(linger=0)
    again = sockets.pub_results(listening.context)
    again.connect(listening.listener.reply_to)
    count = len(listening.statuses)
    await listening.until(
        lambda: any(one.worker == "w2" for one in listening.statuses[count:]),
        lambda: again.send_multipart([STATUS_TOPIC, pack_status(listening.status("w2"))]),
    )


def test_a_port_that_is_taken_is_reported(free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        listener = ResultListener(context, f"tcp://127.0.0.1:{free_port}", Metrics(), lambda status: None)
        with pytest.raises(ResultsNotBound, match=r"cannot bind tcp://127\.0\.0\.1"):
            listener.bind()
        listener.close()
        context.destroy(linger=0)


async def test_nobody_else_can_say_that_a_worker_drains(listening: Listening) -> None:
    liar = sockets.pub_results(listening.context)
    liar.connect(listening.listener.reply_to)
    forged = pack_status(listening.status(draining=True))
    listening.statuses.clear()

    def both_say() -> None:
        liar.send_multipart([STATUS_TOPIC, forged])
        listening.send(STATUS_TOPIC, pack_status(listening.status()))

    await listening.until(lambda: listening.dropped("foreign_worker") > 5, both_say)
    assert listening.statuses
    assert not any(one.draining for one in listening.statuses)


async def test_one_connection_speaks_for_one_worker(listening: Listening) -> None:
    listening.statuses.clear()
    for i in range(20):
        listening.send(STATUS_TOPIC, pack_status(listening.status(f"made-up-{i}")))
    listening.send(STATUS_TOPIC, pack_status(listening.status()))
    await listening.until(lambda: bool(listening.statuses))
    assert {one.worker for one in listening.statuses} == {"w1"}
    assert listening.dropped("foreign_worker") == 20


@pytest.mark.parametrize(
    "endpoint", ["tcp://127.0.0.1:9", "tcp://192.0.2.1:9", "ipc:///elsewhere/frames.ipc", "inproc://x"]
)
async def test_no_frame_goes_to_where_the_workers_sockets_are_not(
    listening: Listening, endpoint: str
) -> None:
    listening.statuses.clear()
    listening.send(STATUS_TOPIC, pack_status(listening.status(frames_endpoint=endpoint)))
    await listening.until(lambda: listening.dropped("frames_endpoint") == 1)
    assert not listening.statuses


@pytest.mark.parametrize("host", ["*", "0.0.0.0"])
def test_frames_name_an_address_that_another_host_can_reach(free_port: int, host: str) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    listener = ResultListener(context, f"tcp://{host}:{free_port}", Metrics(), lambda status: None)
    listener.bind()
    assert listener.reply_to.startswith("tcp://")
    assert listener.reply_to.endswith(f":{free_port}")
    assert host not in listener.reply_to
    listener.close()
    context.destroy()


def test_where_any_port_will_do_frames_name_the_one_that_was_found() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    listener = ResultListener(context, "tcp://127.0.0.1:*", Metrics(), lambda status: None)
    listener.bind()
    assert int(listener.reply_to.removeprefix("tcp://127.0.0.1:")) > 0
    listener.close()
    context.destroy()


async def test_a_listener_that_has_made_way_hears_its_workers_and_frees_its_endpoint(
    listening: Listening, results: str
) -> None:
    listener = listening.listener
    listener.step_aside()
    assert listener.reply_to != results
    # Nobody has come there yet.
    assert not listener.make_way()
    listening.pub.connect(listener.reply_to)
    await listening.until(
        lambda: bool(listener._senders.come_again),
        lambda: listening.send(STATUS_TOPIC, pack_status(listening.status())),
    )
    assert listener.make_way()
    successor_heard: list[StatusHeader] = []
    successor = ResultListener(listening.context, results, Metrics(), successor_heard.append)
    successor._gate = listener._gate
    successor.start(asyncio.get_running_loop())
    try:
        for heard in (listening.statuses, successor_heard):
            heard.clear()
            await listening.until(
                lambda heard=heard: bool(heard),  # type: ignore[misc]
                lambda: listening.send(STATUS_TOPIC, pack_status(listening.status())),
            )
        listening.results.clear()
        listening.send(SESSION, pack_result(result(8), planes()))
        await listening.until(lambda: bool(listening.results))
    finally:
        listener.close()
        successor.close()
    assert not any(Path(results.removeprefix("ipc://")).parent.glob("results*"))
