"""One that watches: a connection that only receives. Owns it, and its part of the stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from aiortc import RTCPeerConnection, RTCRtpTransceiver

from signaling_service.errors import OfferGivenUp, UnusableOffer
from signaling_service.rtc.answering import Answering, Terms
from signaling_service.rtc.closing import Closing, close_connection
from signaling_service.rtc.packets import Arriving, Leaving
from signaling_service.rtc.silence import Silence
from signaling_service.rtc.transport_wide import decline
from signaling_service.sdp.offered import WATCHES, Wants
from signaling_service.streams.fan_out import FanOut
from signaling_service.streams.rendition import Rendition
from signaling_service.streams.stream import Stream
from signaling_service.streams.thinning import Thinning

logger = logging.getLogger(__name__)

CONNECT_LIMIT_S = 10.0
SILENCE_LIMIT_S = 10.0


class WatchNegotiation(Answering):
    """Answers an offer whose sections receive (WHEP), and makes a fan-out of each that is used."""

    def __init__(self, pc: RTCPeerConnection, terms: Terms, stream: Stream, *, is_local: bool) -> None:
        super().__init__(pc, terms, is_local=is_local)
        self._stream = stream
        self.picture: tuple[Rendition, FanOut] | None = None
        self.sound: FanOut | None = None

    def _wants(self) -> Wants:
        return WATCHES

    def _connect(self) -> Collection[RTCRtpTransceiver]:
        used = []
        leaving: dict[object, Leaving] = {}
        for one in self._pc.getTransceivers():
            # As this side sees it: aiortc has turned it round.
            if one._offerDirection in ("recvonly", "sendrecv"):
                raise UnusableOffer("a viewer sends nothing: its sections must be recvonly")
            if one._offerDirection != "sendonly" or (self.picture if one.kind == "video" else self.sound):
                continue
            one.direction = "sendonly"
            decline(one)
            transport = one.sender.transport
            if transport not in leaving:
                leaving[transport] = Leaving(transport)
                leaving[transport].take_over()
                Arriving(transport).take_over()
            if one.kind == "video":
                rendition = self._stream.rendition(one._codecs[0])
                fan_out = FanOut(one.sender, leaving[transport], rendition.ask_for_key_frame, Thinning())
                fan_out.take_over()
                rendition.expect(fan_out)
                self.picture = (rendition, fan_out)
            else:
                self.sound = FanOut(one.sender, leaving[transport])
                self.sound.take_over()
            used.append(one)
        if self.picture is None:
            raise UnusableOffer("the offer receives no video")
        return used


class Viewer:
    """Event loop only."""

    def __init__(
        self,
        name: str,
        pc: RTCPeerConnection,
        terms: Terms,
        stream: Stream,
        on_connected: Callable[[Viewer], bool],
        on_end: Callable[[Viewer], None],
        *,
        is_local: bool,
        limit_s: float | None = None,
    ) -> None:
        """`on_connected` says whether there is a place for it after all; `limit_s`: how long it may watch."""
        self.name = name
        self.stream = stream
        self.is_connected = False
        self._limit_s = limit_s
        self._pc = pc
        self._on_connected = on_connected
        self._on_end = on_end
        self._negotiation = WatchNegotiation(pc, terms, stream, is_local=is_local)
        self._settled = asyncio.Event()
        self._closing = Closing(self._close)
        self._watching: asyncio.Task[None] | None = None
        stream.join(self.leave)

    @property
    def is_ending(self) -> bool:
        return self._closing.has_begun

    async def open(self, offer_sdp: str) -> str:
        """Answer the offer and begin; raises what Answering.answer raises, or OfferGivenUp.

        The caller closes the viewer after an error.
        """
        self._pc.on("connectionstatechange", self._on_connection_state)
        try:
            answer_sdp = await self._closing.first(self._negotiation.answer(offer_sdp))
        except OfferGivenUp:
            self._let_go()  # It may have asked for its picture after it had begun to close.
            raise
        if self._negotiation.picture is not None:
            rendition, fan_out = self._negotiation.picture
            rendition.join(fan_out)
        if self._negotiation.sound is not None:
            self.stream.listen(self._negotiation.sound)
        self._watching = asyncio.get_running_loop().create_task(self._run())
        return answer_sdp

    async def add_candidates(self, fragment: str, tags: Collection[str] | None) -> str | None:
        """Add trickled candidates, or restart ICE; see Answering.add_candidates."""
        return await self._negotiation.add_candidates(fragment, tags)

    def leave(self) -> None:
        """Begin to close."""
        self._closing.begin()

    async def close(self) -> None:
        """Close; returns when everything is freed. Safe to call twice."""
        await self._closing.wait()

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                await self._settled.wait()
            if self.is_connected:
                async with asyncio.timeout(self._limit_s):
                    await Silence(self._pc).lasts(SILENCE_LIMIT_S)
        except TimeoutError:
            pass
        self.leave()

    def _on_connection_state(self) -> None:
        state = self._pc.connectionState
        if state == "connected" and not (self.is_connected or self.is_ending):
            if not self._on_connected(self):
                self.leave()
                return
            self.is_connected = True
            self.stream.seat(self.leave)
            self._settled.set()
        elif state in ("failed", "closed"):
            self.leave()

    async def _close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        self.stream.forget(self.leave)
        self._let_go()
        await close_connection(self._pc)
        self._on_end(self)

    def _let_go(self) -> None:
        if self._negotiation.picture is not None:
            rendition, fan_out = self._negotiation.picture
            rendition.leave(fan_out)
            self.stream.drop_unwatched()
        if self._negotiation.sound is not None:
            self.stream.stop_listening(self._negotiation.sound)
