"""From a page's offer to the answer, on one peer connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from aiortc import RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription
from aiortc.exceptions import OperationError

from signaling_service.errors import SignalingError, UdpPortsTaken, UnusableOffer
from signaling_service.media.arrivals_log import ArrivalsLog
from signaling_service.media.bitrate import BitrateProfile
from signaling_service.media.path_estimate import PathEstimate
from signaling_service.media.picture_size import Size
from signaling_service.media.receive_ceiling import ReceiveCeiling
from signaling_service.media.receive_estimate import ReceiveEstimate
from signaling_service.media.reception import Reception
from signaling_service.media.send_rate import SendRate
from signaling_service.rtc.aiortc_patches import (
    encode_in,
    gather_on_loopback,
    ice_connections,
    lacks_port,
    own_addresses,
    with_start_bitrate,
)
from signaling_service.rtc.candidates import (
    LOOPBACK,
    PageCandidates,
    with_loopback_alone,
    with_public_addresses,
)
from signaling_service.rtc.packets import Arriving, Leaving
from signaling_service.rtc.receiving import receive_through
from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.rtc.sdp_limits import check_offer
from signaling_service.rtc.sending import send_at
from signaling_service.rtc.transport_wide import TransportWide, is_agreed
from signaling_service.rtc.video_codecs import preferences
from signaling_service.session.latency import LatencyWindow
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
    tells_loopback_alone: bool = False
    """To pages on loopback, which reach it there: nobody has chosen what they are told."""

    def within(self, max_width: int | None, max_height: int | None) -> Terms:
        """Return these terms for a page whose picture is limited further; None: as it is."""
        width = min(self.largest.width, max_width or self.largest.width)
        height = min(self.largest.height, max_height or self.largest.height)
        return replace(self, largest=Size(width, height))


class Negotiation:
    """Answers the offer on a peer connection, and takes the candidates that follow it."""

    def __init__(
        self,
        pc: RTCPeerConnection,
        terms: Terms,
        returned: ReturnedTrack,
        latency: LatencyWindow,
        on_too_large: Callable[[str], None],
        *,
        is_local: bool,
    ) -> None:
        """`on_too_large` is told why the camera's picture is not taken.

        `is_local`: the page is one of this host's loopback.
        """
        self._pc = pc
        self._terms = terms
        self._bitrates = terms.bitrates
        self._returned = returned
        self._latency = latency
        self._on_too_large = on_too_large
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

    async def _answer(self, offer_sdp: str) -> str:
        await self._take(offer_sdp)
        video = self._video_section()
        self._connect(video)
        for other in self._pc.getTransceivers():
            if other is not video:
                other.direction = "inactive"
        if self._tells_loopback_alone:
            gather_on_loopback(ice_connections(self._pc))
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        if any(map(lacks_port, ice_connections(self._pc))):
            raise UdpPortsTaken
        sdp = with_start_bitrate(self._pc.localDescription.sdp, self._bitrates.start)
        if self._tells_loopback_alone:
            return with_loopback_alone(sdp)
        return with_public_addresses(sdp, self._terms.public_addresses)

    async def _take(self, offer_sdp: str) -> None:
        offer = RTCSessionDescription(sdp=self._candidates.from_offer(offer_sdp), type="offer")
        # Before the offer, whose first video section takes this transceiver: so our order chooses the codec.
        self._pc.addTransceiver("video").setCodecPreferences(preferences(self._terms.video_codecs))
        try:
            await self._pc.setRemoteDescription(offer)
        except OperationError as exc:
            if "video" not in str(exc):
                raise
            chosen = " or ".join(name.upper() for name in self._terms.video_codecs)
            raise UnusableOffer(f"the offer has no video codec of this service ({chosen})") from exc

    def _video_section(self) -> RTCRtpTransceiver:
        transceivers = self._pc.getTransceivers()
        video = next((t for t in transceivers if t.kind == "video" and t.receiver.track is not None), None)
        if video is None:
            raise UnusableOffer("the offer sends no video")
        if video._offerDirection != "sendrecv":
            raise UnusableOffer("the video section must send and receive (sendrecv)")
        return video

    def _connect(self, video: RTCRtpTransceiver) -> None:
        """Let the returned track go out by this section, and put our parts in the place of aiortc's."""
        video.direction = "sendrecv"
        video.sender.replaceTrack(self._returned)
        bitrates = self._bitrates
        control = None
        if is_agreed(video):
            bitrates = self._bitrates = bitrates.cautious()
            control = TransportWide(PathEstimate(bitrates.start, bitrates.least))
        receive_through(
            video.receiver,
            Reception(ReceiveEstimate(bitrates) if control is None else ReceiveCeiling(bitrates)),
            self._latency.note_arrived,
            self._terms.largest,
            self._on_too_large,
            None if control is None else ArrivalsLog(),
        )
        send_at(video.sender, SendRate(bitrates), self._returned, self._latency.note_encoded, control)
        Leaving(video.sender.transport, control).take_over()
        Arriving(video.receiver.transport, control).take_over()
        encode_in(video.sender, self._terms.encoders)
