"""One session's way to the workers: only the newest frame, to the worker that will answer first.

A PUSH socket deals round robin and has no weights. So a lane holds one conflating PUSH per worker and
deals itself:

- It predicts when each worker would answer one more frame (route.py), and takes the earliest. Idle workers of
  about the same speed take turns. So a worker of 90 ms beside one of 30 ms gets nothing of a 30 fps camera,
  since its results would come too late. Two workers of 90 ms share the camera.
- A worker that got nothing for a while gets a copy of a frame as a probe. The session loses nothing, and the
  lane sees whether the worker has become faster.
- A worker that has not loaded the filter gets only such probes while another one has it. So it loads the
  filter, and nobody waits for it.
- A session with state stays with one worker. When that connection is gone, its PUSH refuses. The same frame
  then goes to another worker, which keeps the session.
- When a connection ends, the frame that was on its way there goes to another worker at once, if it is still
  the newest. An older one would come back too late. It is given anew once: it may have ended that worker.

Event loop only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import zmq

from shared import sockets
from shared.link_keys import LinkKeys
from shared.wire import DATA_VERSION, TRACES_VERSION, FrameHeader, ResultHeader, ResultKind, frame_message
from signaling_service.media.frame import CameraFrame, Planes
from signaling_service.workers.choice import Choice
from signaling_service.workers.route import WORK_AT_FIRST_S, Route
from signaling_service.workers.sent import SentFrames
from signaling_service.workers.worker import Worker

AS_FAST = 1.25
"""Idle workers within this factor of the fastest take turns."""
PROBE_EVERY_S = 3.0
CLEARLY_LESS_BUSY = 0.3
STAY_AT_LEAST_S = 5.0


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The newest frame, while no result of it or of a newer one has come."""

    header: FrameHeader
    choice: Choice
    planes: Planes


@dataclass(slots=True)
class Lane:
    """Sends one session's frames; `close` ends it."""

    context: zmq.Context[zmq.Socket[bytes]]
    session: bytes
    reply_to: str
    keys: LinkKeys | None = None
    clock: Callable[[], float] = time.monotonic
    """Seconds; the clock of `CameraFrame.captured_ns`."""
    wants_data: Callable[[], bool] = lambda: False
    """Tells whether anybody listens for what filters tell of their pictures."""
    loop: asyncio.AbstractEventLoop | None = None
    """Tells at once when a connection ends; without it the next frame finds out."""
    _routes: dict[str, Route] = field(default_factory=dict)
    _keeps_state: bool = False
    _chosen: str | None = None
    _chosen_s: float = 0.0
    _sequence: int = 0
    _sent: SentFrames = field(default_factory=SentFrames)
    _unanswered: Unanswered | None = None

    @property
    def workers(self) -> list[str]:
        """Ids of the workers that this lane is connected to."""
        return list(self._routes)

    def set_workers(
        self, workers: Sequence[Worker], *, filters: Sequence[str] = (), keeps_state: bool = False
    ) -> None:
        """Connect to exactly these workers; the lane keeps what it has learned of those that stay.

        `filters` is the chain to apply; `keeps_state` tells whether it remembers the last frame.
        """
        self._keeps_state = keeps_state
        wanted = {worker.id: worker for worker in workers}
        for gone in [id_ for id_ in self._routes if id_ not in wanted]:
            self._disconnect(self._routes.pop(gone))
        for worker in workers:
            route = self._routes.get(worker.id)
            if route is None:
                route = self._routes[worker.id] = self._connect(worker)
            route.busy = worker.status.busy
            route.is_loaded = worker.has_loaded(filters)

    def send(self, frame: CameraFrame, choice: Choice, trace: bytes = b"") -> str | None:
        """Give the frame to one worker; returns its id, or None when no worker could take it.

        `trace` is the context of a frame that is traced (shared/traces.py).
        """
        now_s = self.clock()
        header = self._header(frame, choice)
        self._sequence += 1
        for route in self._routes.values():
            route.forget_lost(now_s)
        newest = Unanswered(header, choice, frame.planes)
        taken_by = self._give(newest, now_s, trace)
        self._unanswered = None if taken_by is None else newest
        if taken_by is not None:
            self._probe(taken_by, header, choice, frame.planes, now_s)
        return taken_by

    def note_result(self, header: ResultHeader) -> bool:
        """Learn from a result of any kind how fast its worker is; tell whether it may be believed."""
        if not self._sent.has(header):
            return False
        if self._unanswered is not None and header.sequence >= self._unanswered.header.sequence:
            self._unanswered = None
        if route := self._routes.get(header.worker):
            route.note_result(header, self.clock())
            if header.kind is ResultKind.MISSING:
                route.wants_params = True
        return True

    def close(self) -> None:
        """Disconnect from all workers; safe to call twice."""
        for route in self._routes.values():
            self._disconnect(route)
        self._routes.clear()
        self._unanswered = None

    def _connect(self, worker: Worker) -> Route:
        socket = sockets.push_frames(self.context, self.keys)
        socket.connect(worker.status.frames_endpoint)
        usual_s = worker.status.loop_usual_ms / 1000
        route = Route(
            worker.id,
            socket,
            worker.status.busy,
            False,
            usual_s or WORK_AT_FIRST_S,
            knows_data=DATA_VERSION in worker.status.versions,
            knows_traces=TRACES_VERSION in worker.status.versions,
        )
        if self.loop is not None:
            self.loop.add_reader(int(socket.getsockopt(zmq.FD)), self._on_connection, route)
        return route

    def _disconnect(self, route: Route) -> None:
        if self.loop is not None:
            self.loop.remove_reader(int(route.socket.getsockopt(zmq.FD)))
        route.socket.close(linger=0)

    def _on_connection(self, route: Route) -> None:
        """Take note that a connection has been made or has ended; libzmq says which only when asked."""
        if int(route.socket.getsockopt(zmq.EVENTS)) & zmq.POLLOUT:
            return
        lost, newest = route.forget_sent(), self._unanswered
        if newest is not None and newest.header.sequence in lost:
            # Once only: it may be what ended that worker.
            self._unanswered = None
            self._give(newest, self.clock())

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

    def _order(self, now_s: float) -> list[Route]:
        """Return the routes in the order in which to try them."""
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

    def _order_of_one(self, routes: list[Route], now_s: float) -> list[Route]:
        """Put the session's own worker first, after a clearly less busy one, before all others.

        The worker that takes the frame is the session's own from then on. So a connection that is still being
        made is no reason to leave, and a worker that is gone costs no frame.
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
            # A copy would begin a second state; a worker that has not loaded the filter begins none.
            may_try = not (self._keeps_state and route.is_loaded)
            if may_try and route.worker != taken_by and now_s - route.used_s > PROBE_EVERY_S:
                self._send(route, header, choice, planes, now_s)

    def _give(self, one: Unanswered, now_s: float, trace: bytes = b"") -> str | None:
        """Give a frame to the first worker that takes it."""
        for route in self._order(now_s):
            traced = replace(one.header, trace=trace) if trace and route.knows_traces else one.header
            if self._send(route, traced, one.choice, one.planes, now_s):
                if route.worker != self._chosen:
                    self._chosen, self._chosen_s = route.worker, now_s
                return route.worker
        return None

    def _send(self, route: Route, header: FrameHeader, choice: Choice, planes: Planes, now_s: float) -> bool:
        if choice.is_inline or route.wants_params:
            header = replace(header, params=choice.params)
        if route.knows_data and self.wants_data():
            header = replace(header, wants_data=True)
        try:
            message, into = frame_message(header, planes.size_bytes)
            planes.write(into)
            route.socket.send(message, zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False  # No connection now: another worker takes this frame.
        route.wants_params = False
        route.note_sent(header.sequence, now_s)
        self._sent.note(header, route.worker)
        return True
