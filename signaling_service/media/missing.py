"""The packets that are missing: when each is asked for again, and when it is given up.

Nothing here looks at a clock: times come with the calls, in seconds of any clock that only rises. Numbers are
RTP sequence numbers, unwrapped.
"""

from __future__ import annotations

from dataclasses import dataclass

RECOVER_S = (0.15, 0.4)
"""A packet is given up after 2.5 round trips, but within these bounds."""
ASK_EVERY_S = 0.04
"""A packet is asked for again after 1.2 round trips, but not sooner than this."""
ASK_TIMES = 4
REMEMBERED = 512


@dataclass(slots=True)
class _Missing:
    since_s: float
    asked_s: float = 0.0
    times: int = 0


class MissingPackets:
    """Knows the gaps of one stream, and measures the round trip by how they are filled."""

    def __init__(self) -> None:
        self._missing: dict[int, _Missing] = {}
        """By number, in the order in which they were missed, which is also the order of the numbers."""
        self._asked: dict[int, float] = {}
        """When a number was first asked for. One that was given up stays: its answer tells the round trip."""
        self._round_trip_s = 0.0

    def __len__(self) -> int:
        return len(self._missing)

    @property
    def recover_s(self) -> float:
        """How long to wait for a missing packet."""
        shortest_s, longest_s = RECOVER_S
        return min(max(2.5 * self._round_trip_s, shortest_s), longest_s)

    def clear(self) -> None:
        """Forget all gaps: another stream begins."""
        self._missing.clear()
        self._asked.clear()

    def note_gap(self, gap: range, now_s: float) -> None:
        """Note that none of these has come."""
        for number in gap:
            self._missing[number] = _Missing(now_s)

    def note_packet(self, number: int, now_s: float) -> None:
        """Note that this packet has come, wanted or not."""
        if (asked_s := self._asked.pop(number, None)) is not None:
            self._note_round_trip(now_s - asked_s)
        self._missing.pop(number, None)

    def drop_before(self, first: int) -> None:
        """Want no number below `first` any more."""
        for number in [n for n in self._missing if n < first]:
            del self._missing[number]

    def overdue(self, now_s: float) -> int | None:
        """Return the first number that has been missing for too long, if there is one."""
        for number, missing in self._missing.items():
            return number if now_s - missing.since_s > self.recover_s else None
        return None

    def to_ask_for(self, first: int, now_s: float) -> list[int]:
        """Return the numbers from `first` on to ask for now; they count as asked for."""
        every_s = max(ASK_EVERY_S, 1.2 * self._round_trip_s)
        due = []
        for number, missing in self._missing.items():
            if number < first or missing.times >= ASK_TIMES:
                continue
            if missing.times == 0 or now_s - missing.asked_s >= every_s:
                if missing.times == 0:
                    self._asked[number] = now_s
                missing.times += 1
                missing.asked_s = now_s
                due.append(number)
        while len(self._asked) > REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return due

    def _note_round_trip(self, round_trip_s: float) -> None:
        # A packet that was merely overtaken comes sooner than its copy, so the longest time counts most. One
        # that was lost twice comes later, but not later than the longest wait.
        round_trip_s = min(round_trip_s, RECOVER_S[1])
        self._round_trip_s = max(round_trip_s, 0.9 * self._round_trip_s + 0.1 * round_trip_s)
