"""All sessions of this process with their limits."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.log_ids import of_session
from shared.wire import SESSION_BYTES
from signaling_service.access.caller import Caller, both, preset
from signaling_service.errors import (
    NoWorker,
    OfferGivenUp,
    ServiceFull,
    ShuttingDown,
    SignalingError,
    UnknownSession,
)
from signaling_service.rtc.outage import Outage
from signaling_service.session.described import Described, describe
from signaling_service.session.load import Load
from signaling_service.session.places import Places
from signaling_service.session.requests import Change, Offer
from signaling_service.session.session import Session
from signaling_service.session.surroundings import Surroundings
from signaling_service.session.viewers import REMEMBERED, Viewers, Watched
from signaling_service.streams.streams import name_for
from signaling_service.workers.choice import Choice
from signaling_service.workers.table import ServedFilter

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator has set for all sessions."""

    default_filter: str
    max_sessions: int | None
    """Connected at a time; None: as many as the process carries."""
    max_connecting_per_address: int


class LocalSessions:
    """Sessions that live in this process."""

    def __init__(
        self,
        around: Surroundings,
        limits: Limits,
        load: Load,
        on_session: Callable[[str, str], None] = lambda what, name: None,
    ) -> None:
        """`on_session` is told of each session, and of each viewer, that is `connected` or has `ended`."""
        self._around = around
        self._limits = limits
        self._load = load
        self._on_session = on_session
        self._sessions: dict[str, Session] = {}
        self._places = Places(limits.max_connecting_per_address)
        self._ended: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)
        """Names, and whose they were."""
        self._viewers = Viewers(around, limits.max_connecting_per_address, on_session)
        self._is_shutting_down = False
        self._one_has_ended = asyncio.Event()

    async def open(self, offer: Offer, caller: Caller, id_: bytes | None = None) -> Described:
        """As SessionHost has it; the front chooses the ids of what it deals to its processes."""
        key = id_ or secrets.token_bytes(SESSION_BYTES)
        with self._counted(), of_session(key.hex()):
            described = await self._open(offer, caller, key)
        self._around.metrics.offers.labels("answered").inc()
        if offer.reconnect:
            self._around.metrics.reconnects.inc()
        return described

    def check_room(self, caller: Caller) -> None:
        with self._counted():
            self._check_room(caller)

    async def change(self, session_id: str, change: Change, caller: Caller) -> Described:
        session = self._running(session_id, caller.subject)
        try:
            first_rtp_timestamp = await session.changes.make(change, caller)
        except SignalingError as exc:
            logger.info("a change is refused: %s", exc.code, extra={"session": session.name})
            raise
        return describe(session, first_rtp_timestamp=first_rtp_timestamp)

    async def add_candidates(
        self, session_id: str, fragment: str, subject: str, tags: Collection[str] | None = None
    ) -> str | None:
        viewer = self._viewers.find(session_id, subject)
        if viewer is not None and viewer.is_ending:
            raise UnknownSession(session_id)
        return await (viewer or self._running(session_id, subject)).add_candidates(fragment, tags)

    async def close(self, session_id: str, subject: str) -> None:
        if (session_id, subject) in self._ended or self._viewers.has_ended(session_id, subject):
            return
        if (viewer := self._viewers.find(session_id, subject)) is not None:
            await viewer.close()
        else:
            await self._find(session_id, subject).close("ended by the page")

    async def watch(self, name: str, offer_sdp: str, caller: Caller, id_: bytes | None = None) -> Watched:
        if self._is_shutting_down:
            raise ShuttingDown
        return await self._viewers.watch(name, offer_sdp, caller, id_ or secrets.token_bytes(SESSION_BYTES))

    def give_up(self, session_id: str, error: SignalingError | None) -> None:
        """End a session whose place is another's now; with an error it is told why."""
        session = self._sessions.get(session_id)
        if session is None:
            self._viewers.give_up(session_id)
        elif error is not None:
            session.refuse(error)
        else:
            session.end("newer offer")

    def drain(self, until_s: float) -> None:
        """Refuse new sessions, and tell the pages of all others to move; monotonic clock."""
        self._is_shutting_down = True
        for session in self._sessions.values():
            session.drain(until_s)

    async def have_ended(self) -> None:
        """Return when no session is left."""
        while self._sessions:
            self._one_has_ended.clear()
            await self._one_has_ended.wait()

    async def close_all(self) -> None:
        """Refuse new sessions and end all; returns when they are freed."""
        self._is_shutting_down = True
        closing = [session.close("service ends") for session in list(self._sessions.values())]
        await asyncio.gather(*closing, self._viewers.close_all())

    def served_filters(self) -> list[ServedFilter]:
        return self._around.workers.served_filters()

    def check_ready(self) -> None:
        self._check_room()
        if not self._around.workers.live():
            raise NoWorker([self._limits.default_filter])

    async def _open(self, offer: Offer, caller: Caller, key: bytes) -> Described:
        allowed = both(self._around.allowed, caller.grant.filters)
        filters = tuple(offer.filter or (preset(self._limits.default_filter, allowed),))
        params = offer.params or {}
        self._check_room(caller)
        self._around.workers.check_choice(filters, params, allowed)
        streams, name = self._around.streams, ""
        if offer.publish:
            name = name_for(offer.publish, caller, streams.is_here)
            streams.check_publish(name, caller.subject, None if offer.takes_over else offer.publisher)
        # Entered before the first wait, so that the limits hold among offers that come together.
        for over in self._places.take(key.hex(), caller):
            self.give_up(over, None)
        try:
            session = Session(
                key,
                self._around,
                Choice.of(filters, params, generation=0),
                offer.outage or Outage.CLOSED,
                caller,
                self._connected,
                self._forget,
                takes_sound=bool(name),
            )
            if name:
                stream = streams.to_publish(name, caller.subject)
                session.publication.prepare(stream, offer.publisher, takes_over=offer.takes_over)
        except BaseException:
            self._places.leave(key.hex())
            raise
        self._sessions[session.name] = session
        self._around.metrics.sessions.set(len(self._sessions))
        try:
            answer_sdp = await session.open(offer.sdp)
        except BaseException as exc:
            await session.close("offer refused")
            if isinstance(exc, OfferGivenUp) and self._is_shutting_down:
                raise ShuttingDown from exc
            raise
        logger.info("the session is opened: %s", ", ".join(filters))
        return describe(session, answer_sdp=answer_sdp)

    def room(self, caller: Caller | None = None) -> int:
        """Return how many more sessions would be taken now, of a caller that has offered others lately.

        Offers that wait have no place yet. By measured load the caller's own count all the same: whoever
        offers without end shall not take the cores from the sessions that are here.
        """
        connected = self._places.connected
        if self._limits.max_sessions is not None:
            return max(0, self._limits.max_sessions - connected)
        settling = self._places.settling(caller) if caller is not None and connected else 0
        return self._load.room(connected + settling)

    def connected(self) -> int:
        return self._places.connected

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except SignalingError as exc:
            self._around.metrics.offers.labels(exc.code).inc()
            logger.info("an offer is refused: %s", exc.code)
            raise

    def _check_room(self, caller: Caller | None = None) -> None:
        if self._is_shutting_down:
            raise ShuttingDown
        if self.room(caller) < 1:
            raise ServiceFull(self._limits.max_sessions)

    def _connected(self, session: Session) -> SignalingError | None:
        """Give a session its place; more offers may have been answered than there are places."""
        if self._places.was_overtaken(session.name) and self.room() < 1:
            return ServiceFull(self._limits.max_sessions)
        self._places.note_connected(session.name)
        self._on_session("connected", session.name)
        return None

    def _find(self, session_id: str, subject: str) -> Session:
        session = self._sessions.get(session_id)
        # Whoever may not know of a session hears what is said of one that never was.
        if session is None or self._places.owner(session_id) != subject:
            raise UnknownSession(session_id)
        return session

    def _running(self, session_id: str, subject: str) -> Session:
        session = self._find(session_id, subject)
        # What it would still open, nobody would close.
        if session.is_ending:
            raise UnknownSession(session_id)
        return session

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.name, None)
        self._ended.append((session.name, self._places.owner(session.name) or ""))
        self._places.leave(session.name)
        self._around.metrics.sessions.set(len(self._sessions))
        self._one_has_ended.set()
        self._on_session("ended", session.name)
