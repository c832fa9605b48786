"""What this service changes in aiortc and aioice: small, here alone, in code that was read (known_aiortc.py).

Each has a test that fails without it (tests/signaling_service/test_aiortc_patches.py).
"""

from __future__ import annotations

import asyncio
import contextvars
import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, Protocol

import aioice.ice
import aiortc
import aiortc.codecs
import aiortc.rtcdtlstransport
import aiortc.rtcrtpreceiver
import aiortc.rtcsctptransport
import aiortc.rtp
from aioice.candidate import Candidate
from aioice.utils import random_string

from signaling_service.media.decoders import H264Decoder, Vp8Decoder
from signaling_service.media.encoders.h264 import H264Encoder, SingleUnitEncoder, takes_single_units
from signaling_service.media.encoders.nvenc import Nvenc
from signaling_service.media.encoders.vp8 import Vp8Encoder
from signaling_service.rtc import flooding, known_aiortc, sctp_limits, transport_wide
from signaling_service.rtc.decoder_thread import decode_all
from signaling_service.rtc.unreadable import survived
from signaling_service.sdp.candidates import LOOPBACK
from signaling_service.sdp.offered_formats import PAYLOAD_TYPES
from signaling_service.sockets import arrivals
from signaling_service.sockets.call_transport import CallTransport
from signaling_service.sockets.slow_checks import slowed
from signaling_service.sockets.tcp_port import TcpPort

Connection = aioice.ice.Connection

H264_LEVEL = "33"
"""5.1 (ITU-T H.264 table A-1): pictures up to 4096x2304. aiortc says 3.1, whose largest is 1280x720; Chromium
sends larger ones all the same, but a browser need not."""
GATHER_LIMIT_S = 1.0
"""What a STUN or TURN server that does not answer may cost each call; aioice gives it 5 s."""
USER_NAME_CHARACTERS = 12
"""Of 62 kinds each; RFC 8445 section 5.3 asks for 24 bits."""
CONSENT_RETRANSMISSIONS = 3
"""A consent check (RFC 7675) may be answered for 7.5 s. aioice waits 0.5 s: a session whose round trip was
longer for half a minute, both sides busy, was closed though its frames flowed."""


class IcePorts(Protocol):
    """Who has the UDP sockets for media: OwnPorts, or a SharedPort."""

    def join(self, make: Callable[[], aioice.ice.StunProtocol], host: str) -> CallTransport:
        """Return a call's transport at a local address; raises OSError."""


def apply(ice_addresses: Sequence[str], nvenc: Nvenc | None = None) -> None:
    """Patch the installed versions; `ice_addresses` are the host candidates to offer, empty for all.

    `nvenc` encodes H264 where it is usable. Raises UnknownAiortc, with nothing patched, where other code than
    that is installed.
    """
    known_aiortc.check()
    aiortc.codecs.Vp8Encoder = Vp8Encoder  # type: ignore[attr-defined]
    aiortc.codecs.Vp8Decoder, aiortc.codecs.H264Decoder = Vp8Decoder, H264Decoder  # type: ignore[attr-defined]
    _replace(aiortc.rtcrtpreceiver, "decoder_worker", lambda original: decode_all)
    _take_large_h264()
    transport_wide.announce()
    aiortc.rtp.DYNAMIC_PAYLOAD_TYPES = PAYLOAD_TYPES  # type: ignore[assignment]
    aiortc.codecs.H264Encoder = partial(H264Encoder, nvenc)  # type: ignore[attr-defined, assignment]
    _replace(aiortc.codecs, "get_encoder", _encoder)
    _replace(aioice.ice, "get_host_addresses", partial(_host_addresses, tuple(ice_addresses)))
    _replace(aioice.ice.StunProtocol, "datagram_received", arrivals.guarded)
    _replace(aioice.ice.StunProtocol, "send_stun", slowed)
    _replace(aioice.ice.StunProtocol, "request", _patient)
    _replace(Connection, "get_component_candidates", _limited)
    _replace(Connection, "check_incoming", _renewed)
    _replace(Connection, "__init__", _named)
    sctp, router = aiortc.rtcsctptransport.RTCSctpTransport, aiortc.rtcdtlstransport.RtpRouter
    _replace(aiortc.rtcsctptransport, "decode_params", sctp_limits.with_an_end)
    _replace(sctp, "_receive_data_chunk", sctp_limits.within_window)
    _replace(sctp, "_receive_sack_chunk", sctp_limits.of_what_was_sent)
    _replace(sctp, "_receive_forward_tsn_chunk", sctp_limits.of_few_streams)
    _replace(router, "route_rtp", flooding.of_few_sources)
    for name in ("_handle_data", "_receive"):
        _replace(sctp, name, survived)
    for name in ("_handle_rtcp_data", "_handle_rtp_data"):
        _replace(aiortc.rtcdtlstransport.RTCDtlsTransport, name, survived)


def bind_ice(ports: IcePorts) -> None:
    """Let `ports` give the calls of the running event loop their UDP sockets, where asyncio would."""
    _replace(asyncio.get_running_loop(), "create_datagram_endpoint", partial(_joining, ports))


def encode_in(sender: aiortc.RTCRtpSender, executor: Executor) -> None:
    """Let a sender encode in threads of `executor`.

    aiortc takes those of the event loop's own executor, four more than there are cores, which also look up
    names and read files.
    """
    sender._RTCRtpSender__loop = _EncodingLoop(executor)  # type: ignore[attr-defined]


def ice_connections(pc: aiortc.RTCPeerConnection) -> set[Connection]:
    """Return what aioice has for a connection: one for all media sections where these are bundled."""
    dtls = [transceiver.receiver.transport for transceiver in pc.getTransceivers()]
    if pc.sctp is not None:
        dtls.append(pc.sctp.transport)
    return {transport.transport._connection for transport in dtls}


def heard_s(connection: Connection) -> float:
    """Return time.monotonic() of the page's last datagram of any kind; now, where that is not noted."""
    noted: float = getattr(connection, "heard_s", None) or time.monotonic()
    return noted


def gather_on_loopback(connections: Iterable[Connection]) -> None:
    """Let connections that have not gathered yet have a candidate of 127.0.0.1 besides."""
    for connection in connections:
        connection.has_loopback = True  # type: ignore[attr-defined]


def gather_on_tcp(connections: Iterable[Connection], tcp: TcpPort) -> None:
    """Let connections that have not gathered yet have passive TCP candidates behind those of UDP."""
    for connection in connections:
        connection.tcp_port = tcp  # type: ignore[attr-defined]


def own_addresses() -> list[str]:
    """Return this host's addresses that become candidates of each session."""
    return list(aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True))


def lacks_port(connection: Connection) -> bool:
    """Tell whether an address got no candidate, since every port of the range is taken there."""
    return getattr(connection, "lacks_port", False)


def with_start_bitrate(answer_sdp: str, bits_per_s: int) -> str:
    """Tell Chromium in the answer at which bitrate to begin sending.

    It begins at 0.3 Mbit/s otherwise, which at 640x480 makes it send 480x360 for the first 24 s.
    """
    lines = answer_sdp.split("\r\n")
    in_video = False
    codecs: dict[str, int] = {}
    for index, line in enumerate(lines):
        if line.startswith("m="):
            in_video = line.startswith("m=video")
        if in_video and (match := re.match(r"a=rtpmap:(\d+) (VP8|H264|VP9|AV1)/", line)):
            codecs[match[1]] = index
    parameter = f"x-google-start-bitrate={bits_per_s // 1000}"
    for payload_type, index in sorted(codecs.items(), key=lambda item: -item[1]):
        prefix = f"a=fmtp:{payload_type} "
        existing = next((i for i, line in enumerate(lines) if line.startswith(prefix)), None)
        if existing is None:
            lines.insert(index + 1, prefix + parameter)
        else:
            lines[existing] += f";{parameter}"
    return "\r\n".join(lines)


def _take_large_h264() -> None:
    """Name the level in answers: `level-asymmetry-allowed` lets it be another one than the offer's (RFC 6184
    section 8.2.2)."""
    for codec in aiortc.codecs.CODECS["video"]:
        if "profile-level-id" in codec.parameters:
            profile = str(codec.parameters["profile-level-id"])[:4]
            codec.parameters["profile-level-id"] = profile + H264_LEVEL


def _encoder(original: Any) -> Callable[..., Any]:
    def get_encoder(codec: Any) -> Any:
        return SingleUnitEncoder() if takes_single_units(codec) else original(codec)

    return get_encoder


class _EncodingLoop:
    """What a sender uses of its event loop, which is one method for one purpose."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def run_in_executor(self, _: None, encode: Callable[..., Any], *given: Any) -> asyncio.Future[Any]:
        # With the sender's context, so that a line of the log there has its session.
        run = contextvars.copy_context().run
        return asyncio.get_running_loop().run_in_executor(self._executor, run, encode, *given)


def _joining(ports: IcePorts, original: Any) -> Callable[..., Any]:
    async def create_datagram_endpoint(protocol_factory: Any, local_addr: Any = None, **options: Any) -> Any:
        # So aioice asks for a host candidate's socket, and nobody else does.
        if local_addr is None or local_addr[1] != 0:
            return await original(protocol_factory, local_addr, **options)
        transport = ports.join(protocol_factory, local_addr[0])
        return transport, transport.protocol

    return create_datagram_endpoint


def _host_addresses(chosen: tuple[str, ...], original: Any) -> Callable[[bool, bool], list[str]]:
    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        if chosen:
            return [a for a in chosen if (use_ipv6 if ":" in a else use_ipv4)]
        # A machine without a network still serves its own browser.
        return list(original(use_ipv4, use_ipv6)) or [LOOPBACK]

    return get_host_addresses


def _replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put `make(original)` in the place of the original, also where that was done before."""
    present = getattr(owner, name)
    original = getattr(present, "original", present)
    made = make(original)
    made.original = original
    setattr(owner, name, made)


def _patient(original: Any) -> Callable[..., Any]:
    def patient(
        self: aioice.ice.StunProtocol, *given: Any, retransmissions: int | None = None, **more: Any
    ) -> Any:
        # None at all: that is how a consent check asks, and nothing else does.
        most = CONSENT_RETRANSMISSIONS if retransmissions == 0 else retransmissions
        return original(self, *given, retransmissions=most, **more)

    return patient


def _named(original: Any) -> Callable[..., None]:
    def init(self: Connection, *given: Any, **named: Any) -> None:
        # aioice's own has four characters. Where calls share a port, it tells them apart.
        if named.get("local_username") is None:
            named["local_username"] = random_string(USER_NAME_CHARACTERS)
        original(self, *given, **named)

    return init


def _limited(original: Any) -> Callable[..., Any]:
    async def limited(self: Connection, component: int, addresses: list[str]) -> list[Candidate]:
        if getattr(self, "has_loopback", False) and LOOPBACK not in addresses:
            addresses = [*addresses, LOOPBACK]
        made: list[Candidate] = await original(self, component, addresses, timeout=GATHER_LIMIT_S)
        if self._closing:
            # What was made since would be closed by nobody.
            for protocol in self._protocols:
                protocol.transport.close()
            self._protocols.clear()
            return made
        tcp: TcpPort | None = getattr(self, "tcp_port", None)
        return made if tcp is None else [*made, *tcp.candidates(self, component, addresses)]

    return limited


def _renewed(original: Any) -> Callable[..., None]:
    def check_incoming(self: Connection, message: Any, addr: Any, protocol: aioice.ice.StunProtocol) -> None:
        # Once a call is connected aioice cancels its open checks, and never begins them anew: a page that
        # turns to another pair, as from TCP to UDP, would get nothing there.
        for pair in self._check_list:
            if pair.task is not None and pair.task.done():
                pair.task, pair.state = None, aioice.ice.CandidatePair.State.FAILED
        original(self, message, addr, protocol)

    return check_incoming
