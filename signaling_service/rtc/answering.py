"""From an offer to the answer, on one peer connection: what cameras and viewers have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from aiortc import RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription

from signaling_service.errors import SignalingError, UdpPortsTaken, UnusableOffer
from signaling_service.media.bitrate import BitrateProfile
from signaling_service.media.picture_size import Size
from signaling_service.rtc.aiortc_patches import (
    gather_on_loopback,
    gather_on_tcp,
    ice_connections,
    lacks_port,
    own_addresses,
    with_start_bitrate,
)
from signaling_service.rtc.answered import answer_formats, as_offered
from signaling_service.rtc.candidates import (
    LOOPBACK,
    PageCandidates,
    with_loopback_alone,
    with_public_addresses,
)
from signaling_service.rtc.offered import Offered, Wants, read_offer
from signaling_service.rtc.sdp_limits import check_offer
from signaling_service.rtc.tcp_port import TcpPort
from signaling_service.rtc.video_codecs import opus, preferences
from signaling_service.setting_types import VideoCodec

LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What this service puts into every answer."""

    video_codecs: Sequence[VideoCodec]
    """The codecs that a session may use, the preferred one first."""
    bitrates: BitrateProfile
    largest: Size
    """Of a camera's picture, either way round."""
    encoders: Executor
    """Its threads encode the returned pictures."""
    public_addresses: Sequence[str]
    """Announced in place of this host's own, at most one of each family."""
    tcp: TcpPort | None = None
    """Where pages may come by TCP besides."""
    tells_loopback_alone: bool = False
    """To pages on loopback, which reach it there: nobody has chosen what they are told."""

    def within(self, max_width: int | None, max_height: int | None) -> Terms:
        """Return these terms for a page whose picture is limited further; None: as it is."""
        width = min(self.largest.width, max_width or self.largest.width)
        height = min(self.largest.height, max_height or self.largest.height)
        return replace(self, largest=Size(width, height))


class Answering(ABC):
    """Answers the offer on a peer connection, and takes the candidates that follow it."""

    def __init__(self, pc: RTCPeerConnection, terms: Terms, *, is_local: bool) -> None:
        """`is_local`: the page is one of this host's loopback."""
        self._pc = pc
        self._terms = terms
        self._start_bits_per_s = terms.bitrates.start
        """With which the page begins to send."""
        # Where an address is announced for this host's own, its network is none of the page's.
        own = () if terms.public_addresses else own_addresses()
        # A page on loopback may be anybody's whose user runs a server there: it learns no other address.
        self._tells_loopback_alone = is_local and terms.tells_loopback_alone
        self._candidates = PageCandidates([*own, LOOPBACK] if self._tells_loopback_alone else own)

    async def answer(self, offer_sdp: str) -> str:
        """Return the answer's SDP; raises UnusableOffer or UdpPortsTaken.

        The caller closes the connection, also after an error.
        """
        check_offer(offer_sdp)
        try:
            async with asyncio.timeout(LIMIT_S):
                return await self._answer(offer_sdp)
        except SignalingError:
            raise
        except TimeoutError as exc:
            raise UnusableOffer("the offer could not be answered in time") from exc
        except Exception as exc:  # aiortc's parser raises whatever the text happens to break.
            raise UnusableOffer(f"the SDP cannot be used ({type(exc).__name__})") from exc

    async def add_candidates(self, fragment: str) -> None:
        """Add trickled candidates (RFC 8840 section 9); raises UnusableCandidates before any is added."""
        mids = {transceiver.mid for transceiver in self._pc.getTransceivers()}
        if self._pc.sctp is not None:
            mids.add(self._pc.sctp.mid)
        candidates, is_end = self._candidates.from_fragment(fragment, mids)
        for candidate in candidates:
            await self._pc.addIceCandidate(candidate)
        if is_end:
            await self._pc.addIceCandidate(None)

    @abstractmethod
    def _wants(self) -> Wants:
        """Return what an offer must have."""

    @abstractmethod
    def _connect(self) -> Collection[RTCRtpTransceiver]:
        """Put our parts in the place of aiortc's in the sections that are used, and return these.

        Raises UnusableOffer; every other section is answered inactive.
        """

    def _prepare(self, offer_sdp: str) -> None:
        """Choose codecs before the offer, whose first sections take the transceivers that are there."""
        self._pc.addTransceiver("video").setCodecPreferences(preferences(self._terms.video_codecs))
        if self._wants().takes_sound and "m=audio" in offer_sdp:
            self._pc.addTransceiver("audio").setCodecPreferences(opus())

    async def _answer(self, offer_sdp: str) -> str:
        offered = read_offer(self._candidates.from_offer(offer_sdp), self._terms.video_codecs, self._wants())
        await self._take(offered)
        used = self._connect()
        for other in self._pc.getTransceivers():
            if other not in used:
                other.direction = "inactive"
        if self._tells_loopback_alone:
            gather_on_loopback(ice_connections(self._pc))
        if self._terms.tcp is not None:
            gather_on_tcp(ice_connections(self._pc), self._terms.tcp)
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        if any(map(lacks_port, ice_connections(self._pc))):
            raise UdpPortsTaken
        sdp = as_offered(self._pc.localDescription.sdp, offered)
        sdp = with_start_bitrate(sdp, self._start_bits_per_s)
        if self._tells_loopback_alone:
            return with_loopback_alone(sdp)
        return with_public_addresses(sdp, self._terms.public_addresses)

    async def _take(self, offered: Offered) -> None:
        self._prepare(offered.text)
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp=offered.text, type="offer"))
        # The camera's section is the first of video that aiortc has seen.
        answer_formats(next(one for one in self._pc.getTransceivers() if one.kind == "video"), offered)
