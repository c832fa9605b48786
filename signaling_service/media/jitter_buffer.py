"""Sorts the packets of one video stream into whole frames, and gives out none that builds on a missing one.

A frame is complete at its RTP marker (RFC 7741 section 4.1 for VP8, RFC 6184 section 5.1 for H264). aiortc
waits for the first packet of the next frame: 33 ms lost at 30 fps.

The buffer asks for a missing packet again (NACK; missing.py). It gives up a packet that does not come in
time, and with it every frame up to the next key frame, for which it asks (PLI). A decoder that lacks a frame
would show smear until then. aiortc waits until 512 packets have come: at 10 fps the picture stands still for
seconds.

Nothing here sends or looks at a clock: times come with the calls, in seconds of any clock that only rises.
"""

from __future__ import annotations

from dataclasses import dataclass

from signaling_service.media.missing import MissingPackets
from signaling_service.media.payloads import Marks

CAPACITY = 512
"""Packets; a key frame of 1920x1080 is about a hundred."""
RESTART_AT = 3000
"""MAX_DROPOUT of RFC 3550 appendix A.1: a number further off belongs to a sender that has begun anew."""
HOPELESS_GAP = 50
"""More packets in a row are an outage, no loss: a key frame comes sooner than all of them again."""
KEY_FRAME_EVERY_S = 0.3
FIRST_KEY_FRAME_S = 0.05
"""Packets that were overtaken by the first ones may still come within this time."""
NEXT_TICKS = 3000
"""At 90 kHz: the distance between two streams whose true distance is unknown."""


@dataclass(slots=True)
class Packet:
    """One RTP packet without its header; `data` is empty where it is mere padding.

    Nobody changes one. A frozen one takes 1.4 us to make, this one 0.2, and a frame is ten and more.
    """

    number: int
    """RTP sequence number, 16 bits."""
    timestamp: int
    """RTP timestamp, 32 bits."""
    marker: bool
    marks: Marks
    data: bytes
    payload_type: int


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """A whole frame, as a decoder takes it."""

    data: bytes
    timestamp: int
    """RTP clock since the first frame; rises over the wrap-around."""
    payload_type: int


class JitterBuffer:
    """Sorts, waits, asks and gives up. Each received stream has one."""

    def __init__(self) -> None:
        self._packets: dict[int, Packet] = {}
        """By number, unwrapped."""
        self._missing = MissingPackets()
        self._newest: int | None = None
        self._first = 0
        """The lowest number still wanted; where no key frame is needed, the next frame begins here."""
        self._needs_key = True
        self._ask_key_at_s = 0.0
        self._expected_restart: int | None = None
        self._clock: tuple[int, int] | None = None  # Of the last frame: as in RTP, and as given out.
        self._is_new_clock = False
        self._clock_began = 0

    def rtp_timestamp_of(self, given_out: int) -> int | None:
        """Return the RTP timestamp, 32 bits, of the packets of a frame by its `timestamp`.

        None where it is not known: before the first frame, and where the stream was begun anew since.
        """
        if self._clock is None or given_out < self._clock_began:
            return None
        return (self._clock[0] + given_out - self._clock[1]) % 2**32

    def add(self, packet: Packet, now_s: float) -> None:
        """Take a packet, in whatever order it comes and how often."""
        if self._newest is None:
            self._begin(packet.number, now_s)
        assert self._newest is not None
        number = self._newest + _signed(packet.number - self._newest, 16)
        if not -CAPACITY < number - self._newest < RESTART_AT:
            # One stray packet is no new stream; two in a row are.
            if packet.number != self._expected_restart:
                self._expected_restart = (packet.number + 1) & 0xFFFF
                return
            self._begin(packet.number, now_s)
            number = packet.number
        self._expected_restart = None
        self._missing.note_packet(number, now_s)
        if number < self._first or number in self._packets:
            return
        self._packets[number] = packet
        if number > self._newest:
            self._note_gap(range(self._newest + 1, number), now_s)
            self._newest = number
        if number - self._first >= CAPACITY:
            self._give_up(number - CAPACITY, now_s)

    def take(self, now_s: float) -> list[EncodedFrame]:
        """Return every frame that is complete, in order; gives up what has been missing for too long."""
        while (number := self._missing.overdue(now_s)) is not None:
            self._give_up(number, now_s)
        frames = []
        while (span := self._next_frame()) is not None:
            frame = self._taken(span)
            if frame.data:  # What is not may stand behind a marker, as padding.
                frames.append(frame)
        if self._needs_key and self._newest is not None and self._key_frame_on_its_way() is None:
            self._drop_before(max(self._first, self._newest - HOPELESS_GAP))
        return frames

    def packets_to_ask_for(self, now_s: float) -> list[int]:
        """Return the numbers (16 bits) to ask for now; they count as asked for."""
        if not self._missing:
            return []
        # What comes before the key frame that is waited for is of no use.
        first = self._key_frame_on_its_way() if self._needs_key else self._first
        if first is None:
            return []
        return [number & 0xFFFF for number in self._missing.to_ask_for(first, now_s)]

    def should_ask_for_key_frame(self, now_s: float) -> bool:
        """Tell whether to ask for a key frame now; it counts as asked for."""
        if not self._needs_key or self._newest is None or now_s < self._ask_key_at_s:
            return False
        if self._key_frame_on_its_way() is not None:
            return False
        self._ask_key_at_s = now_s + KEY_FRAME_EVERY_S
        return True

    def need_key_frame(self, now_s: float) -> None:
        """Give out nothing but a key frame next: the decoder has lost its way."""
        if not self._needs_key:
            self._needs_key = True
            self._ask_key_at_s = max(self._ask_key_at_s, now_s)

    def _begin(self, number: int, now_s: float) -> None:
        self._packets.clear()
        self._missing.clear()
        self._newest = number
        self._first = number - HOPELESS_GAP  # What was sent before may have been overtaken.
        self._needs_key = True
        self._ask_key_at_s = now_s + FIRST_KEY_FRAME_S
        self._is_new_clock = True

    def _note_gap(self, gap: range, now_s: float) -> None:
        if len(gap) > HOPELESS_GAP:
            self._give_up(gap[-1], now_s)
            return
        self._missing.note_gap(gap, now_s)

    def _give_up(self, number: int, now_s: float) -> None:
        """Do without everything up to this number, and so without every frame up to the next key frame."""
        self._drop_before(number + 1)
        self.need_key_frame(now_s)

    def _drop_before(self, first: int) -> None:
        self._first = first
        for number in [n for n in self._packets if n < first]:
            del self._packets[number]
        self._missing.drop_before(first)

    def _next_frame(self) -> range | None:
        if not self._needs_key:
            end = self._end(self._first)
            if end is not None:
                return range(self._first, end)
            if not self._missing:
                return None
        # A key frame behind a gap makes what is missing needless.
        return next((span for span in self._key_frames() if span is not None), None)

    def _key_frames(self) -> list[range | None]:
        """The key frames whose beginning is here, in order: their numbers, or None for what is not whole."""
        spans: list[range | None] = []
        for number in sorted(self._packets):
            if self._begins_key_frame(number):
                end = self._end(number)
                spans.append(None if end is None else range(number, end))
        return spans

    def _key_frame_on_its_way(self) -> int | None:
        return next((number for number in sorted(self._packets) if self._begins_key_frame(number)), None)

    def _begins_key_frame(self, number: int) -> bool:
        packet = self._packets[number]
        if not packet.marks.of_key_frame:
            return False
        before = self._packets.get(number - 1)
        follows_another = before is not None and (before.marker or before.timestamp != packet.timestamp)
        return packet.marks.begins_frame or follows_another

    def _end(self, number: int) -> int | None:
        """Return the number behind the frame that begins here; None while a packet of it is missing."""
        packet = self._packets.get(number)
        timestamp = None if packet is None else packet.timestamp
        while packet is not None:
            if packet.timestamp != timestamp:
                return number
            number += 1
            if packet.marker:
                return number
            packet = self._packets.get(number)
        return None

    def _taken(self, span: range) -> EncodedFrame:
        packets = [self._packets[number] for number in span]
        data = b"".join(packet.data for packet in packets)
        self._drop_before(span.stop)
        if not data:
            return EncodedFrame(data, 0, packets[0].payload_type)
        self._needs_key = False
        return EncodedFrame(data, self._unwrapped(packets[0].timestamp), packets[0].payload_type)

    def _unwrapped(self, timestamp: int) -> int:
        if self._clock is None:
            given_out = 0
        elif self._is_new_clock:
            given_out = self._clock_began = self._clock[1] + NEXT_TICKS
        else:
            given_out = self._clock[1] + _signed(timestamp - self._clock[0], 32)
        self._clock = timestamp, given_out
        self._is_new_clock = False
        return given_out


def _signed(difference: int, bits: int) -> int:
    """Return the shortest way between two numbers that wrap around after so many bits."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half
