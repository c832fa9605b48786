"""Sessions that live in media processes: each is dealt to one, and asked for there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Sequence
from typing import Any

from shared.wire import SESSION_BYTES
from signaling_service.access.caller import Caller
from signaling_service.config import Settings
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
from signaling_service.processes.kept_process import KeptProcess
from signaling_service.sdp.sdp_limits import check_offer
from signaling_service.session.described import Described
from signaling_service.session.places import Places
from signaling_service.session.requests import Change, Offer
from signaling_service.session.viewers import Watched
from signaling_service.streams.streams import name_for, place_of
from signaling_service.workers.table import ServedFilter, Workers

OPEN_LIMIT_S = 15.0


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
        self._viewers = Places(settings.max_connecting_per_address)
        self._costly = CostlyOffers()

    def check_room(self, caller: Caller) -> None:
        """As SessionHost has it; of the media processes by what each has said last, twice a second.

        What the caller has offered lately they count themselves.
        """
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
            # Here too, since the streams that a subject watches may be in several processes.
            for over in self._viewers.take(session_id, caller):
                self._give_up(over, is_full=False)
            process.viewers.add(session_id)
            try:
                return Watched(session_id, await process.call("watch", value, OPEN_LIMIT_S))
            except BaseException:
                process.viewers.discard(session_id)
                self._viewers.leave(session_id)
                raise

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
        """Take note that a media process has connected a session or a viewer, or has ended it."""
        if what == "ended":
            self._places.leave(name)
            self._viewers.leave(name)
            self._one_has_ended.set()
            return
        if self._viewers.owner(name) is not None:
            self._viewers.note_connected(name)
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


def _new_id(process: KeptProcess) -> str:
    return (bytes([process.place]) + secrets.token_bytes(SESSION_BYTES - 1)).hex()


def _place_of(session_id: str) -> int | None:
    try:
        return bytes.fromhex(session_id)[0]
    except (ValueError, IndexError):
        return None
