"""What a page that keeps to no rule can have SCTP remember and do."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from aiortc import rtcsctptransport
from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    SCTP_DATA_LAST_FRAG,
    SCTP_DATA_UNORDERED,
    Chunk,
    DataChunk,
    ForwardTsnChunk,
    HeartbeatChunk,
    SackChunk,
    serialize_packet,
)

from signaling_service.rtc.sctp_limits import MAX_PARTS, MAX_STREAMS
from tests.signaling_service.sockets.test_arrivals import Called, called

__all__ = ["called"]

WINDOW_BYTES = 1024 * 1024
WHOLE = SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG | SCTP_DATA_UNORDERED


async def send(sctp: Any, user_data: bytes, flags: int = 0, stream_id: int = 1, ahead: int = 0) -> None:
    chunk = DataChunk(flags)
    chunk.tsn = (sctp._last_received_tsn + 1 + ahead) % 2**32
    chunk.stream_id, chunk.protocol, chunk.user_data = stream_id, 51, user_data
    await sctp._receive_data_chunk(chunk)


def waiting(sctp: Any) -> list[bytes]:
    return [part.user_data for one in sctp._inbound_streams.values() for part in one.reassembly]


async def test_a_message_without_end_fills_the_window_and_no_more(called: Called) -> None:
    await called.is_alive()
    sctp: Any = called.ours.sctp
    await send(sctp, b"x", SCTP_DATA_FIRST_FRAG)
    for _ in range(2 * WINDOW_BYTES // 1200):
        await send(sctp, bytes(1200))
    assert WINDOW_BYTES - 1200 <= sum(map(len, waiting(sctp))) <= WINDOW_BYTES


async def test_parts_of_a_byte_and_streams_are_few(called: Called) -> None:
    await called.is_alive()
    sctp: Any = called.ours.sctp
    for stream_id in range(1, 4 * MAX_STREAMS):
        await send(sctp, b"x", SCTP_DATA_FIRST_FRAG, stream_id)
    assert len(sctp._inbound_streams) == MAX_STREAMS
    for _ in range(2 * MAX_PARTS):
        await send(sctp, b"x")
    assert len(waiting(sctp)) == MAX_PARTS


async def test_the_longest_message_that_is_promised_gets_through(called: Called) -> None:
    called.channel.send("x" * 65536)
    await called.is_alive()
    assert len(called.heard[0]) == 65536


async def test_what_came_ahead_of_its_turn_is_little_and_what_it_waits_for_is_taken(called: Called) -> None:
    await called.is_alive()
    sctp: Any = called.ours.sctp
    for ahead in range(1, 3 * MAX_PARTS):
        await send(sctp, b"x", WHOLE, ahead=ahead)
    assert len(sctp._sack_misordered) == MAX_PARTS
    await send(sctp, b"x", WHOLE)
    assert not sctp._sack_misordered


async def test_small_messages_behind_a_lost_one_do_not_keep_it_out(called: Called) -> None:
    await called.is_alive()
    sctp: Any = called.ours.sctp
    sequence = sctp._inbound_streams[1].sequence_number
    for ahead in (*range(1, 2 * MAX_PARTS), 0):
        chunk = DataChunk(SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG)
        chunk.tsn = (sctp._last_received_tsn + 1 + ahead) % 2**32
        chunk.stream_id, chunk.stream_seq = 1, (sequence + ahead) % 2**16
        chunk.protocol, chunk.user_data = 51, b"x"
        await sctp._receive_data_chunk(chunk)
    assert waiting(sctp) == []
    assert called.heard[-1] == "x"


@pytest.mark.parametrize("length", range(5))
async def test_a_parameter_that_is_shorter_than_its_head_ends_the_list(called: Called, length: int) -> None:
    await called.is_alive()
    theirs: Any = called.theirs.sctp
    told = struct.pack("!HHL", 5, 8, 7) + struct.pack("!HHL", 6, length, 0)
    found = rtcsctptransport.decode_params(told)
    assert found[0] == (5, struct.pack("!L", 7))
    assert len(found) <= 3
    packet = HeartbeatChunk()
    # Its body is written as it is.
    bad = Chunk(body=told)
    bad.type = packet.type
    tag = theirs._remote_verification_tag
    await theirs.transport._send_data(serialize_packet(5000, 5000, tag, bad))
    await called.is_alive()


@pytest.mark.parametrize(
    "gaps", [[(1, 65535)] * 300, [(1, 3)], [(2, 2), (2, 2), (2, 2)]], ids=["all", "unsent", "overlapping"]
)
async def test_what_was_never_sent_is_not_acknowledged(called: Called, gaps: list[tuple[int, int]]) -> None:
    await called.is_alive()
    sctp: Any = called.ours.sctp
    sent = sctp._local_tsn - 1
    seen: list[Any] = []
    sctp._update_advanced_peer_ack_point = lambda: seen.append(1)
    # As if two chunks were on their way.
    await sctp._receive_sack_chunk(acknowledged(sent - 2, gaps))
    assert not seen
    await sctp._receive_sack_chunk(acknowledged(sent + 1, []))
    assert not seen
    await sctp._receive_sack_chunk(acknowledged(sent, []))
    assert seen


async def test_gaps_among_what_was_sent_are_heard(called: Called) -> None:
    await called.is_alive()
    sctp: Any = called.ours.sctp
    for number in range(3):
        chunk = DataChunk()
        chunk.tsn, chunk._sent_count, chunk._sent_time, chunk._book_size = sctp._local_tsn, 1, 1.0, 10
        chunk._acked = chunk._abandoned = chunk._retransmit = chunk._in_flight = False
        chunk._misses, chunk._expiry, chunk._max_retransmits = 0, None, None
        chunk.user_data = bytes([number])
        sctp._sent_queue.append(chunk)
        sctp._local_tsn = (sctp._local_tsn + 1) % 2**32
    await sctp._receive_sack_chunk(acknowledged(sctp._local_tsn - 4, [(2, 3)]))
    assert [chunk._acked for chunk in sctp._sent_queue] == [False, True, True]


async def test_skipped_messages_make_few_streams(called: Called) -> None:
    await called.is_alive()
    sctp: Any = called.ours.sctp
    chunk = ForwardTsnChunk()
    chunk.cumulative_tsn = (sctp._last_received_tsn + 1) % 2**32
    chunk.streams = [(stream_id, 5) for stream_id in range(1, 300)]
    await sctp._receive_forward_tsn_chunk(chunk)
    assert len(sctp._inbound_streams) == MAX_STREAMS
    assert sctp._inbound_streams[2].sequence_number == 6


def acknowledged(tsn: int, gaps: list[tuple[int, int]]) -> SackChunk:
    chunk = SackChunk()
    chunk.cumulative_tsn, chunk.advertised_rwnd, chunk.gaps = tsn % 2**32, WINDOW_BYTES, gaps
    return chunk
