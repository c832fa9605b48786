"""From an offer to the answer, on one peer connection: what cameras and viewers have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from aiortc import RTCIceCandidate, RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription

from signaling_service.errors import (
    AnswerLate,
    PreconditionFailed,
    SignalingError,
    UdpPortsTaken,
    UnusableCandidates,
    UnusableOffer,
)
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
from signaling_service.rtc.ice_restart import (
    answering_fragment,
    begin_checks,
    credentials_in,
    name_in,
    restart,
)
from signaling_service.sdp.answered import answer_formats, as_offered
from signaling_service.sdp.candidates import (
    LOOPBACK,
    PageCandidates,
    with_loopback_alone,
    with_public_addresses,
)
from signaling_service.sdp.offered import Offered, Wants, read_offer
from signaling_service.sdp.sdp_limits import check_offer
from signaling_service.sdp.video_codecs import opus, preferences
from signaling_service.setting_types import VideoCodec
from signaling_service.sockets.tcp_port import TcpPort

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
        self._own_addresses = [*own, LOOPBACK] if self._tells_loopback_alone else [*own]
        self._candidates = PageCandidates(self._own_addresses)
        self._answer_sdp = ""
        self._has_restarted = False

    async def answer(self, offer_sdp: str) -> str:
        """Return the answer's SDP; raises UnusableOffer, UdpPortsTaken or AnswerLate.

        The caller closes the connection, also after an error.
        """
        check_offer(offer_sdp)
        try:
            async with asyncio.timeout(LIMIT_S):
                self._answer_sdp = await self._answer(offer_sdp)
                return self._answer_sdp
        except SignalingError:
            raise
        except TimeoutError as exc:
            raise AnswerLate(LIMIT_S) from exc
        except Exception as exc:  # aiortc's parser raises whatever the text happens to break.
            raise UnusableOffer(f"the SDP cannot be used ({type(exc).__name__})") from exc

    async def add_candidates(self, fragment: str, tags: Collection[str] | None = None) -> str | None:
        """Add trickled candidates (RFC 8840 section 9), or restart ICE where the page has other names for it.

        `tags` are those of RFC 9725 section 4.3.1: the name of the present ICE session, or `*` for any; None
        where the call has none, and never restarts. Returns the fragment that answers a restart. Raises
        UnusableCandidates or PreconditionFailed before anything is changed.
        """
        if tags is not None and not {"*", name_in(self._answer_sdp)}.intersection(tags):
            raise PreconditionFailed
        wanted = None if tags is None else credentials_in(fragment)
        if wanted is None or self._are_known(wanted):
            await self._add(self._candidates.from_fragment(fragment, self._mids()))
            return None
        transports = {one.receiver.transport.transport for one in self._pc.getTransceivers()}
        if len(ice_connections(self._pc)) != 1:
            raise UnusableCandidates("ICE is restarted where all sections are bundled")
        candidates = PageCandidates(self._own_addresses, self._candidates)
        found = candidates.from_fragment(fragment, self._mids(), may_be_empty=True)
        name, password = restart(transports.pop(), *wanted)
        self._candidates, self._has_restarted = candidates, True
        self._answer_sdp = answering_fragment(self._answer_sdp, name, password)
        await self._add(found)
        return self._answer_sdp

    async def _add(self, found: tuple[list[RTCIceCandidate], bool]) -> None:
        candidates, is_end = found
        for candidate in candidates:
            await self._pc.addIceCandidate(candidate)
        if self._has_restarted:
            # Without the end of candidates: where nothing is connected yet, aioice would give up at once if
            # none of them can be paired. The page's own checks say where it is, within the session's limit.
            for connection in ice_connections(self._pc):
                begin_checks(connection)
        elif is_end:
            await self._pc.addIceCandidate(None)

    def _mids(self) -> set[str | None]:
        mids: set[str | None] = {transceiver.mid for transceiver in self._pc.getTransceivers()}
        if self._pc.sctp is not None:
            mids.add(self._pc.sctp.mid)
        return mids

    def _are_known(self, credentials: tuple[str, str]) -> bool:
        """Tell whether these are the page's of the present ICE session."""
        return any(
            credentials == (one.remote_username, one.remote_password) for one in ice_connections(self._pc)
        )

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
