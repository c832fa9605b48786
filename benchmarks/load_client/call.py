"""One call of the load client: sends a loop's packets on time and notes what returns, without any codec.

aiortc and aioice connect (ICE, DTLS, SRTP, RTCP); RTP goes past them, since their tasks, queues and parsers
cost far more than the sending itself. A receiver report and an estimate of 4 Mbit/s go out every second, as a
browser's would: without one aiortc's encoder stays at 0.5 Mbit/s.
"""

from __future__ import annotations

import asyncio
import random
import struct
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    is_rtcp,
    pack_remb_fci,
)
from av import VideoFrame

from benchmarks.load_client.matching import TIMESTAMPS, Sent
from benchmarks.load_client.replay import Loop
from harness.picture import FPS

CONNECT_S = 15.0
HISTORY = 512
"""Packets that can be sent once more."""
ESTIMATE_BITS_PER_S = 4_000_000
_CLOCK_RATE = 90_000
_ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_SEQUENCES = 1 << 16


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame that came back whole."""

    timestamp: int
    at_s: float
    """time.monotonic() of its last packet."""
    size_bytes: int
    payloads: list[bytes] | None
    """Decrypted RTP payloads; None while `Call.keeps` was off."""


@dataclass(slots=True)
class Received:
    """What came back in one call."""

    frames: list[Frame] = field(default_factory=list)
    lost_packets: int = 0
    ssrc: int | None = None
    sequence: int = 0


class Call:
    """One session with a server; `connect`, then `start`, then `close`."""

    def __init__(self, loop: Loop) -> None:
        self.sent = Sent()
        self.received = Received()
        self.lateness_s: list[float] = []
        self.keyframes_asked = 0
        self.keeps = True
        """Whether payloads of returned frames are kept, to be decoded when the run is over."""
        self.offered_s = self.connected_s = 0.0
        self._loop = loop
        self._connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.on("connectionstatechange", self._on_state)
        self._sender = self._pc.addTrack(_Silent())
        self._pc.createDataChannel("control")  # As the shim does.
        transceiver = self._pc.getTransceivers()[0]
        offered = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([one for one in offered if one.mimeType == f"video/{loop.codec}"])
        self._transceiver = transceiver
        self._tasks: list[asyncio.Task[None]] = []
        self._position = 0
        self._sequence = random.randrange(_SEQUENCES // 2)
        self._timestamp = random.randrange(TIMESTAMPS)
        self._history: dict[int, tuple[int, bytes]] = {}
        self._packets: list[bytes] = []
        self._count = self._size_bytes = 0
        self._first_sequence: int | None = None
        self._has_frame = asyncio.Event()

    async def connect(self, http: httpx.AsyncClient, body: dict[str, Any]) -> None:
        """Offer, take the answer, connect; raises RuntimeError with the reason where a server refuses."""
        await self._pc.setLocalDescription(await self._pc.createOffer())
        offer = self._pc.localDescription
        self.offered_s = time.monotonic()
        offered = {"sdp": offer.sdp, "type": offer.type, "webrtc_id": uuid.uuid4().hex, **body}
        reply = await http.post("/offer", json=offered)
        if reply.status_code != 200:
            raise RuntimeError(f"refused with {reply.status_code}: {reply.text[:200]}")
        answer = reply.json()
        await self._pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        async with asyncio.timeout(CONNECT_S):
            await self._connected
        self.connected_s = time.monotonic()
        self._take_over(answer["sdp"])

    async def first_frame(self, within_s: float) -> Frame:
        """Wait for the first returned frame."""
        async with asyncio.timeout(within_s):
            await self._has_frame.wait()
        return self.received.frames[0]

    def start(self, first_due_s: float) -> None:
        """Send a frame at `first_due_s` (time.monotonic()) and at each frame's time from then on."""
        self._tasks = [
            asyncio.create_task(self._send_all(first_due_s)),
            asyncio.create_task(self._report_all()),
        ]

    @property
    def is_open(self) -> bool:
        return self._pc.connectionState == "connected"

    async def ask_for_keyframe(self) -> None:
        """Send a picture-loss report (RFC 4585 section 6.3.1)."""
        assert self.received.ssrc is not None
        packet = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=self._sender._ssrc, media_ssrc=self.received.ssrc)
        await self._dtls._send_rtp(bytes(packet))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pc.close()

    # Past aiortc

    def _on_state(self) -> None:
        state = self._pc.connectionState
        if self._connected.done() or state not in ("connected", "failed", "closed"):
            return
        if state == "connected":
            self._connected.set_result(None)
        else:
            self._connected.set_exception(RuntimeError(f"the connection {state}"))

    def _take_over(self, answer_sdp: str) -> None:
        codec = self._transceiver._codecs[0]
        if codec.name.upper() != self._loop.codec:
            raise RuntimeError(f"the server answered with {codec.name}, not {self._loop.codec}")
        self._dtls = self._sender.transport
        self._protect = self._dtls._tx_srtp.protect
        self._unprotect = self._dtls._rx_srtp.unprotect
        pair = self._dtls.transport._connection._nominated[1]
        self._sendto, self._address = pair.protocol.transport.sendto, pair.remote_addr
        self._heard = pair.protocol.datagram_received
        pair.protocol.datagram_received = self._on_datagram  # type: ignore[method-assign, assignment]
        self._sender._send_keyframe = self._begin_anew  # type: ignore[method-assign]
        assert codec.payloadType is not None
        self._sender._retransmit = self._send_again  # type: ignore[method-assign, assignment]
        self._payload_type = codec.payloadType
        self._extension = _extension_id(answer_sdp)

    def _begin_anew(self) -> None:
        self.keyframes_asked += 1
        self._position = 0

    async def _send_again(self, sequence: int) -> None:
        """Answer a NACK (RFC 4585 section 6.2.1): a server that stood still has lost datagrams."""
        sent, packet = self._history.get(sequence % HISTORY, (-1, b""))
        if sent == sequence:
            self._sendto(packet, self._address)

    # Sending

    async def _send_all(self, due_s: float) -> None:
        while True:
            await asyncio.sleep(due_s - time.monotonic())
            now_s = time.monotonic()
            self.lateness_s.append(now_s - due_s)
            self._send_frame(now_s)
            # Frames that are overdue follow at once, as a camera's would.
            due_s += 1 / FPS

    def _send_frame(self, now_s: float) -> None:
        payloads = self._loop.frames[self._position]
        self.sent.add(self._timestamp, self._position, now_s)
        # 24 bits, 6.18 fixed point of NTP's seconds.
        send_time = int(time.time() * (1 << 18)) & 0xFFFFFF
        for place, payload in enumerate(payloads):
            marker = 0x80 if place == len(payloads) - 1 else 0
            header = struct.pack(
                "!BBHLLHHL",
                0x90,  # Version 2 with an extension (RFC 3550 section 5.1), of one-byte form (RFC 8285).
                marker | self._payload_type,
                self._sequence,
                self._timestamp,
                self._sender._ssrc,
                0xBEDE,
                1,
                (self._extension << 28) | (2 << 24) | send_time,
            )
            packet = self._protect(header + payload)
            self._history[self._sequence % HISTORY] = (self._sequence, packet)
            self._sendto(packet, self._address)
            self._sequence = (self._sequence + 1) % _SEQUENCES
        self._position = (self._position + 1) % len(self._loop.frames)
        self._timestamp = (self._timestamp + _CLOCK_RATE // FPS) % TIMESTAMPS

    async def _report_all(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if self.received.ssrc is not None:
                await self._report(self.received.ssrc)

    async def _report(self, ssrc: int) -> None:
        nothing_lost = RtcpReceiverInfo(
            ssrc=ssrc,
            fraction_lost=0,
            packets_lost=0,
            highest_sequence=self.received.sequence,
            jitter=0,
            lsr=0,
            dlsr=0,
        )
        own = self._sender._ssrc
        estimate = pack_remb_fci(ESTIMATE_BITS_PER_S, [ssrc])
        await self._dtls._send_rtp(bytes(RtcpRrPacket(ssrc=own, reports=[nothing_lost])))
        await self._dtls._send_rtp(
            bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=own, media_ssrc=0, fci=estimate))
        )

    # Receiving

    def _on_datagram(self, data: bytes, address: tuple[Any, ...]) -> None:
        if 127 < data[0] < 192 and not is_rtcp(data):
            self._on_rtp(data, time.monotonic())
        else:
            self._heard(data, address)

    def _on_rtp(self, data: bytes, now_s: float) -> None:
        second, sequence, timestamp, ssrc = struct.unpack_from("!BHLL", data, 1)
        if second & 0x7F != self._payload_type:
            return
        received = self.received
        if self._first_sequence is None or received.ssrc is None:
            self._first_sequence, received.ssrc = sequence, ssrc
        received.sequence = sequence
        is_last = second & 0x80
        self._count += 1
        self._size_bytes += len(data)
        if self.keeps:
            self._packets.append(_payload(self._unprotect(data)))
        elif is_last:
            # The counter behind SRTP's index (RFC 3711 section 3.3.1) must not be lost in a long run.
            self._unprotect(data)
        if not is_last:
            return
        missing = (sequence - self._first_sequence + 1) % _SEQUENCES - self._count
        if missing == 0:
            payloads = self._packets if len(self._packets) == self._count else None
            received.frames.append(Frame(timestamp, now_s, self._size_bytes, payloads))
            self._has_frame.set()
        else:
            received.lost_packets += max(missing, 0)
        self._first_sequence = (sequence + 1) % _SEQUENCES
        self._packets, self._count, self._size_bytes = [], 0, 0


class _Silent(VideoStreamTrack):
    """Negotiated like a camera; gives out nothing, since packets are sent past it."""

    async def recv(self) -> VideoFrame:
        await asyncio.Future()
        raise AssertionError


def _extension_id(answer_sdp: str) -> int:
    for line in answer_sdp.splitlines():
        if line.startswith("a=extmap:") and line.endswith(_ABS_SEND_TIME):
            return int(line.removeprefix("a=extmap:").split()[0].split("/")[0])
    return 15  # Reserved (RFC 8285 section 4.2): receivers ignore it.


def _payload(packet: bytes) -> bytes:
    """Return what follows the RTP header with its sources and extension (RFC 3550 section 5.1)."""
    start = 12 + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    return packet[start:]
