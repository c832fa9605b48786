"""The front of several media processes: one port for HTTP, one table of workers, sessions dealt out evenly.

    browser ── HTTP ──> front ── pipe ──> media process 0 ── frames ──> workers
                          ▲       └─────> media process 1 ── frames ──>    │
                          └───────────────── status ───────────────────────┤
                                          media processes <── results ─────┘

Media goes by UDP to the process that has the session, and each process has a SUB of its own, named in
`reply_to`: the front carries no frame. Workers announce themselves to the front, which passes each status on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Collection, Sequence
from typing import Any

import zmq
from prometheus_client import generate_latest

from shared.wire import SESSION_BYTES, StatusHeader
from signaling_service.access.caller import Caller
from signaling_service.config import Settings
from signaling_service.cores import usable_cores
from signaling_service.draining import kept
from signaling_service.errors import (
    MediaProcessLost,
    NoMediaProcess,
    NoWorker,
    ServiceFull,
    ShuttingDown,
    SignalingError,
    UnknownSession,
)
from signaling_service.metrics import Metrics
from signaling_service.processes.costly import CostlyOffers
from signaling_service.processes.exposition import merged
from signaling_service.processes.kept_process import KeptProcess
from signaling_service.processes.nursery import Nursery
from signaling_service.sdp.sdp_limits import check_offer
from signaling_service.session.described import Described
from signaling_service.session.places import Places
from signaling_service.session.requests import Change, Offer
from signaling_service.session.viewers import Watched
from signaling_service.streams.streams import name_for, place_of
from signaling_service.workers.collector import WorkerCollector
from signaling_service.workers.results import ResultListener
from signaling_service.workers.table import ServedFilter, Workers

logger = logging.getLogger(__name__)

OPEN_LIMIT_S = 15.0
METRICS_LIMIT_S = 2.0


class DealtSessions:
    """Sessions that live in media processes; the first byte of an id says in which."""

    def __init__(
        self, settings: Settings, processes: Sequence[KeptProcess], workers: Workers, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._processes = processes
        self._workers = workers
        self._metrics = metrics
        self._is_shutting_down = False
        self._one_has_ended = asyncio.Event()
        self._places = Places(settings.max_connecting_per_address)
        self._costly = CostlyOffers()

    def check_room(self) -> None:
        """As SessionHost has it; of the media processes by what each has said last, twice a second."""
        try:
            self._check_room()
        except SignalingError as exc:
            # The processes count what reaches them.
            self._metrics.offers.labels(exc.code).inc()
            raise

    def room(self) -> int:
        """Return how many more sessions would be taken now, by what each process has said last."""
        if self._is_shutting_down:
            return 0
        room = sum(process.room for process in self._processes if process.is_ready)
        limit = self._settings.max_sessions
        return room if limit is None else max(0, min(room, limit - self._places.connected))

    async def open(self, offer: Offer, caller: Caller) -> Described:
        """Give the session to the least loaded process that takes it; to one that is silent last."""
        self._check_room()
        check_offer(offer.sdp)
        if offer.publish:
            offer = offer.model_copy(update={"publish": name_for(offer.publish, caller)})
        with self._costly.dealing(offer.sdp):
            return await self._deal(offer, caller)

    async def _deal(self, offer: Offer, caller: Caller) -> Described:
        refusal: SignalingError = NoMediaProcess()
        for process in self._that_may_take(offer):
            try:
                return await self._open_at(process, offer, caller)
            except MediaProcessLost:
                raise
            except SignalingError as exc:
                if exc.code not in (ServiceFull.code, NoMediaProcess.code):
                    raise
                if exc.code == ServiceFull.code:
                    refusal = exc
        raise refusal

    async def watch(self, name: str, offer_sdp: str, caller: Caller) -> Watched:
        if self._is_shutting_down:
            raise ShuttingDown
        check_offer(offer_sdp)
        process = self._of_stream(name)
        session_id = _new_id(process)
        value = {"session": session_id, "caller": caller.as_map(), "name": name, "sdp": offer_sdp}
        with self._costly.dealing(offer_sdp):
            return Watched(session_id, await process.call("watch", value, OPEN_LIMIT_S))

    async def change(self, session_id: str, change: Change, caller: Caller) -> Described:
        value = {"change": change.model_dump(mode="json", exclude_none=True), "caller": caller.as_map()}
        return Described.from_map(await self._call(session_id, "change", value, caller.subject))

    async def add_candidates(
        self, session_id: str, fragment: str, subject: str, tags: Collection[str] | None = None
    ) -> str | None:
        value = {"fragment": fragment, "tags": None if tags is None else list(tags)}
        answer: str | None = await self._call(session_id, "add_candidates", value, subject)
        return answer

    async def close(self, session_id: str, subject: str) -> None:
        await self._call(session_id, "close", {}, subject)

    def on_session(self, what: str, name: str) -> None:
        """Take note that a media process has connected a session, or has ended it."""
        if what == "ended":
            self._places.leave(name)
            self._one_has_ended.set()
            return
        self._places.note_connected(name)
        limit = self._settings.max_sessions
        # More offers may have been answered than there are places.
        if limit is not None and self._places.connected > limit:
            self._give_up(name, is_full=True)

    def served_filters(self) -> list[ServedFilter]:
        return self._workers.served_filters()

    def check_ready(self) -> None:
        self._check_room()
        if not any(process.is_ready for process in self._processes):
            raise NoMediaProcess
        if not self._workers.live():
            raise NoWorker([self._settings.default_filter])

    def refuse_from_now_on(self) -> None:
        self._is_shutting_down = True

    async def have_ended(self) -> None:
        """Return when no session is left."""
        while not self._places.is_empty:
            self._one_has_ended.clear()
            await self._one_has_ended.wait()

    def _check_room(self) -> None:
        if self._is_shutting_down:
            raise ShuttingDown
        limit = self._settings.max_sessions
        if limit is not None and self._places.connected >= limit:
            raise ServiceFull(limit)
        rooms = [process.room for process in self._processes if process.is_ready]
        if rooms and max(rooms) < 1:
            raise ServiceFull(limit)

    async def _open_at(self, process: KeptProcess, offer: Offer, caller: Caller) -> Described:
        session_id = _new_id(process)
        value = {
            "session": session_id,
            "caller": caller.as_map(),
            "offer": offer.model_dump(mode="json"),
        }
        # Counted before the first wait, so that limit and dealing hold among offers that come together.
        for over in self._places.take(session_id, caller):
            self._give_up(over, is_full=False)
        process.sessions.add(session_id)
        try:
            return Described.from_map(await process.call("open", value, OPEN_LIMIT_S))
        except BaseException:
            process.sessions.discard(session_id)
            self._places.leave(session_id)
            raise

    def _that_may_take(self, offer: Offer) -> list[KeptProcess]:
        if isinstance(offer.publish, str):
            return [self._of_stream(offer.publish)]
        return sorted(self._processes, key=lambda process: (process.is_silent, process.load))

    def _of_stream(self, name: str) -> KeptProcess:
        return self._processes[place_of(name, len(self._processes))]

    async def _call(self, session_id: str, name: str, value: dict[str, Any], subject: str) -> Any:
        process = self._process_of(session_id)
        if process is None or not process.is_ready:
            raise UnknownSession(session_id)
        return await process.call(name, {"session": session_id, "subject": subject, **value})

    def _give_up(self, session_id: str, *, is_full: bool) -> None:
        if (process := self._process_of(session_id)) is not None:
            process.tell_given_up(session_id, is_full=is_full)

    def _process_of(self, session_id: str) -> KeptProcess | None:
        place = _place_of(session_id)
        return None if place is None or place >= len(self._processes) else self._processes[place]


class Front:
    """The parts of the front: `open` before the first request, `close` after the last."""

    def __init__(self, settings: Settings, nursery: Nursery) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.workers = Workers(self.metrics)
        self.metrics.registry.register(WorkerCollector(self.workers))
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._listener = ResultListener(
            self._context, settings.results_bind, self.metrics, self._on_status, settings.keys
        )
        cores = usable_cores() / settings.processes
        self.processes = [
            KeptProcess(place, cores, settings, nursery, self._introduce_workers, self._on_session)
            for place in range(settings.processes)
        ]
        self.sessions = DealtSessions(settings, self.processes, self.workers, self.metrics)
        self.metrics.room.set_function(self.sessions.room)
        self._nursery = nursery
        self._running: list[asyncio.Task[None]] = []

    def bind(self) -> None:
        """Take the endpoint for status; raises ResultsNotBound. `open` does it too."""
        self._listener.bind()

    async def open(self) -> None:
        """Start the media processes; returns when one serves, or each has failed once."""
        self._listener.start(asyncio.get_running_loop())
        running = [self.workers.run(), *(process.run() for process in self.processes)]
        self._running = [asyncio.create_task(work) for work in running]
        # Pages that have lost their service wait for the first one: the others come while it serves.
        tries = [asyncio.create_task(process.has_tried.wait()) for process in self.processes]
        for tried in asyncio.as_completed(tries):
            await tried
            if any(process.is_ready for process in self.processes):
                break
        for task in tries:
            task.cancel()

    async def drain(self, hurry: asyncio.Event) -> None:
        """As Service has it; the media processes hear of workers by their own sockets from now on."""
        limit_s = self.settings.drain_seconds
        self.sessions.refuse_from_now_on()
        self._listener.close()
        for process in self.processes:
            process.drain(limit_s)
        have_moved = await kept(self.sessions.have_ended(), time.monotonic() + limit_s, hurry)
        logger.info("the service has drained" if have_moved else "sessions are left")

    async def close(self) -> None:
        """End the media processes and with them all sessions."""
        self.sessions.refuse_from_now_on()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._nursery.close()
        self._listener.close()
        self._context.destroy(linger=0)

    async def exposition(self) -> bytes:
        """Return the instruments of all processes, each sample with its process, and the table of workers."""
        texts = await asyncio.gather(*(self._metrics_of(process) for process in self.processes))
        return merged(generate_latest(self.metrics.registry), texts)

    async def _metrics_of(self, process: KeptProcess) -> bytes:
        try:
            return bytes(await process.call("metrics", None, METRICS_LIMIT_S))
        except NoMediaProcess:
            return b""

    def _on_status(self, status: StatusHeader) -> None:
        self.workers.update(status)
        for process in self.processes:
            process.tell_status(status)

    def _on_session(self, what: str, name: str) -> None:
        self.sessions.on_session(what, name)

    def _introduce_workers(self, process: KeptProcess) -> None:
        for worker in self.workers.live():
            process.tell_status(worker.status)


def _new_id(process: KeptProcess) -> str:
    return (bytes([process.place]) + secrets.token_bytes(SESSION_BYTES - 1)).hex()


def _place_of(session_id: str) -> int | None:
    try:
        return bytes.fromhex(session_id)[0]
    except (ValueError, IndexError):
        return None
