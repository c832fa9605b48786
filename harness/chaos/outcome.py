"""What the calls of one case saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from harness.picture import Reading


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame that came back and could be read."""

    at_s: float
    """time.monotonic()."""
    reading: Reading


@dataclass(slots=True)
class Watch:
    """What one call saw while a part was broken, and until all went on again."""

    kind: str
    """`aiortc` or `Chromium`."""
    gap_s: float
    """Longest time without a new filtered frame."""
    calls: int
    """How often it had to call; 1 where it kept its connection."""
    is_back: bool
    """It showed new filtered frames at the end."""
    raw: int
    """Frames that no filter had changed."""
    foreign: int
    """Frames of another call's camera."""


@dataclass(slots=True)
class Outcome:
    """One case of the matrix."""

    part: str
    fault: str
    watches: list[Watch] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Processes, sockets and files that were still there at the end."""
    takes_calls: bool = False
    """A new call after it was answered and filtered."""

    def gap_s(self, kind: str) -> float | None:
        """Return the longest gap of the calls of one kind, None where there were none."""
        return max((one.gap_s for one in self.watches if one.kind == kind), default=None)

    @property
    def lost(self) -> int:
        """Calls that did not come back."""
        return sum(not one.is_back for one in self.watches)

    @property
    def again(self) -> int:
        """Calls that had to connect again."""
        return sum(one.calls > 1 for one in self.watches)

    @property
    def raw(self) -> int:
        return sum(one.raw for one in self.watches)

    @property
    def foreign(self) -> int:
        return sum(one.foreign for one in self.watches)


def watch(
    kind: str, mark: int, seen: Sequence[Seen], calls: int, since_s: float, until_s: float, *, is_back: bool
) -> Watch:
    """Judge the frames of one call, whose camera is marked `mark` and inverted; clocks: time.monotonic()."""
    new_s = new_times_s([one for one in seen if one.reading.is_inverted])
    before_s = max((at_s for at_s in new_s if at_s <= since_s), default=since_s)
    times_s = [before_s, *(at_s for at_s in new_s if since_s < at_s <= until_s)]
    gaps_s = [later - earlier for earlier, later in pairwise(times_s)]
    if not is_back:
        gaps_s.append(until_s - times_s[-1])
    return Watch(
        kind,
        max(gaps_s, default=0.0),
        calls,
        is_back,
        raw=sum(not one.reading.is_inverted for one in seen),
        foreign=sum(one.reading.mark != mark for one in seen),
    )


def new_times_s(seen: Sequence[Seen]) -> list[float]:
    """Return when a frame came that shows another picture than the one before it."""
    firsts = list(seen[:1]) + [b for a, b in pairwise(seen) if a.reading.counter != b.reading.counter]
    return [one.at_s for one in firsts]
