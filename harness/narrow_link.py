"""A link of a certain width with a queue in front, in made-up time, between a paced sender and a listener."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

PACKET_BYTES = 1200
FPS = 30


@dataclass
class Link:
    """First in, first out; what finds the queue full is lost."""

    bits_per_s: float
    queue_bytes: int = 1 << 20
    loss: float = 0.0
    delay_s: float = 0.02
    _free_s: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(0))

    def queue_s(self, now_s: float) -> float:
        return max(self._free_s - now_s, 0.0)

    def arrival_s(self, now_s: float, size_bytes: int) -> float | None:
        """Return when a packet sent now arrives; None when it is lost."""
        if self.queue_s(now_s) * self.bits_per_s / 8 + size_bytes > self.queue_bytes:
            return None
        self._free_s = max(self._free_s, now_s) + 8 * size_bytes / self.bits_per_s
        return None if self.rng.random() < self.loss else self._free_s + self.delay_s


@dataclass
class Sample:
    """One frame of a run."""

    at_s: float
    sent_bits_per_s: float
    queue_s: float


@dataclass
class Arrival:
    """A packet that came: when it was sent and when it arrived, in seconds, its number and size."""

    sent_s: float
    at_s: float
    number: int
    size_bytes: int


def send(
    link: Link,
    rate: Callable[[float], float],
    hear: Callable[[Arrival], None],
    until_s: float,
    *,
    from_s: float = 0.0,
    number: int = 0,
) -> tuple[list[Sample], int]:
    """Send frames at `rate(now)` bits per second; a frame's packets leave at 2.5 times that, as in Chromium.

    Returns a sample of each frame, and the next packet's number.
    """
    samples = []
    owed_bytes = 0.0
    on_way: list[Arrival] = []
    for i in range(round((until_s - from_s) * FPS)):
        at_s = from_s + i / FPS
        while on_way and on_way[0].at_s <= at_s:
            hear(on_way.pop(0))
        bits_per_s = rate(at_s)
        owed_bytes += bits_per_s / 8 / FPS
        samples.append(Sample(at_s, bits_per_s, link.queue_s(at_s)))
        sent_s = at_s
        while owed_bytes > 0:
            size_bytes = int(min(PACKET_BYTES, max(owed_bytes, 100)))
            owed_bytes -= size_bytes
            arrival_s = link.arrival_s(sent_s, size_bytes)
            if arrival_s is not None:
                on_way.append(Arrival(sent_s, arrival_s, number & 0xFFFF, size_bytes))
            number += 1
            sent_s += 8 * size_bytes / (2.5 * bits_per_s)
    for arrival in on_way:
        hear(arrival)
    return samples, number
