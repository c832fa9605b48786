"""How fast the page may send: what it is told (REMB, draft-alvestrand-rmcat-remb-03) from what arrives.

The estimate begins high and stays there while the network is good. A browser paces its packets by it: with 4
Mbit/s or more, nothing of a frame of 1.5 Mbit/s waits in its pacer. It does not follow what is received, as
aiortc's does, so a camera that shows a still scene is not held to a still scene's bitrate.

It falls for two reasons alone:

    queue    no packet of the last 0.3 s came without standing in a queue (RFC 8289 section 3: the least delay
             within a window tells a queue that stands from a burst). A host that is late now and then, or a
             radio, delays some packets; only a link that is too narrow delays all.
    loss     over 10 % (draft-ietf-rmcat-gcc-02 section 6).

and then to what really comes through. A delay that does not shrink when less is sent is taken for the way's
own. Times are seconds of this host's monotonic clock.
"""

from __future__ import annotations

from collections import deque

from signaling_service.media.bitrate import BitrateProfile

CEILING_BITS_PER_S = 8_000_000
"""Where the profile sets no bound. A browser's encoder has one of its own."""
TICK_S = 0.1
QUEUE_TICKS = 3
THROUGHPUT_TICKS = 5
LOSS_TICKS = 10
BASE_TICKS = 200
"""The least delay of 20 s is that of the empty link; clocks drift apart by 2 ms within them."""
QUEUE_S = 0.04
LOSS_HIGH, LOSS_LOW = 0.1, 0.02
FEWEST_PACKETS = 20
"""One packet lost of so few is not 10 %."""
BACK_OFF = 0.85
LONG_QUEUE_S, DRAIN = 0.15, 0.6
DRAINS_WITHIN_S, DRAINS_S = 2.0, 0.05
"""A queue of ours drains by 0.15 s a second or more, once the page has heard of it."""
BACK_OFF_EVERY_S = 0.3
GROWTH_PER_S, FAST_GROWTH_PER_S = 1.08, 1.3
FAST_AFTER_S = 8.0
REPORT_EVERY_S = 0.5
SEND_CLOCK_HZ, SEND_CLOCK_BITS = 1 << 18, 24
"""abs-send-time: 24 bits, 6 of them whole seconds."""


class _Tick:
    """What came within TICK_S."""

    __slots__ = ("expected", "least_delay_s", "received", "size_bytes")

    def __init__(self) -> None:
        self.size_bytes = 0
        self.least_delay_s: float | None = None
        self.expected = self.received = 0


class ReceiveEstimate:
    """The estimate for one received stream."""

    def __init__(self, profile: BitrateProfile) -> None:
        self._least = profile.least
        self._ceiling = max(profile.most or CEILING_BITS_PER_S, self._least)
        self.bits_per_s = float(self._ceiling)
        self._ticks: deque[_Tick] = deque([_Tick()], maxlen=max(LOSS_TICKS, THROUGHPUT_TICKS) + 1)
        self._base: deque[float] = deque(maxlen=BASE_TICKS)
        self._tick_ends_s: float | None = None
        self._sent: int | None = None  # abs-send-time of the last packet, unwrapped.
        self._newest: int | None = None
        self._fell_s: float | None = None
        self._drained_bits_per_s: float | None = None
        """What to go back to when a long queue has drained."""
        self._queues_s: deque[float] = deque(maxlen=round(1 / TICK_S))
        self._queued_since_s: float | None = None
        self._lost_s = 0.0
        self._report_at_s = 0.0

    def add(self, sent: int | None, number: int | None, size_bytes: int, now_s: float) -> None:
        """Note a packet: its abs-send-time and its sequence number, None for what has none or for a copy."""
        if self._tick_ends_s is None:
            self._tick_ends_s = now_s + TICK_S
        if now_s >= self._tick_ends_s:
            self._end_tick(now_s)
        tick = self._ticks[-1]
        tick.size_bytes += size_bytes
        if sent is not None:
            delay_s = now_s - self._unwrapped_s(sent)
            if tick.least_delay_s is None or delay_s < tick.least_delay_s:
                tick.least_delay_s = delay_s
        if number is not None:
            tick.received += 1
            if self._newest is None:
                self._newest = number - 1
            ahead = (number - self._newest + 0x8000) % 0x10000 - 0x8000
            if ahead > 0:
                tick.expected += ahead
                self._newest = number

    def due(self, now_s: float) -> int | None:
        """Return the bits per second to report now; None while the last report is recent enough."""
        if now_s < self._report_at_s:
            return None
        self._report_at_s = now_s + REPORT_EVERY_S
        return round(self.bits_per_s)

    def _unwrapped_s(self, sent: int) -> float:
        if self._sent is None:
            self._sent = sent
        size = 1 << SEND_CLOCK_BITS
        self._sent += (sent - self._sent + size // 2) % size - size // 2
        return self._sent / SEND_CLOCK_HZ

    def _end_tick(self, now_s: float) -> None:
        assert self._tick_ends_s is not None
        last = self._ticks[-1]
        if last.least_delay_s is not None:
            self._base.append(last.least_delay_s)
        # A pause is so many empty ticks, of which no more than are kept count.
        passed = min(int((now_s - self._tick_ends_s) / TICK_S) + 1, self._ticks.maxlen or 1)
        self._judge(now_s, passed * TICK_S)
        self._ticks.extend(_Tick() for _ in range(passed))
        self._tick_ends_s = max(self._tick_ends_s + passed * TICK_S, now_s)

    def _judge(self, now_s: float, elapsed_s: float) -> None:
        queue_s, loss = self._queue_s(), self._loss()
        if self._is_not_ours(queue_s, now_s):
            # The link has become longer, or this host is late with everything: sending less helps nobody.
            self._base.clear()
            queue_s = 0.0
        if queue_s > QUEUE_S:
            if self._fell_s is None or now_s - self._fell_s >= BACK_OFF_EVERY_S:
                self._back_off(queue_s, now_s)
        elif loss > LOSS_HIGH:
            if now_s - self._lost_s >= LOSS_TICKS * TICK_S:
                self._lost_s = now_s
                self._fall_to(self._throughput() / (1 - loss) * (1 - 0.5 * loss), now_s)
        elif queue_s < QUEUE_S / 2 and self._drained_bits_per_s is not None:
            self.bits_per_s = max(self.bits_per_s, self._drained_bits_per_s)
            self._drained_bits_per_s = None
            self._report_at_s = now_s
        elif queue_s < QUEUE_S / 2 and loss < LOSS_LOW:
            is_long_ago = self._fell_s is not None and now_s - self._fell_s > FAST_AFTER_S
            growth = FAST_GROWTH_PER_S if is_long_ago else GROWTH_PER_S
            self.bits_per_s = min(self.bits_per_s * growth**elapsed_s, self._ceiling)

    def _is_not_ours(self, queue_s: float, now_s: float) -> bool:
        """Tell whether a queue stands although less has been sent for a while."""
        self._queues_s.append(queue_s)
        if queue_s <= QUEUE_S:
            self._queued_since_s = None
            return False
        if self._queued_since_s is None:
            self._queued_since_s = now_s
        # What arrives now was sent as long ago as the queue is, perhaps before the page heard of it.
        lasts_too_long = now_s - self._queued_since_s >= DRAINS_WITHIN_S + queue_s
        if not lasts_too_long or queue_s < self._queues_s[0] - DRAINS_S:
            return False
        self._queued_since_s = None
        return True

    def _back_off(self, queue_s: float, now_s: float) -> None:
        through = self._throughput()
        if queue_s > LONG_QUEUE_S:
            # What was sent too fast for a while delays every picture until it has drained.
            self._drained_bits_per_s = BACK_OFF * through
            through *= DRAIN
        self._fall_to(BACK_OFF * through, now_s)

    def _fall_to(self, bits_per_s: float, now_s: float) -> None:
        self._fell_s = now_s
        if bits_per_s < self.bits_per_s:
            self.bits_per_s = max(bits_per_s, self._least)
            self._report_at_s = now_s

    def _queue_s(self) -> float:
        """The least time that any packet of the last ticks has stood in a queue."""
        recent = [tick.least_delay_s for tick in list(self._ticks)[-QUEUE_TICKS:]]
        if len(recent) < QUEUE_TICKS:
            return 0.0
        delays = [delay_s for delay_s in recent if delay_s is not None]
        # Too few packets to tell a burst from a queue.
        return min(delays) - min(self._base) if len(delays) == QUEUE_TICKS and self._base else 0.0

    def _throughput(self) -> float:
        recent = list(self._ticks)[-THROUGHPUT_TICKS:]
        return 8 * sum(tick.size_bytes for tick in recent) / (len(recent) * TICK_S)

    def _loss(self) -> float:
        recent = list(self._ticks)[-LOSS_TICKS:]
        expected = sum(tick.expected for tick in recent)
        received = sum(tick.received for tick in recent)
        return max(1 - received / expected, 0.0) if expected >= FEWEST_PACKETS else 0.0
