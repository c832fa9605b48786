"""At which bitrate the returned picture is encoded: what the page reports -> the target of its encoder.

A page that gives transport-wide feedback tells all that is needed (path_estimate.py), and its target follows
that. Of another two reports bound it, as in draft-ietf-rmcat-gcc-02:

    REMB    what the page's own estimate of its link allows. It is made from what arrives, and never above 1.5
            times that. So it says little while less is sent than the target: in a still scene, or at the
            beginning. When the scene moves again, the estimate runs behind by 8 % a second. So it counts in
            three cases: the target is sent and fits in; it falls; more is sent than it allows and it stays.
    loss    of packets, in receiver reports: over 10 % it takes half the loss off the rate, under 2 % it adds
            5 % (section 6).

The target follows these two in steps, since they waver: a real fall at once, a small one when it lasts, and a
rise when it is worth it. Times are seconds of a rising clock.
"""

from __future__ import annotations

from collections import deque

from signaling_service.media.bitrate import BitrateProfile

LOSS_HIGH, LOSS_LOW = 0.1, 0.02
GROWTH = 1.05
LOSS_EVERY_S, FEWEST_PACKETS = 1.0, 20
REMB_GROWTH_PER_S = 1.08
FALLEN = 0.97
BEHIND_S, BEHIND_GROWTH = 2.0, 1.05
FALL = 0.85
"""Below this part of the target the network has really become narrower."""
SMALL_FALL, SMALL_FALL_S = 0.9, 2.0
RISE, LAST_RISE, RISE_EVERY_S = 1.25, 1.1, 3.0
"""The last one leads to the full rate."""
IDLE = 0.8
"""Sending less than this part of the target is the picture's doing, not the network's."""
SENT_WINDOW_S = 1.5


class SendRate:
    """The rate of one returned stream."""

    def __init__(self, profile: BitrateProfile) -> None:
        self._profile = profile
        self._size = (640, 480)
        self._remb: int | None = None
        self._remb_s = 0.0
        self._behind: tuple[float, int] | None = (
            None  # Since when less is allowed than sent, and how much then.
        )
        self._by_remb: float | None = None
        """What REMB allows, where that is known."""
        self._by_loss = float(profile.start)
        """What loss allows; grows as far as the picture is worth."""
        self._judged: tuple[float, int, int] | None = None  # When, and the report's two numbers then.
        self._by_feedback: float | None = None
        """What transport-wide feedback allows; it counts alone where there is any."""
        self._target = self._start()
        self._has_reports = False
        self._rose_s: float | None = None
        self._below_since_s: float | None = None
        self._sent: deque[tuple[float, int]] = deque()

    @property
    def target(self) -> int:
        """Bits per second for the encoder."""
        return self._target

    @property
    def most(self) -> int:
        """Bits per second that the picture is worth."""
        return self._most

    def note_estimate(self, bits_per_s: float) -> None:
        """Note what transport-wide feedback allows (path_estimate.py): the target is that at once."""
        self._by_feedback, self._has_reports = bits_per_s, True
        self._target = round(self._allowed())

    def note_size(self, width: int, height: int) -> None:
        """Note the size of the picture that is encoded next: another one needs a new encoder anyway."""
        if (width, height) == self._size:
            return
        was_full = self._target >= self._most
        self._size = (width, height)
        if not self._has_reports:
            self._target = self._start()
        elif was_full:
            self._target = round(self._allowed())
        self._target = min(self._target, self._most)

    def note_sent(self, total_bytes: int, now_s: float) -> None:
        """Note how much has been sent since the beginning; to be called before a report is noted."""
        self._sent.append((now_s, total_bytes))
        while len(self._sent) > 2 and now_s - self._sent[1][0] >= SENT_WINDOW_S:
            self._sent.popleft()

    def note_remb(self, bits_per_s: int, now_s: float) -> None:
        """Note the page's estimate."""
        sent = self._sent_bits_per_s()
        if sent is None or self._by_feedback is not None:
            return
        before, before_s = self._remb, self._remb_s
        self._remb, self._remb_s = bits_per_s, now_s
        has_fallen = bits_per_s < (FALLEN * before if before is not None else FALL * sent)
        if bits_per_s >= sent:
            self._behind = None
            counts = has_fallen or sent >= IDLE * self._target
        else:
            counts = has_fallen or self._stays_behind(bits_per_s, now_s)
        if counts:
            self._by_remb = bits_per_s
        elif self._by_remb is not None:
            # It grows as it would if the target had been sent all the time, or as the page's own does.
            growth: float = REMB_GROWTH_PER_S ** min(now_s - before_s, 1.0)
            if bits_per_s < sent and before is not None:
                growth = max(bits_per_s / before, 1.0) if before else 1.0
            self._by_remb = max(self._by_remb * growth, bits_per_s)
        self._follow(now_s)

    def note_loss(self, lost: int, highest: int, now_s: float) -> None:
        """Note a receiver report's cumulative number of packets lost and extended highest sequence number."""
        if self._by_feedback is not None:
            return
        if self._judged is None or highest < self._judged[2]:  # aiortc's peers do not extend the number.
            self._judged = now_s, lost, highest
        since_s, lost_before, highest_before = self._judged
        expected = highest - highest_before
        # Chromium reports with every NACK: of the few packets in between, one lost is many per cent.
        if now_s - since_s < LOSS_EVERY_S or expected < FEWEST_PACKETS:
            return
        self._judged = now_s, lost, highest
        fraction = min(max((lost - lost_before) / expected, 0.0), 1.0)
        if fraction > LOSS_HIGH:
            self._by_loss = max(min(self._by_loss, self._target) * (1 - 0.5 * fraction), self._profile.least)
        elif fraction < LOSS_LOW:
            self._by_loss = min(self._by_loss * GROWTH, max(self._most, self._profile.start))
        self._follow(now_s)

    @property
    def _most(self) -> int:
        return self._profile.most_for(*self._size)

    def _start(self) -> int:
        return min(max(self._profile.start, self._profile.least), self._most)

    def _allowed(self) -> float:
        if self._by_feedback is not None:
            allowed = self._by_feedback
        else:
            allowed = self._by_loss if self._by_remb is None else min(self._by_loss, self._by_remb)
        return min(max(allowed, self._profile.least), self._most)

    def _follow(self, now_s: float) -> None:
        self._has_reports = True
        allowed = self._allowed()
        if allowed >= SMALL_FALL * self._target:
            self._below_since_s = None
        elif self._below_since_s is None:
            self._below_since_s = now_s
        if allowed < FALL * self._target or self._has_lasted(now_s):
            self._set(allowed, now_s)
        elif self._is_worth_a_rise(allowed, now_s):
            self._rose_s = now_s
            self._set(allowed, now_s)

    def _stays_behind(self, bits_per_s: int, now_s: float) -> bool:
        """Tell whether a REMB below what is sent is more than late: it would grow otherwise."""
        if self._behind is None or now_s - self._behind[0] < BEHIND_S:
            self._behind = self._behind or (now_s, bits_per_s)
            return False
        was = self._behind[1]
        self._behind = now_s, bits_per_s
        return bits_per_s < BEHIND_GROWTH * was

    def _has_lasted(self, now_s: float) -> bool:
        return self._below_since_s is not None and now_s - self._below_since_s >= SMALL_FALL_S

    def _is_worth_a_rise(self, allowed: float, now_s: float) -> bool:
        if self._rose_s is not None and now_s - self._rose_s < RISE_EVERY_S:
            return False
        return allowed >= RISE * self._target or (allowed >= self._most > LAST_RISE * self._target)

    def _set(self, bits_per_s: float, now_s: float) -> None:
        self._below_since_s = None
        self._target = round(bits_per_s)

    def _sent_bits_per_s(self) -> float | None:
        if len(self._sent) < 2:
            return None
        (from_s, before), (to_s, after) = self._sent[0], self._sent[-1]
        return 8 * (after - before) / (to_s - from_s) if to_s - from_s >= SENT_WINDOW_S / 3 else None
