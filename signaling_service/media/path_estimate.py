"""How many bits a second the way to the page takes, from transport-wide feedback (transport_feedback.py).

As in draft-ietf-rmcat-gcc-02, delay tells of a link that is full before packets are lost. What is judged here
is simpler than there: not how delay changes, but the queue itself (came_through.py).

    queue stands        to 0.85 of what came through; the longer the queue the less, until it has drained
    no queue            it grows: by a tenth a second about the rate at which the link was full last, and fast
                        where nothing is known of the link, or more than that has come through
    over 10 % lost      half the loss off (section 6)

It begins low, and doubles within a second. While the picture needs less, it stays: a still scene says nothing
of the network. All times are seconds: of sending and of reports by one clock of this host, of arrivals by the
page's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from signaling_service.media.came_through import MOST_PACKETS, CameThrough

LOSS_S, FEWEST_PACKETS = 1.0, 20
QUEUE_S, NO_QUEUE_S, LONG_QUEUE_S = 0.02, 0.012, 0.1
BACK_OFF, DRAIN = 0.85, 0.6
DRAINS_WITHIN_S = 2.0
"""A queue of ours is gone by then. Else it is another sender's, or the way has become longer."""
FALL_EVERY_S = 0.25
FALL = 0.6
"""No more at once: where a host is late, little comes through, and the way is as wide as before."""
UNDO_WITHIN_S = 0.12
"""No queue of ours is gone so soon after a fall, before less has come: somebody was late."""
FULL_S = 0.1
"""Three pictures: a key frame alone may fill a socket for a moment."""
FIRST_PACE, PACE = 1.5, 2.5
"""Of the estimate: while nothing is known of the link, and where it takes more. libwebrtc has 2.5."""
FAST_GROWTH, NEAR_GROWTH, SLOW_GROWTH = 2.5, 1.5, 1.1
"""A second: where nothing tells of a limit, below the last one, about it."""
NEAR, PAST = 0.95, 1.15
"""Of what came through when the link was full last. What comes through past that shows that the limit has
gone. An estimate past that shows nothing: an encoder makes less of it, or more."""
USED = 0.5
"""Who sends less than this part of the estimate learns nothing of a greater one."""
LOSS_HIGH = 0.1


class PathEstimate:
    """The estimate for all that one session sends."""

    def __init__(self, start_bits_per_s: float, least_bits_per_s: float) -> None:
        self.bits_per_s = float(start_bits_per_s)
        self.queue_s = 0.0
        """What the last report told of the queue on the way."""
        self._least = least_bits_per_s
        self._on_way: dict[int, tuple[float, int]] = {}
        self._order: deque[int] = deque()
        self._came = CameThrough()
        self._outcomes: deque[tuple[float, int, int]] = deque()
        """Of each report: when, packets lost, packets."""
        self._judged_s: float | None = None
        self._fell_s: float | None = None
        self._full_bits_per_s: float | None = None
        """What came through at the last fall."""
        self._before_fall: tuple[float, float | None, float | None] = self.bits_per_s, None, None
        """The estimate then; of the fall before, when it was and what came through."""
        self._fell_for_queue = False
        self._lost_s = float("-inf")
        self._drained_bits_per_s: float | None = None
        self._queued_since_s: float | None = None

    @property
    def pace_bits_per_s(self) -> float:
        """How fast a large picture may leave: no faster than what came through when the link was full.

        While a queue drains, no faster than the estimate: an encoder follows a lower target late.
        """
        full = self._full_bits_per_s
        if self._drained_bits_per_s is not None:
            return self.bits_per_s
        if full is None:
            return FIRST_PACE * self.bits_per_s
        return max(self.bits_per_s, full) if self.bits_per_s <= PAST * full else PACE * self.bits_per_s

    def note_sent(self, number: int, size_bytes: int, now_s: float) -> None:
        """Note a packet by the 16 bits of its number."""
        if number not in self._on_way:
            self._order.append(number)
        self._on_way[number] = now_s, size_bytes
        while len(self._order) > MOST_PACKETS:
            self._on_way.pop(self._order.popleft(), None)

    def note_report(
        self, arrivals: Iterable[tuple[int, float | None]], now_s: float, most_bits_per_s: float
    ) -> None:
        """Note what the page tells; the estimate grows up to `most_bits_per_s`."""
        lost = total = 0
        for number, at_s in arrivals:
            sent = self._on_way.pop(number, None)
            if sent is None:
                continue  # Told before, or never sent.
            total += 1
            if at_s is None:
                lost += 1
            else:
                self._came.note(sent[0], at_s, sent[1], self.bits_per_s)
        if not total:
            return
        self._outcomes.append((now_s, lost, total))
        while now_s - self._outcomes[0][0] > LOSS_S:
            self._outcomes.popleft()
        self._came.forget_older()
        while self._order and self._order[0] not in self._on_way:
            self._order.popleft()
        self._judge(now_s, most_bits_per_s)

    def note_full(self, waited_s: float, now_s: float) -> bool:
        """Note for how long this host's socket took nothing: the way is full, and no report has said so.

        Returns whether the estimate has fallen.
        """
        if waited_s < FULL_S or (self._fell_s is not None and now_s - self._fell_s < FALL_EVERY_S):
            return False
        self._back_off(max(self.queue_s, waited_s), now_s)
        # Where no queue is seen behind a socket that took nothing, the fall stays.
        self._fell_for_queue = False
        self.bits_per_s = max(self.bits_per_s, self._least)
        return True

    def _judge(self, now_s: float, most_bits_per_s: float) -> None:
        # After a silence nothing has been learned for its time.
        elapsed_s = 0.0 if self._judged_s is None else min(now_s - self._judged_s, 0.3)
        self._judged_s = now_s
        queue_s = self.queue_s = self._came.queue_s(self.queue_s, now_s)
        loss = self._loss()
        if self._is_not_ours(queue_s, now_s):
            self._came.forget_base()
            self.queue_s = 0.0
        elif queue_s > QUEUE_S:
            if self._fell_s is None or now_s - self._fell_s >= FALL_EVERY_S:
                self._back_off(queue_s, now_s)
        elif loss > LOSS_HIGH and now_s - self._lost_s >= LOSS_S:
            self._lost_s = now_s
            part = 1 - 0.5 * loss
            self._fall_to(part * self.bits_per_s, now_s)
            if self._drained_bits_per_s is not None:
                self._drained_bits_per_s *= part
        elif queue_s < NO_QUEUE_S:
            if self._fell_s is not None and now_s - self._fell_s < UNDO_WITHIN_S and self._fell_for_queue:
                self.bits_per_s, self._fell_s, self._full_bits_per_s = self._before_fall
                self._drained_bits_per_s = None
            elif self._drained_bits_per_s is not None:
                self.bits_per_s = max(self.bits_per_s, self._drained_bits_per_s)
                self._drained_bits_per_s = None
            elif loss <= LOSS_HIGH and self._came.bits_per_s() >= USED * self.bits_per_s:
                self.bits_per_s *= self._growth() ** elapsed_s
        self.bits_per_s = max(min(self.bits_per_s, most_bits_per_s), self._least)

    def _growth(self) -> float:
        if self._full_bits_per_s is None or self._came.bits_per_s() > PAST * self._full_bits_per_s:
            return FAST_GROWTH
        return NEAR_GROWTH if self.bits_per_s < NEAR * self._full_bits_per_s else SLOW_GROWTH

    def _back_off(self, queue_s: float, now_s: float) -> None:
        through = max(self._came.bits_per_s(), FALL / BACK_OFF * self.bits_per_s)
        self._drained_bits_per_s = BACK_OFF * through
        excess = min((queue_s - QUEUE_S) / (LONG_QUEUE_S - QUEUE_S), 1.0)
        self._fall_to((1 - (1 - DRAIN) * excess) * self._drained_bits_per_s, now_s)
        self._fell_for_queue = True

    def _fall_to(self, bits_per_s: float, now_s: float) -> None:
        self._before_fall = self.bits_per_s, self._fell_s, self._full_bits_per_s
        self._full_bits_per_s = self._came.bits_per_s()
        self._fell_s, self._fell_for_queue = now_s, False
        self.bits_per_s = min(self.bits_per_s, bits_per_s)

    def _is_not_ours(self, queue_s: float, now_s: float) -> bool:
        if queue_s <= QUEUE_S:
            self._queued_since_s = None
            return False
        if self._queued_since_s is None:
            self._queued_since_s = now_s
        if now_s - self._queued_since_s < DRAINS_WITHIN_S + queue_s:
            return False
        self._queued_since_s = None
        return True

    def _loss(self) -> float:
        total = sum(packets for _, _, packets in self._outcomes)
        lost = sum(missing for _, missing, _ in self._outcomes)
        return lost / total if total >= FEWEST_PACKETS else 0.0
