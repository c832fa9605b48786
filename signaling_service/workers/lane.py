"""One session's way to the workers: newest frame only, to the worker that will answer first.

A PUSH deals round robin and cannot weight, so a lane holds one conflating PUSH per worker and deals
itself. It predicts from the results when each worker could be done with one more frame of this session, and
takes the earliest; workers that are idle and about as fast take turns. So a worker of 90 ms beside one of
30 ms gets nothing of a 30 fps camera (its results would come too late), while two of 90 ms share it. One that
got nothing for a while is given a copy of a frame now and then, which costs the session nothing and shows
whether it has become faster. Workers that would have to load a filter first get such copies alone while
there is one that has it: so they load it without anybody waiting.

A session with state keeps to one worker. When that one's connection is gone its PUSH refuses, and the same
frame goes to another, which keeps the session from then on.

Event loop only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import zmq

from shared import sockets
from shared.frame import ColourMatrix, ColourRange
from shared.link_keys import LinkKeys
from shared.wire import (
    INLINE_PARAMS_BYTES,
    FrameHeader,
    ResultHeader,
    ResultKind,
    frame_message,
    params_id,
    params_size_bytes,
)
from signaling_service.workers.table import Worker

logger = logging.getLogger(__name__)

AS_FAST = 1.25
"""Idle workers within this factor of the fastest take turns."""
PROBE_EVERY_S = 3.0
WORK_AT_FIRST_S = 0.03
WORK_LIMIT_S = 30.0
LOST_AFTER_S = 1.0
LOST_FACTOR = 3.0
WEIGHT_OF_NEW = 0.25
CLEARLY_LESS_BUSY = 0.3
STAY_AT_LEAST_S = 5.0


class Planes(Protocol):
    """Where packed I420 planes (shared.frame) can be had from."""

    @property
    def size_bytes(self) -> int: ...

    def write(self, into: memoryview) -> None:
        """Write them into so many bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFrame:
    """A decoded camera frame, ready to be sent.

    `captured_ns` is this process's monotonic clock at decoding, `pts` in units of 1/90000 s.
    """

    planes: Planes
    width: int
    height: int
    pts: int
    captured_ns: int
    colour_range: ColourRange = ColourRange.LIMITED
    colour_matrix: ColourMatrix = ColourMatrix.BT601


@dataclass(frozen=True, slots=True)
class Choice:
    """What a session has chosen; `generation` rises with each change."""

    filters: tuple[str, ...]
    params: dict[str, Any]
    generation: int
    params_id: bytes
    is_inline: bool

    @classmethod
    def of(cls, filters: Sequence[str], params: dict[str, Any], generation: int) -> Choice:
        """Hash the parameters once, not with every frame."""
        is_inline = params_size_bytes(params) <= INLINE_PARAMS_BYTES
        return cls(tuple(filters), params, generation, params_id(params), is_inline)


@dataclass(slots=True)
class _Sent:
    sequence: int
    sent_s: float
    done_s: float
    """When its result is predicted to be here."""


@dataclass(slots=True)
class _Route:
    """One worker as this lane knows it; times are of the monotonic clock."""

    worker: str
    socket: zmq.Socket[bytes]
    busy: float
    is_loaded: bool
    """The worker can filter at once."""
    work_s: float
    """From the start of its batch to the result here."""
    wait_s: float = 0.0
    """What a frame waits there when none of this session is before it: the other sessions' share."""
    running: _Sent | None = None
    waiting: _Sent | None = None
    """At most one: the worker keeps only the newest."""
    is_measured: bool = False
    used_s: float = 0.0
    wants_params: bool = False

    def done_s(self, now_s: float) -> float:
        """When one more frame, sent now, would be answered."""
        if self.running is None:
            return now_s + self.wait_s + self.work_s
        if not self.is_measured:
            return now_s + WORK_LIMIT_S  # One frame at first: nobody knows yet how long it takes there.
        return max(self.running.done_s, now_s) + self.work_s

    def note_sent(self, sequence: int, now_s: float) -> None:
        sent = _Sent(sequence, now_s, self.done_s(now_s))
        if self.running is None:
            self.running = sent
        else:
            self.waiting = sent
        self.used_s = now_s

    def note_result(self, header: ResultHeader, now_s: float) -> None:
        if header.kind is ResultKind.FRAME:
            self._measure(header, now_s)
        if self.running is not None and header.sequence >= self.running.sequence:
            self.running = None
        if self.waiting is not None and header.sequence >= self.waiting.sequence:
            self.waiting = None
        if self.running is None and self.waiting is not None:
            self.running, self.waiting = self.waiting, None
            self.running.done_s = now_s + self.work_s

    def forget_lost(self, now_s: float) -> None:
        """Count a frame as lost that was not answered in time, and expect less of this worker."""
        limit_s = max(LOST_AFTER_S, LOST_FACTOR * self.work_s)
        if self.running is not None and now_s - self.running.sent_s > limit_s:
            self.running = self.waiting = None
            self.work_s = min(self.work_s * 1.5, WORK_LIMIT_S)

    def _measure(self, header: ResultHeader, now_s: float) -> None:
        wait_s = header.wait_ms / 1000
        work_s = min(max(now_s - header.captured_ns / 1e9 - wait_s, 0.0), WORK_LIMIT_S)
        weight = WEIGHT_OF_NEW if self.is_measured else 1.0
        self.work_s += weight * (work_s - self.work_s)
        if self.running is not None and self.running.sequence == header.sequence:
            self.wait_s += weight * (wait_s - self.wait_s)
        self.is_measured = True


@dataclass(slots=True)
class Lane:
    """Sends one session's frames; `close` ends it."""

    context: zmq.Context[zmq.Socket[bytes]]
    session: bytes
    reply_to: str
    keys: LinkKeys | None = None
    clock: Callable[[], float] = time.monotonic
    """Seconds; the clock of `CameraFrame.captured_ns`."""
    _routes: dict[str, _Route] = field(default_factory=dict)
    _keeps_state: bool = False
    _chosen: str | None = None
    _chosen_s: float = 0.0
    _sequence: int = 0

    @property
    def workers(self) -> list[str]:
        """Ids of the workers that this lane is connected to."""
        return list(self._routes)

    def set_workers(
        self, workers: Sequence[Worker], *, filters: Sequence[str] = (), keeps_state: bool = False
    ) -> None:
        """Connect to exactly these; those that were connected and stay keep what was learned of them.

        `filters` is the chain that is to be applied, `keeps_state` whether it remembers the last frame.
        """
        self._keeps_state = keeps_state
        wanted = {worker.id: worker for worker in workers}
        for gone in [id_ for id_ in self._routes if id_ not in wanted]:
            self._routes.pop(gone).socket.close(linger=0)
        for worker in workers:
            route = self._routes.get(worker.id)
            if route is None:
                route = self._routes[worker.id] = self._connect(worker)
            route.busy = worker.status.busy
            route.is_loaded = worker.has_loaded(filters)

    def send(self, frame: CameraFrame, choice: Choice) -> str | None:
        """Give the frame to one worker; returns its id, or None when no worker could take it."""
        now_s = self.clock()
        header = self._header(frame, choice)
        self._sequence += 1
        for route in self._routes.values():
            route.forget_lost(now_s)
        taken_by: str | None = None
        for route in self._order(now_s):
            if self._send(route, header, choice, frame.planes, now_s):
                taken_by = route.worker
                break
        if taken_by is not None:
            if taken_by != self._chosen:
                self._chosen, self._chosen_s = taken_by, now_s
            self._probe(taken_by, header, choice, frame.planes, now_s)
        return taken_by

    def note_result(self, header: ResultHeader) -> None:
        """Learn from a result (of whatever kind) how its worker does."""
        if route := self._routes.get(header.worker):
            route.note_result(header, self.clock())
            if header.kind is ResultKind.MISSING:
                route.wants_params = True

    def close(self) -> None:
        """Disconnect from all workers; safe to call twice."""
        for route in self._routes.values():
            route.socket.close(linger=0)
        self._routes.clear()

    def _connect(self, worker: Worker) -> _Route:
        socket = sockets.push_frames(self.context, self.keys)
        socket.connect(worker.status.frames_endpoint)
        usual_s = worker.status.loop_usual_ms / 1000
        return _Route(worker.id, socket, worker.status.busy, False, usual_s or WORK_AT_FIRST_S)

    def _header(self, frame: CameraFrame, choice: Choice) -> FrameHeader:
        return FrameHeader(
            session=self.session,
            reply_to=self.reply_to,
            sequence=self._sequence,
            generation=choice.generation,
            pts=frame.pts,
            captured_ns=frame.captured_ns,
            width=frame.width,
            height=frame.height,
            colour_range=frame.colour_range,
            colour_matrix=frame.colour_matrix,
            filters=choice.filters,
            params_id=choice.params_id,
            params=None,
        )

    def _order(self, now_s: float) -> list[_Route]:
        """Routes in the order in which they should be tried."""
        routes = list(self._routes.values())
        if any(route.is_loaded for route in routes):
            routes = [route for route in routes if route.is_loaded]
        if self._keeps_state:
            return self._order_of_one(routes, now_s)
        routes.sort(key=lambda route: route.done_s(now_s))
        idle = [route for route in routes if route.running is None]
        if routes and routes[0].running is None:
            limit_s = AS_FAST * (routes[0].done_s(now_s) - now_s)
            alike = [route for route in idle if route.done_s(now_s) - now_s <= limit_s]
            alike.sort(key=lambda route: route.used_s)
            routes = alike + [route for route in routes if route not in alike]
        return routes

    def _order_of_one(self, routes: list[_Route], now_s: float) -> list[_Route]:
        """The session's own worker; before it one that it should move to, behind it those to flee to.

        Who takes the frame is its own from then on: so one whose connection is only being made is no reason
        to leave, and a worker that is gone costs no frame.
        """
        routes.sort(key=lambda route: route.busy)
        chosen = next((route for route in routes if route.worker == self._chosen), None)
        if chosen is None:
            return routes
        may_move = now_s - self._chosen_s > STAY_AT_LEAST_S
        best, others = routes[0], [route for route in routes if route is not chosen]
        if may_move and best.busy < chosen.busy - CLEARLY_LESS_BUSY:
            return [best, chosen, *others[1:]]
        return [chosen, *others]

    def _probe(
        self, taken_by: str, header: FrameHeader, choice: Choice, planes: Planes, now_s: float
    ) -> None:
        for route in self._routes.values():
            # With state a copy would begin a second one; where the filter is not loaded it begins none.
            may_try = not (self._keeps_state and route.is_loaded)
            if may_try and route.worker != taken_by and now_s - route.used_s > PROBE_EVERY_S:
                self._send(route, header, choice, planes, now_s)

    def _send(self, route: _Route, header: FrameHeader, choice: Choice, planes: Planes, now_s: float) -> bool:
        if choice.is_inline or route.wants_params:
            header = replace(header, params=choice.params)
        try:
            message, into = frame_message(header, planes.size_bytes)
            planes.write(into)
            route.socket.send(message, zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False  # Not connected, or not any more: another worker takes this frame.
        route.wants_params = False
        route.note_sent(header.sequence, now_s)
        return True
