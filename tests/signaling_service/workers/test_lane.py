from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import zmq

from shared import sockets
from shared.wire import FilterState, FrameHeader, ResultKind, unpack_frame
from signaling_service.media.frame import CameraFrame
from signaling_service.workers import sent
from signaling_service.workers.choice import Choice
from signaling_service.workers.lane import PROBE_EVERY_S, Lane
from signaling_service.workers.worker import Worker
from tests.signaling_service.calling import until
from tests.signaling_service.making import SESSION, MadePlanes, answer, planes, served, status

FRAME_S = 1 / 30
INK = Choice.of(["ink"], {}, 0)
TRACE = bytes(range(24))


@dataclass
class VirtualTime:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class VirtualWorker:
    """Takes the newest frame when it is free, works for `work_s`, answers; as the real one does."""

    id: str
    work_s: float
    time: VirtualTime
    is_up: bool = True
    waiting: FrameHeader | None = None
    waiting_since_s: float = 0.0
    running: FrameHeader | None = None
    wait_s: float = 0.0
    free_s: float = 0.0
    answers: ResultKind = ResultKind.FRAME
    hangs: bool = False
    received: list[FrameHeader] = field(default_factory=list)

    # What a lane calls of a socket

    def connect(self, endpoint: str) -> None:
        pass

    def close(self, linger: int) -> None:
        self.is_up = False

    def send(self, message: bytes, flags: int, copy: bool) -> None:
        if not self.is_up:
            raise zmq.Again
        self.waiting = unpack_frame(message)[0]
        self.waiting_since_s = self.time.now_s
        self.received.append(self.waiting)

    def step(self) -> Any:
        """Return the result that is ready at this moment, or None; then begin what waits."""
        done = None
        if self.hangs:
            return None
        if self.running is not None and self.time.now_s >= self.free_s:
            done = answer(
                self.running,
                self.id,
                kind=self.answers,
                wait_ms=self.wait_s * 1000,
                batch_ms=self.work_s * 1000,
            )
            self.running = None
        if self.running is None and self.waiting is not None:
            self.running, self.waiting = self.waiting, None
            self.wait_s = self.time.now_s - self.waiting_since_s
            self.free_s = self.time.now_s + self.work_s
        return done


class World:
    """A camera of 30 fps, one lane, workers; time is made up."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, works_s: list[float], keeps_state: bool = False
    ) -> None:
        self.time = VirtualTime()
        self.workers = [VirtualWorker(f"w{i}", work_s, self.time) for i, work_s in enumerate(works_s)]
        to_connect = iter(self.workers)
        monkeypatch.setattr(sockets, "push_frames", lambda context, keys: next(to_connect))
        self.lane = Lane(None, SESSION, "tcp://127.0.0.1:5556", clock=self.time)  # type: ignore[arg-type]
        self.lane.set_workers([seen(w.id) for w in self.workers], keeps_state=keeps_state)
        self.shown: list[int] = []

    def run(self, seconds: float) -> float:
        """Return the rate of frames shown: results that are newer than all before them."""
        shown = 0
        end_s = self.time.now_s + seconds
        frame_s = self.time.now_s
        while self.time.now_s < end_s:
            if self.time.now_s >= frame_s:
                frame_s += FRAME_S
                self.lane.send(frame(self.time.now_s), INK)
            for worker in self.workers:
                if (done := worker.step()) is not None:
                    assert self.lane.note_result(done)
                    if done.kind is not ResultKind.FRAME:
                        continue
                    if not self.shown or done.sequence > self.shown[-1]:
                        self.shown.append(done.sequence)
                        shown += 1
            self.time.now_s += 0.001
        return shown / seconds


def seen(id_: str, **values: Any) -> Worker:
    return Worker(status(id_, **values), 0.0)


def frame(now_s: float = 0.0) -> CameraFrame:
    return CameraFrame(planes=MadePlanes(planes()), width=32, height=16, pts=0, captured_ns=int(now_s * 1e9))


@pytest.mark.parametrize(
    ("works_ms", "at_least_fps"),
    [([30], 29), ([30, 90], 28), ([90, 30], 28), ([90], 10.5), ([90, 90], 20), ([90, 90, 90], 28),
     ([20, 20], 29), ([60, 90], 22), ([5, 400], 29)],
)  # fmt: skip
def test_the_rate_is_what_the_workers_can_give(
    works_ms: list[int], at_least_fps: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(monkeypatch, [ms / 1000 for ms in works_ms])
    world.run(1.0)
    assert world.run(10.0) >= at_least_fps


def test_workers_alike_share_the_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, [0.01, 0.01, 0.01])
    world.run(4.0)
    counts = [len(worker.received) for worker in world.workers]
    assert max(counts) <= 1.2 * min(counts)


def test_a_worker_left_out_is_tried_again_and_taken_when_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, [0.03, 0.4])
    world.run(10.0)
    tried = len(world.workers[1].received)
    assert 2 <= tried <= 10 / PROBE_EVERY_S + 3
    world.workers[1].work_s = 0.002
    world.run(30.0)
    before = len(world.workers[1].received)
    world.run(2.0)
    assert len(world.workers[1].received) - before > 30


def test_a_worker_that_vanishes_costs_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, [0.02, 0.02])
    world.run(2.0)
    world.workers[0].is_up = False
    world.workers[0].running = world.workers[0].waiting = None
    assert world.run(2.0) >= 29


@pytest.mark.parametrize("hung", [0, 1, 2])
@pytest.mark.parametrize("works_s", [[0.004, 0.005, 0.006], [0.09, 0.09, 0.09], [0.02, 0.02, 0.06]])
def test_a_worker_that_hangs_costs_what_it_was_given_before_and_no_more(
    works_s: list[float], hung: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the table of workers says that it hangs."""
    world = World(monkeypatch, works_s)
    world.run(4.0)
    world.workers[hung].hangs = True
    before = len(world.workers[hung].received)
    world.run(0.9)
    assert len(world.workers[hung].received) - before <= 2
    assert world.run(1.0) >= (28 if sum(works_s) < 0.2 else 19)


def test_frames_that_are_never_answered_do_not_block_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, [0.02])
    world.run(1.0)
    world.workers[0].running = world.workers[0].waiting = None  # Lost, and nobody says so.
    world.run(2.0)
    assert world.run(2.0) >= 29


def test_a_session_with_state_stays_with_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, [0.01, 0.01], keeps_state=True)
    world.run(10.0)
    assert sorted(bool(worker.received) for worker in world.workers) == [False, True]


def test_a_session_with_state_moves_to_one_that_is_clearly_less_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, [0.01, 0.01], keeps_state=True)
    world.lane.set_workers([seen("w0", busy=0.1), seen("w1", busy=0.2)], keeps_state=True)
    world.run(6.0)
    assert not world.workers[1].received
    world.lane.set_workers([seen("w0", busy=0.4), seen("w1", busy=0.2)], keeps_state=True)
    world.run(6.0)
    assert not world.workers[1].received  # Not clearly.
    world.lane.set_workers([seen("w0", busy=0.9), seen("w1", busy=0.2)], keeps_state=True)
    world.run(1.0)
    assert world.workers[1].received


def test_a_session_with_state_moves_when_its_worker_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, [0.01, 0.01], keeps_state=True)
    world.run(1.0)
    stays = next(worker for worker in world.workers if not worker.received)
    world.lane.set_workers([seen(stays.id)], keeps_state=True)
    world.run(1.0)
    assert stays.received


def test_a_session_with_state_moves_with_the_frame_that_its_worker_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Long before the table of workers says that it is gone."""
    world = World(monkeypatch, [0.01, 0.01], keeps_state=True)
    world.run(1.0)
    own = next(worker for worker in world.workers if worker.received)
    other = next(worker for worker in world.workers if worker is not own)
    own.is_up = False
    own.running = own.waiting = None
    assert world.run(1.0) >= 28
    own.is_up = True
    before = len(own.received)
    world.run(4.0)
    assert len(own.received) == before  # It stays with the new one.
    assert len(other.received) >= 4.9 * 30


def test_a_session_with_state_does_not_flap_while_connections_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, [0.01, 0.01, 0.01], keeps_state=True)
    for worker in world.workers:
        worker.is_up = False
    assert world.run(0.2) == 0
    world.workers[1].is_up = True
    world.run(0.2)
    world.workers[0].is_up = world.workers[2].is_up = True
    world.run(10.0)
    assert [bool(worker.received) for worker in world.workers] == [False, True, False]


def test_a_session_with_state_does_not_leave_for_one_that_is_not_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, [0.01, 0.01], keeps_state=True)
    world.run(6.0)
    assert world.workers[0].received
    world.workers[1].is_up = False
    world.lane.set_workers([seen("w0", busy=0.9), seen("w1", busy=0.1)], keeps_state=True)
    assert world.run(2.0) >= 29
    world.workers[1].is_up = True
    world.run(0.5)
    assert world.workers[1].received


@pytest.mark.parametrize("keeps_state", [False, True])
def test_frames_go_to_workers_that_have_the_filter_loaded(
    keeps_state: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one gets a copy now and then, by which it loads it too."""
    world = World(monkeypatch, [0.01, 0.01])
    idle = seen("w0", filters=(served("ink", state=FilterState.LOADABLE),))
    loaded = seen("w1", busy=0.9)
    world.lane.set_workers([idle, loaded], filters=["ink"], keeps_state=keeps_state)
    world.workers[0].answers = ResultKind.PROGRESS
    assert world.run(10.0) >= 29
    assert 2 <= len(world.workers[0].received) <= 10 / PROBE_EVERY_S + 1
    world.workers[0].answers = ResultKind.FRAME
    world.workers[0].received.clear()
    world.lane.set_workers([seen("w0"), loaded], filters=["ink"], keeps_state=keeps_state)
    world.run(6.0)
    assert len(world.workers[0].received) > 30


def test_where_nobody_has_loaded_the_filter_somebody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, [0.01])
    idle = seen("w0", filters=(served("ink", state=FilterState.LOADABLE),))
    world.lane.set_workers([idle], filters=["ink"], keeps_state=True)
    assert world.run(1.0) > 0


def test_large_parameters_travel_only_when_the_worker_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, [0.01])
    large = Choice.of(["ink"], {"picture": "x" * 5000}, 0)
    worker = world.workers[0]
    world.lane.send(frame(), large)
    first = worker.received[-1]
    assert (first.params, first.params_id) == (None, large.params_id)
    world.lane.note_result(answer(first, "w0", kind=ResultKind.MISSING))
    world.lane.send(frame(), large)
    assert worker.received[-1].params == large.params
    world.lane.send(frame(), large)
    assert worker.received[-1].params is None


def test_small_parameters_travel_with_each_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, [0.01])
    world.lane.send(frame(), Choice.of(["ink"], {"strength": 0.5}, 3))
    sent = world.workers[0].received[-1]
    assert (sent.params, sent.generation, sent.filters) == ({"strength": 0.5}, 3, ("ink",))


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


def test_a_lane_without_a_worker_says_so(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    lane = Lane(context, SESSION, "tcp://127.0.0.1:5556")
    assert lane.send(frame(), INK) is None
    lane.set_workers([seen("w0", frames_endpoint="tcp://127.0.0.1:9")], keeps_state=False)
    assert lane.send(frame(), INK) is None
    lane.close()
    lane.close()


def test_frames_reach_a_real_pull_and_stop_when_the_worker_is_let_go(
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    pull = sockets.pull_frames(context)
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    lane = Lane(context, SESSION, "tcp://127.0.0.1:5556")
    lane.set_workers([seen("w0", frames_endpoint=f"tcp://127.0.0.1:{port}")], keeps_state=False)
    while lane.send(frame(), INK) is None:
        pull.poll(10)
    assert pull.poll(5000)
    header, view = unpack_frame(pull.recv())
    assert (header.session, header.width, header.height, bytes(view)) == (SESSION, 32, 16, planes())
    lane.set_workers([], keeps_state=False)
    assert lane.workers == []
    assert lane.send(frame(), INK) is None


class Connected:
    """A lane with workers, which are real PULLs: what they get, nobody answers."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], *, count: int = 2, keeps_state: bool = False
    ) -> None:
        self.pulls = {f"w{number}": sockets.pull_frames(context) for number in range(count)}
        loop = asyncio.get_running_loop()
        self.now_s = 100.0
        """All workers take the same time, whatever the host is busy with."""
        self.lane = Lane(context, SESSION, "tcp://127.0.0.1:5556", loop=loop, clock=lambda: self.now_s)
        ports = {name: pull.bind_to_random_port("tcp://127.0.0.1") for name, pull in self.pulls.items()}
        workers = [
            seen(name, frames_endpoint=f"tcp://127.0.0.1:{port}", filters=(served("ink"),))
            for name, port in ports.items()
        ]
        self.lane.set_workers(workers, filters=["ink"], keeps_state=keeps_state)

    async def begin(self) -> None:
        """Connect, and answer a first frame, of which a worker that was never used gets a copy."""
        await until(lambda: all(route.socket.poll(0, zmq.POLLOUT) for route in self.lane._routes.values()))
        taken_by = self.send()
        self.now_s += 0.03
        names = [taken_by] if self.lane._keeps_state else list(self.pulls)
        for name in names:
            assert name is not None
            self.lane.note_result(answer(await self.received(name), name))

    def send(self) -> str | None:
        return self.lane.send(frame(self.now_s), INK)

    async def received(self, name: str) -> FrameHeader:
        await until(lambda: bool(self.pulls[name].poll(0)))
        return unpack_frame(self.pulls[name].recv())[0]


@pytest.mark.parametrize("keeps_state", [False, True])
async def test_the_newest_frame_of_a_worker_that_is_gone_goes_to_another_one_at_once(
    context: zmq.Context[zmq.Socket[bytes]], keeps_state: bool
) -> None:
    calling = Connected(context, keeps_state=keeps_state)
    await calling.begin()
    taken_by = calling.send()
    assert taken_by is not None
    lost = await calling.received(taken_by)
    (other,) = set(calling.pulls) - {taken_by}
    calling.pulls[taken_by].close()
    again = await calling.received(other)
    assert again == lost
    assert calling.lane.note_result(answer(again, other))
    # The one that is gone might have answered before.
    assert calling.lane.note_result(answer(lost, taken_by))
    calling.lane.close()


async def test_a_frame_is_not_sent_again_that_has_its_answer_or_is_not_the_newest(
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    calling = Connected(context)
    await calling.begin()
    older = calling.send()
    assert older is not None
    await calling.received(older)
    newer = calling.send()
    assert newer is not None
    assert newer != older
    header = await calling.received(newer)
    calling.pulls[older].close()
    await until(lambda: calling.lane._routes[older].running is None)
    assert not calling.pulls[newer].poll(100)
    assert calling.lane.note_result(answer(header, newer))
    calling.pulls[newer].close()
    await until(lambda: calling.lane.send(frame(), INK) is None)
    calling.lane.close()


async def test_a_frame_that_two_workers_did_not_live_through_is_not_given_to_a_third(
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    calling = Connected(context, count=3)
    await calling.begin()
    first = calling.send()
    assert first is not None
    await calling.received(first)
    left = set(calling.pulls) - {first}
    calling.pulls[first].close()
    await until(lambda: any(calling.pulls[name].poll(0) for name in left))
    (second,) = (name for name in left if calling.pulls[name].poll(0))
    (third,) = left - {second}
    calling.pulls[second].close()
    await until(lambda: calling.lane._routes[second].running is None)
    assert not calling.pulls[third].poll(100)
    calling.lane.close()


async def test_nobody_asks_for_a_connection_that_was_let_go(
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    calling = Connected(context)
    await calling.begin()
    calling.lane.set_workers([])
    calling.lane.close()
    loop = asyncio.get_running_loop()
    assert {key.fd for key in loop._selector.get_map().values()} == {loop._ssock.fileno()}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "forged",
    [{"worker": "w1"}, {"worker": "unknown"}, {"sequence": 2**40}, {"sequence": 0}, {"captured_ns": 7}],
)
def test_a_result_is_taken_only_from_the_worker_that_was_sent_the_frame(
    forged: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(monkeypatch, [0.03, 0.5])
    # Of the first frame both get one, which shows how fast they are; of the second only one does.
    for _ in range(2):
        world.time.now_s += 0.03
        assert world.lane.send(frame(world.time.now_s), INK) == "w0"
    header = world.workers[0].received[-1]
    assert header.sequence == 1
    assert not world.lane.note_result(replace(answer(header, "w0"), **forged))
    # The forged one has taught the lane nothing: the true one is still waited for, and taken.
    assert world.lane._routes["w0"].waiting is not None
    assert world.lane.note_result(answer(header, "w0"))
    assert world.lane._routes["w0"].waiting is None


def test_a_worker_that_has_left_may_still_answer_what_it_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, [0.03])
    world.lane.send(frame(world.time.now_s), INK)
    header = world.workers[0].waiting
    assert header is not None
    world.lane.set_workers([])
    assert world.lane.note_result(answer(header, "w0"))


def test_what_was_sent_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, [0.001])
    for _ in range(sent.KEPT + 10):
        world.lane.send(frame(), INK)
    assert len(world.lane._sent._frames) == sent.KEPT


def test_only_a_worker_that_knows_a_field_is_sent_it(context: zmq.Context[Any], tmp_path: Any) -> None:
    sockets_: dict[str, Any] = {}
    lane = Lane(context, SESSION, "ipc://reply", wants_data=lambda: True)
    workers = []
    for name, versions in (("old", {"p2pcamera": "0.1.0"}), ("new", {"data": "1", "traces": "1"})):
        pull = sockets_[name] = sockets.pull_frames(context)
        endpoint = f"ipc://{tmp_path}/{name}.ipc"
        pull.bind(endpoint)
        workers.append(Worker(status(name, frames_endpoint=endpoint, versions=versions), 0.0))
    try:
        for name in ("old", "new"):
            lane.set_workers([one for one in workers if one.id == name])
            frame = CameraFrame(planes=MadePlanes(planes()), width=32, height=16, pts=0, captured_ns=1)
            while lane.send(frame, INK, TRACE) is None:
                pass
            assert sockets_[name].poll(5000)
            came = unpack_frame(sockets_[name].recv())[0]
            assert (came.wants_data, came.trace) == ((True, TRACE) if name == "new" else (False, b""))
    finally:
        lane.close()
        for pull in sockets_.values():
            pull.close(linger=0)
