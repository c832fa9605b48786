"""What came through to the page: how many bits a second, and the queue that it met on the way.

The queue is the least delay of the packets reported last, above the least of the last 10 s (RFC 8289 section
3: a burst delays some packets, a queue that stands delays all). Times are seconds: of sending and of reports
by one clock of this host, of arrivals by the page's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from signaling_service.media.transport_feedback import CLOCK_S

MOST_PACKETS = 4096
RECENT_S = 0.12
"""Three or four pictures."""
THROUGHPUT_S = 0.4
BASE_S = 10.0
LONGEST_OWN_S = 0.015
"""An estimate that is too low tells no more of a packet's own time than that."""
FIRST_S, FEWEST_FIRST = 0.5, 6
"""Of the first key frame the last packets tell of the queue that it has made: the first ones found none."""
FEWEST_RECENT, SHORTEST_RECENT_S = 3, 0.05
"""Two pictures: one that is late is not a queue."""


@dataclass(slots=True)
class _Packet:
    sent_s: float
    at_s: float
    size_bytes: int
    waited_s: float
    """In queues, and a constant."""


class CameThrough:
    """The packets of one session that its page has told of, those of late."""

    def __init__(self) -> None:
        self._packets: deque[_Packet] = deque(maxlen=MOST_PACKETS)
        self._base: deque[tuple[float, float]] = deque()
        """Lowest delays so far, rising, with the time of each."""
        self._first_s = float("inf")
        self._last_s: float | None = None

    def __len__(self) -> int:
        return len(self._packets)

    def note(self, sent_s: float, at_s: float, size_bytes: int, bits_per_s: float) -> None:
        """Note a packet on a way of about so many bits a second; the page's clock may run around."""
        if self._last_s is not None:
            at_s += round((self._last_s - at_s) / CLOCK_S) * CLOCK_S
        self._last_s = at_s
        self._first_s = min(self._first_s, at_s)
        # Its own bits take longer on a narrower link, which is no queue.
        own_s = min(8 * size_bytes / bits_per_s, LONGEST_OWN_S)
        self._packets.append(_Packet(sent_s, at_s, size_bytes, at_s - sent_s - own_s))

    def forget_older(self) -> None:
        """Drop what neither figure needs any more."""
        packets = self._packets
        while packets and packets[-1].at_s - packets[0].at_s > 2 * THROUGHPUT_S:
            packets.popleft()

    def forget_base(self) -> None:
        """Take the delay of now for the way's own."""
        self._base.clear()

    def bits_per_s(self) -> float:
        """Return what came within the last THROUGHPUT_S of arrivals, or since the first."""
        if not self._packets:
            return 0.0
        newest_s = self._packets[-1].at_s
        window = [packet for packet in self._packets if newest_s - packet.at_s < THROUGHPUT_S]
        took_s = min(max(newest_s - self._first_s, RECENT_S), THROUGHPUT_S)
        return 8 * sum(packet.size_bytes for packet in window) / took_s

    def queue_s(self, before_s: float, now_s: float) -> float:
        """Return how long a packet waits in the queue; `before_s` is what was returned last."""
        if not self._packets:
            return before_s
        newest = self._packets[-1]
        recent = [packet for packet in self._packets if newest.sent_s - packet.sent_s <= RECENT_S]
        least_s = min(packet.waited_s for packet in recent)
        while self._base and self._base[-1][1] >= least_s:
            self._base.pop()
        self._base.append((now_s, least_s))
        while now_s - self._base[0][0] > BASE_S:
            self._base.popleft()
        base_s = self._base[0][1]
        if len(recent) >= FEWEST_FIRST and newest.at_s - self._first_s < FIRST_S:
            return min(packet.waited_s for packet in recent[-FEWEST_RECENT:]) - base_s
        if len(recent) < FEWEST_RECENT or newest.sent_s - recent[0].sent_s < SHORTEST_RECENT_S:
            return min(least_s - base_s, before_s)
        return least_s - base_s
