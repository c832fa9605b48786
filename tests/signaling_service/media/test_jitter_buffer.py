from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from aiortc.jitterbuffer import JitterBuffer as AiortcJitterBuffer
from aiortc.rtp import RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling_service.media import jitter_buffer
from signaling_service.media.jitter_buffer import EncodedFrame, JitterBuffer, Packet
from signaling_service.media.payloads import UNMARKED, Marks
from tests.signaling_service.lossy_link import Network, call

TICKS = 3000


def packets(counts: list[int], first: int = 0, keys: tuple[int, ...] = (0,)) -> Iterator[Packet]:
    """Packets of frames with so many packets each; the data says frame and place."""
    number = first
    for frame, count in enumerate(counts):
        for place in range(count):
            yield Packet(
                number=number & 0xFFFF,
                timestamp=frame * TICKS,
                marker=place == count - 1,
                marks=Marks(True, frame in keys) if place == 0 else UNMARKED,
                data=f"{frame}.{place} ".encode(),
                payload_type=96,
            )
            number += 1


def whole(frame: int, count: int) -> bytes:
    return b"".join(f"{frame}.{place} ".encode() for place in range(count))


def fed(buffer: JitterBuffer, order: list[Packet], at_s: float = 0.0) -> list[EncodedFrame]:
    frames = []
    for packet in order:
        buffer.add(packet, at_s)
        frames += buffer.take(at_s)
    return frames


def test_a_frame_is_complete_at_its_marker() -> None:
    first, second, third = packets([3])
    buffer = JitterBuffer()
    assert fed(buffer, [first, second]) == []
    assert [frame.data for frame in fed(buffer, [third])] == [whole(0, 3)]


def test_a_sender_without_markers_is_understood() -> None:
    order = [
        Packet(i, i // 2 * TICKS, marker=False, marks=Marks(True, i == 0), data=b"x", payload_type=96)
        for i in range(5)
    ]
    assert [frame.timestamp for frame in fed(JitterBuffer(), order)] == [0, TICKS]


@pytest.mark.parametrize("first", [0, 65530])
def test_frames_come_whole_and_in_order_over_the_wrap_around(first: int) -> None:
    counts = [3, 1, 1, 5, 2, 1]
    frames = fed(JitterBuffer(), list(packets(counts, first)))
    assert [frame.data for frame in frames] == [whole(i, count) for i, count in enumerate(counts)]
    assert [frame.timestamp for frame in frames] == [i * TICKS for i in range(len(counts))]


def test_timestamps_rise_over_their_wrap_around_and_over_a_sender_that_begins_anew() -> None:
    made = list(packets([1] * 4, keys=(0, 1, 2, 3)))
    stamps = [(1 << 32) - TICKS, 0, TICKS, 77]
    order = [
        Packet(p.number, stamp, p.marker, p.marks, p.data, p.payload_type)
        for p, stamp in zip(made, stamps, strict=True)
    ]
    order[3] = Packet(40_000, 77, True, Marks(True, True), b"a", 96)
    again = Packet(40_001, 77 + TICKS, True, Marks(True, False), b"b", 96)
    lone = Packet(20_000, 0, True, Marks(True, True), b"stray", 96)
    buffer = JitterBuffer()
    frames = fed(buffer, [*order[:3], lone, order[3], again, Packet(40_000, *_rest(order[3]))])
    assert [frame.timestamp for frame in frames[:3]] == [0, TICKS, 2 * TICKS]
    assert [frame.data for frame in frames[3:]] == [b"a", b"b"]
    assert frames[3].timestamp > frames[2].timestamp
    assert b"stray" not in [frame.data for frame in frames]
    # Of the stream that began anew alone.
    named = [buffer.rtp_timestamp_of(frame.timestamp) for frame in frames]
    assert named == [None, None, None, 77, 77 + TICKS]


def test_a_frame_is_known_by_the_timestamp_of_its_packets() -> None:
    buffer = JitterBuffer()
    assert buffer.rtp_timestamp_of(0) is None
    made = list(packets([1] * 3, keys=(0, 1, 2)))
    stamps = [(1 << 32) - TICKS, 0, TICKS]
    order = [replace(packet, timestamp=stamp) for packet, stamp in zip(made, stamps, strict=True)]
    assert [buffer.rtp_timestamp_of(frame.timestamp) for frame in fed(buffer, order)] == stamps


def _rest(packet: Packet) -> tuple[int, bool, Marks, bytes, int]:
    return packet.timestamp, packet.marker, packet.marks, packet.data, packet.payload_type


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=30),
    first=st.integers(0, 65535),
    seed=st.integers(0, 1 << 32),
)
def test_reordered_and_repeated_packets_change_no_frame(counts: list[int], first: int, seed: int) -> None:
    rng = random.Random(seed)
    order = list(packets(counts, first))
    places = [i + rng.random() * 4 for i in range(len(order))]
    order = [packet for _, packet in sorted(zip(places, order, strict=True), key=lambda pair: pair[0])]
    order = list(itertools.chain.from_iterable((p, p) if rng.random() < 0.2 else (p,) for p in order))
    frames = fed(JitterBuffer(), order)
    assert [frame.data for frame in frames] == [whole(i, count) for i, count in enumerate(counts)]


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 5), min_size=2, max_size=40),
    first=st.integers(0, 65535),
    loss=st.floats(0, 0.5),
    seed=st.integers(0, 1 << 32),
)
def test_what_is_given_out_is_whole_and_follows_its_frame_or_is_a_key_frame(
    counts: list[int], first: int, loss: float, seed: int
) -> None:
    rng = random.Random(seed)
    keys = (0, *(i for i in range(1, len(counts)) if rng.random() < 0.2))
    buffer = JitterBuffer()
    given_out = []
    for i, packet in enumerate(packets(counts, first, keys)):
        if rng.random() >= loss:
            buffer.add(packet, i * 0.01)
            given_out += buffer.take(i * 0.01)
    numbers = [frame.timestamp // TICKS for frame in given_out]
    base = int(given_out[0].data.split(b".")[0]) if given_out else 0
    numbers = [number + base for number in numbers]
    assert [frame.data for frame in given_out] == [whole(n, counts[n]) for n in numbers]
    for before, number in itertools.pairwise([-1, *numbers]):
        assert number == before + 1 or number in keys


def test_frames_behind_a_gap_come_all_at_once_when_it_is_filled() -> None:
    order = list(packets([1, 2, 1, 1, 1, 1]))
    missing = order.pop(1)
    buffer = JitterBuffer()
    assert [frame.data for frame in fed(buffer, order)] == [whole(0, 1)]
    frames = fed(buffer, [missing], at_s=0.1)
    assert [frame.data for frame in frames] == [whole(1, 2), *(whole(i, 1) for i in range(2, 6))]


def test_a_missing_packet_is_asked_for_at_once_again_and_not_for_ever() -> None:
    order = list(packets([1, 1, 1]))
    buffer = JitterBuffer()
    fed(buffer, [order[0], order[2]])
    asked = [buffer.packets_to_ask_for(ms / 1000) for ms in range(0, 140, 10)]
    assert asked[0] == [1]
    assert sum(map(len, asked)) == 4
    fed(buffer, [order[1]], at_s=0.14)
    assert buffer.packets_to_ask_for(0.2) == []


def test_what_does_not_come_in_time_is_given_up_for_a_key_frame() -> None:
    order = list(packets([1] * 12, keys=(0, 9)))
    buffer = JitterBuffer()
    fed(buffer, [order[0], order[2]])
    assert not buffer.should_ask_for_key_frame(0.1)
    assert fed(buffer, order[3:7], at_s=0.2) == []
    assert buffer.should_ask_for_key_frame(0.2)
    assert not buffer.should_ask_for_key_frame(0.3)
    assert buffer.should_ask_for_key_frame(0.51)  # The answer, or the question, was lost.
    assert fed(buffer, order[7:9], at_s=0.52) == []
    assert [frame.data for frame in fed(buffer, order[9:], at_s=0.6)] == [whole(i, 1) for i in range(9, 12)]
    assert not buffer.should_ask_for_key_frame(9.0)


def test_a_key_frame_behind_a_gap_is_not_kept_waiting() -> None:
    order = list(packets([1, 2, 1, 3, 1], keys=(0, 3)))
    del order[1]
    frames = fed(JitterBuffer(), order)
    assert [frame.data for frame in frames] == [whole(0, 1), whole(3, 3), whole(4, 1)]


def test_a_stream_of_which_the_beginning_is_missing_begins_with_a_key_frame() -> None:
    order = list(packets([3, 1, 1, 2], keys=(0, 3)))[1:]
    buffer = JitterBuffer()
    assert fed(buffer, order[:2]) == []
    assert not buffer.should_ask_for_key_frame(0.01)  # It may have been overtaken.
    assert fed(buffer, order[2:4], at_s=0.06) == []
    assert buffer.should_ask_for_key_frame(0.06)
    assert [frame.data for frame in fed(buffer, order[4:], at_s=0.1)] == [whole(3, 2)]


def test_no_key_frame_is_asked_for_while_one_is_on_its_way() -> None:
    order = list(packets([4]))
    buffer = JitterBuffer()
    fed(buffer, order[:2])
    assert not buffer.should_ask_for_key_frame(0.3)
    fed(buffer, [order[3]], at_s=0.3)
    assert buffer.packets_to_ask_for(0.3) == [2]


def test_after_an_outage_a_key_frame_is_asked_for_and_not_what_it_swallowed() -> None:
    order = list(packets([1] * 300))
    buffer = JitterBuffer()
    fed(buffer, order[:10])
    fed(buffer, order[280:281], at_s=3.0)
    assert buffer.packets_to_ask_for(3.0) == []
    assert buffer.should_ask_for_key_frame(3.0)


def test_a_decoder_that_lost_its_way_gets_a_key_frame_next() -> None:
    order = list(packets([1, 1, 1, 1], keys=(0, 3)))
    buffer = JitterBuffer()
    fed(buffer, order[:2])
    buffer.need_key_frame(1.0)
    assert buffer.should_ask_for_key_frame(1.0)
    assert [frame.data for frame in fed(buffer, order[2:], at_s=1.0)] == [whole(3, 1)]


def test_padding_behind_a_marker_is_no_frame() -> None:
    order = list(packets([2, 1, 2]))
    order[2] = Packet(order[2].number, order[1].timestamp, False, UNMARKED, b"", 96)
    assert [frame.data for frame in fed(JitterBuffer(), order)] == [whole(0, 2), whole(2, 2)]


def test_what_is_kept_has_a_bound() -> None:
    buffer = JitterBuffer()
    order = list(packets([1] * 1000))
    fed(buffer, [packet for packet in order if packet.number % 3])
    assert len(buffer._packets) + len(buffer._missing) <= jitter_buffer.CAPACITY
    fed(buffer, list(packets([1500]))[1:])
    assert len(buffer._packets) + len(buffer._missing) <= jitter_buffer.CAPACITY


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@pytest.mark.parametrize(
    ("network", "at_least", "longest_pause_s"),
    [
        (Network(), 1.0, 0.05),
        (Network(loss=0.03), 0.85, 0.5),
        (Network(loss=0.2, duplicates=0.1), 0.3, 1.5),
        (Network(jitter_s=0.005, duplicates=0.2), 0.9, 0.2),
        (Network(loss=0.03, delay_s=0.1), 0.7, 0.9),
        (Network(outage_s=(1.0, 2.0)), 0.6, 1.3),
    ],
    ids=["good", "3 percent", "20 percent", "reordered", "far away", "outage"],
)
def test_every_picture_shown_is_the_one_that_was_sent(
    codec: str, network: Network, at_least: float, longest_pause_s: float
) -> None:
    done = call(network, codec, first_number=65_400, first_timestamp=(1 << 32) - 50_000)
    assert len(done.sent) == 90
    assert done.decoder_errors == 0
    shift = min(done.shown) if network == Network() else _shift(done.sent, done.shown)
    for timestamp, picture in done.shown.items():
        assert picture == done.sent[timestamp + shift], timestamp
    assert len(done.shown) >= at_least * len(done.sent)
    assert done.longest_pause_s() <= longest_pause_s


def _shift(sent: dict[int, bytes], shown: dict[int, bytes]) -> int:
    """By how much the first frame shown is later than the first one sent."""
    first = shown[min(shown)]
    return next(timestamp for timestamp, picture in sent.items() if picture == first)


def test_aiortc_shows_nothing_for_long_after_an_outage_where_this_shows_a_picture_at_once() -> None:
    """A small picture at 10 fps, as a weak network has it: 3 packets a frame, 5 s without network."""
    theirs, ours = AiortcJitterBuffer(512, is_video=True), JitterBuffer()
    frames = 300
    came_from = {"theirs": 0.0, "ours": 0.0}
    asked = False
    for packet in packets([3] * frames, keys=tuple(range(0, frames, 5))):
        at_s = packet.timestamp / TICKS / 10
        if 1.0 <= at_s < 6.0 or ((packet.number + 1) % 150 == 0 and at_s < 1.0):
            continue
        other = RtpPacket(sequence_number=packet.number, timestamp=packet.timestamp)
        other.marker, other._data = int(packet.marker), packet.data  # type: ignore[attr-defined]
        asked_theirs, frame = theirs.add(other)
        asked |= asked_theirs
        if at_s >= 6.0 and frame is not None and frame.timestamp / TICKS / 10 >= 6.0:
            came_from["theirs"] = came_from["theirs"] or at_s
        ours.add(packet, at_s)
        if at_s >= 6.0 and ours.take(at_s):
            came_from["ours"] = came_from["ours"] or at_s
        else:
            ours.take(at_s)
    assert 6.0 <= came_from["ours"] <= 6.5
    assert came_from["theirs"] == 0.0 or came_from["theirs"] > 15.0
