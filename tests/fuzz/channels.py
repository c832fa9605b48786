"""Packets of SCTP of one page, as they come out of DTLS, for an association within our limits."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from aiortc import RTCIceGatherer, RTCIceTransport, RTCSctpTransport, rtcsctptransport
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    SCTP_DATA_LAST_FRAG,
    Chunk,
    DataChunk,
    ForwardTsnChunk,
    HeartbeatChunk,
    InitChunk,
    ReconfigChunk,
    SackChunk,
    StreamResetOutgoingParam,
    serialize_packet,
)

from signaling_service.rtc.sctp_limits import MAX_PARTS, MAX_STREAMS
from tests.fuzz.media import certificate, loop, packed, unpacked

TAG, TSN = 5, 1000
_HEAD_BYTES = 12
_CHECKSUM = struct.Struct("<L")
_OPEN = struct.pack("!BBHLHH", 3, 0, 0, 0, 1, 0) + b"c"
"""DATA_CHANNEL_OPEN (RFC 8832) of a channel that is called c."""


def sctp(data: bytes) -> None:
    """Feed the packets of an input, each with its right checksum; nothing is held without a bound."""
    loop().run_until_complete(_feed(unpacked(data)))


async def _feed(packets: list[bytes]) -> None:
    transport: Any = RTCDtlsTransport(RTCIceTransport(RTCIceGatherer(iceServers=[])), [certificate()])
    sent: list[bytes] = []

    async def send(packet: bytes) -> None:
        sent.append(packet)

    transport._send_data = send
    association: Any = RTCSctpTransport(transport)
    association._local_verification_tag, association._local_tsn = TAG, TSN
    association._last_sacked_tsn = association._advanced_peer_ack_tsn = TSN - 1
    association._remote_port, association._last_received_tsn = 5000, TSN - 1
    association._set_state(association.State.ESTABLISHED)
    try:
        for packet in packets:
            if len(packet) >= _HEAD_BYTES:
                packet = _right(packet)
            await association._handle_data(packet)
        assert len(association._inbound_streams) <= MAX_STREAMS
        assert len(association._sack_misordered) <= 2 * MAX_PARTS
        assert len(sent) <= 100 + 10 * sum(map(len, packets))
        # What `survived` is for: whatever came, the next packet is read.
        await association._handle_data(_right(serialize_packet(5000, 5000, TAG, HeartbeatChunk())))
    finally:
        association._set_state(association.State.CLOSED)
        # What it began besides ends with it.
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


def _right(packet: bytes) -> bytes:
    """Return the packet with its checksum (RFC 9260 section 6.8)."""
    checksum: Any = rtcsctptransport
    bare = packet[:8] + bytes(4) + packet[_HEAD_BYTES:]
    return packet[:8] + _CHECKSUM.pack(checksum.crc32c(bare)) + packet[_HEAD_BYTES:]


def good() -> list[bytes]:
    """Return inputs of `sctp`: a channel is opened and used, messages are skipped, all is shut again."""
    skipped, heard, reset, first = ForwardTsnChunk(), SackChunk(), ReconfigChunk(), InitChunk()
    skipped.cumulative_tsn, skipped.streams = TSN + 5, [(1, 5)]
    heard.cumulative_tsn, heard.advertised_rwnd, heard.gaps = TSN - 1, 1 << 20, [(2, 3)]
    param = StreamResetOutgoingParam(request_sequence=0, response_sequence=0, last_tsn=TSN, streams=[1])
    reset.params = [(13, bytes(param))]
    first.initiate_tag, first.advertised_rwnd, first.initial_tsn = 7, 1 << 20, TSN
    first.outbound_streams = first.inbound_streams = 16
    first.params = [(0x8008, b"\x82\xc0"), (0xC000, b"")]
    beat = HeartbeatChunk()
    beat.params = [(1, b"when")]
    used = [_data(0, 50, _OPEN), _data(1, 51, b"ping"), skipped, heard, beat, reset]
    return [packed([_packet(chunk) for chunk in used]), packed([_packet(first, tag=0)])]


def _data(ahead: int, protocol: int, content: bytes) -> DataChunk:
    chunk = DataChunk(SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG)
    chunk.tsn, chunk.stream_id, chunk.stream_seq = TSN + ahead, 1, ahead
    chunk.protocol, chunk.user_data = protocol, content
    return chunk


def _packet(chunk: Chunk, tag: int = TAG) -> bytes:
    return serialize_packet(5000, 5000, tag, chunk)
