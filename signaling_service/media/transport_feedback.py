"""Transport-wide feedback: which packets came, and when (draft-holmer-rmcat-transport-wide-cc-extensions-01).

What follows the two SSRCs of an RTCP packet of type 205 and format 15 (section 3.1):

    0 base sequence number (2)   2 packet status count (2)
    4 reference time, 64 ms (3)  7 feedback packet count (1)
    8 packet chunks (2 each)     then receive deltas, 0.25 ms (1 or 2 each), zeros up to a multiple of 4

Arrivals are seconds of the receiver's clock, which runs around after 2^24 * 64 ms.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
FORMAT = 15
MOST_PACKETS = 1024
"""That a report may tell of; a page reports every 0.05 to 0.25 s."""
TICK_S, REFERENCE_S = 0.00025, 0.064
CLOCK_S = (1 << 24) * REFERENCE_S

_HEAD = struct.Struct("!HHI")
_MISSING, _SMALL, _LARGE = 0, 1, 2

Arrivals = list[tuple[int, float | None]]
"""Sequence number, and when it came; None: it has not."""


def unpack(data: bytes) -> Arrivals:
    """Return what a report tells; raises ValueError where it is none."""
    if len(data) < _HEAD.size:
        raise ValueError("a report needs 8 bytes and more")
    base, count, times = _HEAD.unpack_from(data)
    if count > MOST_PACKETS:
        raise ValueError(f"a report of {count} packets; {MOST_PACKETS} are the most")
    statuses: list[int] = []
    at = _HEAD.size
    while len(statuses) < count:
        if at + 2 > len(data):
            raise ValueError("a report ends among its chunks")
        (chunk,) = struct.unpack_from("!H", data, at)
        statuses += _statuses(chunk, count - len(statuses))
        at += 2
    ticks = round((times >> 8) * REFERENCE_S / TICK_S)
    arrivals: Arrivals = []
    for place, status in enumerate(statuses):
        number = (base + place) & 0xFFFF
        if status not in (_SMALL, _LARGE):
            arrivals.append((number, None))
            continue
        form = "!B" if status == _SMALL else "!h"
        if at + status > len(data):
            raise ValueError("a report ends among its deltas")
        ticks += struct.unpack_from(form, data, at)[0]
        at += status
        arrivals.append((number, ticks * TICK_S))
    return arrivals


def pack(arrivals: Sequence[tuple[int, float]], count: int, begin: int | None = None) -> bytes:
    """Return a report of packets in the order of their numbers, which are unwrapped and no two alike.

    `count` is of the reports. Those missing from number `begin` on are told too. What comes so late that no
    delta holds it (8 s) raises ValueError.
    """
    base, last = arrivals[0][0] if begin is None else begin, arrivals[-1][0]
    reference = int(arrivals[0][1] / REFERENCE_S)
    ticks = round(reference * REFERENCE_S / TICK_S)
    statuses = [_MISSING] * (last - base + 1)
    if len(statuses) > MOST_PACKETS:
        raise ValueError("too many packets for a report")
    deltas = b""
    for number, at_s in arrivals:
        delta = round(at_s / TICK_S) - ticks
        if not -0x8000 <= delta < 0x8000:
            raise ValueError("too long between two packets for a report")
        ticks += delta
        is_small = 0 <= delta < 0x100
        statuses[number - base] = _SMALL if is_small else _LARGE
        deltas += struct.pack("!B" if is_small else "!h", delta)
    times = (reference & 0xFFFFFF) << 8 | count & 0xFF
    data = _HEAD.pack(base & 0xFFFF, len(statuses), times) + _chunks(statuses) + deltas
    return data + bytes(-len(data) % 4)


def _statuses(chunk: int, at_most: int) -> list[int]:
    """Section 3.1.3 and 3.1.4: a run of one status, or 14 bits, or 7 pairs of bits."""
    if not chunk >> 15:
        return [chunk >> 13 & 3] * min(chunk & 0x1FFF, at_most)
    if not chunk >> 14 & 1:
        return [chunk >> 13 - place & 1 for place in range(14)][:at_most]
    return [chunk >> 12 - 2 * place & 3 for place in range(7)][:at_most]


def _chunks(statuses: list[int]) -> bytes:
    data = b""
    for begin in range(0, len(statuses), 7):
        chunk = 0xC000
        for place, status in enumerate(statuses[begin : begin + 7]):
            chunk |= status << 12 - 2 * place
        data += struct.pack("!H", chunk)
    return data
