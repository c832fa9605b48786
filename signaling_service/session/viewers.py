"""All viewers of one media process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from aiortc import RTCPeerConnection

from signaling_service.access.caller import Caller
from signaling_service.errors import TooManyViewers, UnknownSession
from signaling_service.session.places import Places
from signaling_service.session.surroundings import Surroundings
from signaling_service.streams.viewer import Viewer

REMEMBERED = 256
"""Ended sessions whose end may be asked for once more: a page closes its connection and then says so."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What one that watches is answered; `session` is its part in `add_candidates` and `close`."""

    session: str
    answer_sdp: str


class Viewers:
    """Event loop only."""

    def __init__(
        self,
        around: Surroundings,
        max_connecting_per_address: int,
        on_viewer: Callable[[str, str], None] = lambda what, name: None,
    ) -> None:
        """`on_viewer` is told of each that is `connected` or has `ended`."""
        self._around = around
        self._on_viewer = on_viewer
        self._viewers: dict[str, Viewer] = {}
        self._places = Places(max_connecting_per_address)
        self._ended: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)
        """Names, and whose they were."""

    async def watch(self, name: str, offer_sdp: str, caller: Caller, id_: bytes) -> Watched:
        """Answer an offer; raises what Streams.to_watch and Viewer.open raise."""
        stream = self._around.streams.to_watch(name, caller)
        key = id_.hex()
        for over in self._places.take(key, caller):
            self._viewers[over].leave()
        viewer = Viewer(
            key,
            RTCPeerConnection(self._around.rtc()),
            self._around.terms,
            stream,
            self._connected,
            self._forget,
            is_local=caller.is_on_loopback,
            limit_s=caller.grant.max_session_s,
        )
        self._viewers[key] = viewer
        self._note_count()
        try:
            answer_sdp = await viewer.open(offer_sdp)
        except BaseException:
            await viewer.close()
            raise
        return Watched(key, answer_sdp)

    def give_up(self, name: str) -> None:
        """End one whose place is another's now, where it is here."""
        if (viewer := self._viewers.get(name)) is not None:
            viewer.leave()

    def find(self, session_id: str, subject: str) -> Viewer | None:
        """Return a viewer; raises UnknownSession where it is another subject's."""
        viewer = self._viewers.get(session_id)
        if viewer is not None and self._places.owner(session_id) != subject:
            raise UnknownSession(session_id)
        return viewer

    def has_ended(self, session_id: str, subject: str) -> bool:
        """Tell whether this was a viewer of the subject until lately."""
        return (session_id, subject) in self._ended

    async def close_all(self) -> None:
        await asyncio.gather(*(viewer.close() for viewer in list(self._viewers.values())))

    def _connected(self, viewer: Viewer) -> bool:
        """Give a viewer its place; more offers may have been answered than there are places."""
        try:
            self._around.streams.check_place(viewer.stream)
        except TooManyViewers:
            return False
        self._places.note_connected(viewer.name)
        self._on_viewer("connected", viewer.name)
        return True

    def _forget(self, viewer: Viewer) -> None:
        self._ended.append((viewer.name, self._places.owner(viewer.name) or ""))
        self._viewers.pop(viewer.name, None)
        self._places.leave(viewer.name)
        self._note_count()
        self._on_viewer("ended", viewer.name)

    def _note_count(self) -> None:
        self._around.metrics.viewers.set(len(self._viewers))
