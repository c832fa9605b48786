"""What the routes need of sessions: those of this process, or those of media processes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from signaling_service.access.caller import Caller
from signaling_service.session.described import Described
from signaling_service.session.requests import Change, Offer
from signaling_service.session.viewers import Watched
from signaling_service.workers.table import ServedFilter


class SessionHost(Protocol):
    """All sessions of a service; raises SignalingError only."""

    def check_room(self, caller: Caller) -> None:
        """Raise ServiceFull or ShuttingDown where any offer of this caller would be refused now.

        It costs next to nothing.

        Asked before an offer is read: whoever knocks at a full service takes nothing from those inside.
        """

    async def open(self, offer: Offer, caller: Caller) -> Described:
        """Answer an offer."""

    async def change(self, session_id: str, change: Change, caller: Caller) -> Described:
        """Change a session; returns when nothing of the old choice can leave any more."""

    async def add_candidates(
        self, session_id: str, fragment: str, subject: str, tags: Collection[str] | None = None
    ) -> str | None:
        """Add trickled candidates (an SDP fragment); with tags it may restart ICE: see Answering.

        Here and below `subject` is the caller's: a session of another one is unknown.
        """

    async def close(self, session_id: str, subject: str) -> None:
        """End a session; returns when it is freed, at once for one that has just ended."""

    async def watch(self, name: str, offer_sdp: str, caller: Caller) -> Watched:
        """Answer the offer of one that watches a published picture."""

    def served_filters(self) -> list[ServedFilter]:
        """What live workers serve."""

    def check_ready(self) -> None:
        """Raise the reason for which an offer would be refused now: NoWorker, ServiceFull or ShuttingDown."""
