"""All sessions of a service with their limits, behind the one interface that the routes know."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from shared.wire import SESSION_BYTES
from signaling_service.access.caller import Caller
from signaling_service.errors import (
    NoWorker,
    ServiceFull,
    ShuttingDown,
    SignalingError,
    TooManyConnecting,
    UnknownSession,
)
from signaling_service.rtc.outage import Outage
from signaling_service.session.load import Load
from signaling_service.session.requests import Change, Offer
from signaling_service.session.session import Session
from signaling_service.session.surroundings import Surroundings
from signaling_service.workers.choice import Choice
from signaling_service.workers.table import ServedFilter

logger = logging.getLogger(__name__)

MAX_CONNECTING_PER_CLIENT = 8
REMEMBERED = 256
"""Ended sessions whose end may be asked for once more: a page closes its connection and then says so."""


@dataclass(frozen=True, slots=True)
class Described:
    """A session as its caller sees it; `answer_sdp` only when it was just made."""

    session: str
    filters: tuple[str, ...]
    params: dict[str, Any]
    outage: Outage
    """As it is: `closed` with a private filter, whatever was asked for."""
    generation: int
    is_private: bool
    first_rtp_timestamp: int | None = None
    """Of the first frame sent of a private choice, where something else was on the page's screen before."""
    answer_sdp: str = ""

    def as_map(self) -> dict[str, Any]:
        """Return what `from_map` of another process takes."""
        return {**asdict(self), "filters": list(self.filters), "outage": self.outage.value}

    @classmethod
    def from_map(cls, said: dict[str, Any]) -> Described:
        return cls(**{**said, "filters": tuple(said["filters"]), "outage": Outage(said["outage"])})


class SessionHost(Protocol):
    """What the routes need of sessions, wherever these live; raises SignalingError only."""

    async def open(self, offer: Offer, caller: Caller) -> Described:
        """Answer an offer."""

    async def change(self, session_id: str, change: Change) -> Described:
        """Change a session; returns when nothing of the old choice can leave any more."""

    async def add_candidates(self, session_id: str, fragment: str) -> None:
        """Add trickled candidates (an SDP fragment)."""

    async def close(self, session_id: str) -> None:
        """End a session; returns when it is freed, at once for one that has just ended."""

    def served_filters(self) -> list[ServedFilter]:
        """What live workers serve."""

    def check_ready(self) -> None:
        """Raise the reason for which an offer would be refused now: NoWorker, ServiceFull or ShuttingDown."""


class LocalSessions:
    """Sessions that live in this process."""

    def __init__(
        self,
        around: Surroundings,
        default_filter: str,
        max_sessions: int | None,
        load: Load,
        on_end: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Without `max_sessions` there are as many as the process carries."""
        self._around = around
        self._default_filter = default_filter
        self._max_sessions = max_sessions
        self._load = load
        self._on_end = on_end
        self._sessions: dict[str, Session] = {}
        self._clients: dict[str, str] = {}
        self._ended: deque[str] = deque(maxlen=REMEMBERED)
        self._is_shutting_down = False

    async def open(self, offer: Offer, caller: Caller, id_: bytes | None = None) -> Described:
        """As SessionHost has it; the front chooses the ids of what it deals to its processes."""
        try:
            described = await self._open(offer, caller, id_)
        except SignalingError as exc:
            self._around.metrics.offers.labels(exc.code).inc()
            logger.info("an offer is refused: %s", exc.code)
            raise
        self._around.metrics.offers.labels("answered").inc()
        return described

    async def change(self, session_id: str, change: Change) -> Described:
        session = self._find(session_id)
        try:
            first_rtp_timestamp = await session.wish.change(change)
        except SignalingError as exc:
            logger.info("session %s: a change is refused: %s", session_id, exc.code)
            raise
        return _describe(session, first_rtp_timestamp=first_rtp_timestamp)

    async def add_candidates(self, session_id: str, fragment: str) -> None:
        await self._find(session_id).add_candidates(fragment)

    async def close(self, session_id: str) -> None:
        if session_id not in self._ended:
            await self._find(session_id).close("ended by the page")

    async def close_all(self) -> None:
        """Refuse new sessions and end all; returns when they are freed."""
        self._is_shutting_down = True
        await asyncio.gather(*(session.close("service ends") for session in list(self._sessions.values())))

    def served_filters(self) -> list[ServedFilter]:
        return self._around.workers.served_filters()

    def check_ready(self) -> None:
        if self._is_shutting_down:
            raise ShuttingDown
        self._check_room()
        if not self._around.workers.live():
            raise NoWorker([self._default_filter])

    async def _open(self, offer: Offer, caller: Caller, id_: bytes | None) -> Described:
        filters = tuple(offer.filter or (self._default_filter,))
        params = offer.params or {}
        if self._is_shutting_down:
            raise ShuttingDown
        self._around.workers.check_choice(filters, params)
        self._check_room()
        if self._connecting(caller.address) >= MAX_CONNECTING_PER_CLIENT:
            raise TooManyConnecting(MAX_CONNECTING_PER_CLIENT)
        session = Session(
            id_ or secrets.token_bytes(SESSION_BYTES),
            self._around,
            Choice.of(filters, params, generation=0),
            offer.outage or Outage.CLOSED,
            self._forget,
            caller,
        )
        # Kept before the first wait, so that the limits hold among offers that come together.
        self._sessions[session.name] = session
        self._clients[session.name] = caller.address
        self._around.metrics.sessions.set(len(self._sessions))
        try:
            answer_sdp = await session.open(offer.sdp)
        except BaseException:
            await session.close("offer refused")
            raise
        logger.info("session %s opened: %s", session.name, ", ".join(filters))
        return _describe(session, answer_sdp=answer_sdp)

    def room(self) -> int:
        """Return how many more sessions would be taken now."""
        if self._max_sessions is not None:
            return max(0, self._max_sessions - len(self._sessions))
        return self._load.room(len(self._sessions))

    def connected(self) -> int:
        return sum(not session.is_connecting for session in self._sessions.values())

    def _check_room(self) -> None:
        if self.room() < 1:
            raise ServiceFull(self._max_sessions)

    def _connecting(self, client: str) -> int:
        return sum(
            self._clients[name] == client and session.is_connecting
            for name, session in self._sessions.items()
        )

    def _find(self, session_id: str) -> Session:
        session = self._sessions.get(session_id)
        if session is None:
            raise UnknownSession(session_id)
        return session

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.name, None)
        self._clients.pop(session.name, None)
        self._ended.append(session.name)
        self._around.metrics.sessions.set(len(self._sessions))
        self._on_end(session.name)


def _describe(session: Session, *, answer_sdp: str = "", first_rtp_timestamp: int | None = None) -> Described:
    wish = session.wish
    return Described(
        session.name,
        wish.choice.filters,
        wish.choice.params,
        wish.outage,
        wish.choice.generation,
        wish.is_private,
        first_rtp_timestamp,
        answer_sdp,
    )
