"""Which sent frame a returned one is, by RTP timestamps or by the counter in the picture; no I/O.

A server that gives each result the pts of its camera frame adds a constant to our timestamps (modulo 2**32,
RFC 3550 section 5.1). The constant is voted for by some frames whose counter was read; every other frame then
needs no decoding. For servers that stamp anew, all frames are decoded after the run and matched by counter.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

TIMESTAMPS = 1 << 32
ROUNDING = (0, 1, -1)
"""aiortc's own encoder rounds a frame's pts to its time base and back: a third of them is off by one."""
OLDEST_S = 9.0
"""Counters repeat after the loop's 10 s: an older match would be one of the wrong turn."""


@dataclass(slots=True)
class Sent:
    """What one session has sent; times are time.monotonic()."""

    sent_s: dict[int, float] = field(default_factory=dict)
    """By RTP timestamp."""
    counters: dict[int, int] = field(default_factory=dict)
    """By RTP timestamp."""
    by_counter: dict[int, list[tuple[float, int]]] = field(default_factory=dict)
    """(time, RTP timestamp) of each time that a counter was sent, oldest first."""

    def add(self, timestamp: int, counter: int, sent_s: float) -> None:
        self.sent_s[timestamp] = sent_s
        self.counters[timestamp] = counter
        self.by_counter.setdefault(counter, []).append((sent_s, timestamp))


@dataclass(frozen=True, slots=True)
class Seen:
    """A returned frame whose counter was read."""

    timestamp: int
    at_s: float
    counter: int


@dataclass(frozen=True, slots=True)
class Aged:
    """A returned frame that was found among the sent ones."""

    at_s: float
    age_s: float
    sent_timestamp: int


def constant(seen: Iterable[Seen], sent: Sent) -> int | None:
    """Return what the server adds to timestamps, by a majority of at least two; None where there is none.

    One frame alone cannot tell: its counter may have been sent twice, when the loop was begun anew.
    """
    votes = Counter(
        (one.timestamp - timestamp) % TIMESTAMPS
        for one in seen
        for sent_s, timestamp in sent.by_counter.get(one.counter, ())
        if 0 <= one.at_s - sent_s <= OLDEST_S
    )
    if not votes:
        return None
    value, count = votes.most_common(1)[0]
    return value if count > 1 else None


def fits(seen: Sequence[Seen], added: int, sent: Sent) -> bool:
    """Tell whether a constant explains most of the frames whose counter was read; it does where none was."""
    explained = 0
    for one in seen:
        original = _original(one.timestamp, added, sent)
        explained += original is not None and sent.counters[original] == one.counter
    return 2 * explained >= len(seen)


def by_timestamp(arrived: Iterable[tuple[int, float]], added: int, sent: Sent) -> list[Aged]:
    """Match (RTP timestamp, arrival) by the constant; what matches nothing, and repeats, are left out."""
    found: list[Aged] = []
    last: int | None = None
    for timestamp, at_s in arrived:
        original = _original(timestamp, added, sent)
        if original is None or original == last:
            continue
        last = original
        found.append(Aged(at_s, at_s - sent.sent_s[original], original))
    return found


def by_counter(seen: Iterable[Seen], sent: Sent) -> list[Aged]:
    """Match by the counter, with its latest sending before the arrival; repeated pictures are left out."""
    found: list[Aged] = []
    last: int | None = None
    for one in seen:
        entry = _latest(sent.by_counter.get(one.counter, ()), one.at_s)
        if entry is None or one.at_s - entry[0] > OLDEST_S or entry[1] == last:
            continue
        last = entry[1]
        found.append(Aged(one.at_s, one.at_s - entry[0], last))
    return found


def _original(timestamp: int, added: int, sent: Sent) -> int | None:
    near = ((timestamp - added + step) % TIMESTAMPS for step in ROUNDING)
    return next((one for one in near if one in sent.sent_s), None)


def _latest(times: Sequence[tuple[float, int]], before_s: float) -> tuple[float, int] | None:
    place = bisect.bisect_right(times, (before_s, TIMESTAMPS))
    return times[place - 1] if place else None
