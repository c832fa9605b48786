"""What a viewer gets whose line does not carry every picture: key frames alone, until it does.

The stream has one encoding, and every picture but a key frame needs the one before it. Sent to a line that is
too narrow, most of them are lost and none can be shown. Key frames stand alone, so such a viewer sees a
picture every few seconds. The others pay one key frame for all such viewers together.
"""

from __future__ import annotations

LOST_MUCH = 0.15
"""Of the packets of one report; repeats make good for less."""
LOST_LITTLE = 0.05
BAD_REPORTS = 3
"""In a row. Players report once a second or so."""
REPORT_S = 0.5
"""Reports that come sooner do not count."""
KEY_EVERY_S = 4.0
KEY_GAP_S = 2.0
"""Between key frames that others have asked for."""
FIRST_PAUSE_S = 8.0
LONGEST_PAUSE_S = 64.0
"""A line that fails again is given twice as long before the next try."""
STEADY_S = 60.0


class Thinning:
    """Of one viewer; times are seconds of a clock that only rises."""

    def __init__(self) -> None:
        self.is_thin = False
        self._bad = 0
        self._is_good = True
        self._noted_s = float("-inf")
        self._changed_s = float("-inf")
        self._pause_s = FIRST_PAUSE_S
        self._key_s = float("-inf")

    def note_loss(self, share: float, now_s: float) -> None:
        """Take note of what a report says: which share of the packets since the last one was lost."""
        if now_s - self._noted_s < REPORT_S:
            return
        self._noted_s = now_s
        self._is_good = share < LOST_LITTLE
        self._bad = self._bad + 1 if share > LOST_MUCH else 0
        if not self.is_thin and self._bad >= BAD_REPORTS:
            self._thin(now_s)

    def takes(self, now_s: float, *, is_key: bool) -> bool:
        """Tell whether the next picture is sent."""
        if not self.is_thin:
            return True
        if not is_key or now_s - self._key_s < KEY_GAP_S:
            return False
        self._key_s = now_s
        # A key frame is where the others can follow again.
        if self._is_good and now_s - self._changed_s >= self._pause_s:
            self.is_thin, self._bad, self._changed_s = False, 0, now_s
        return True

    def forget(self) -> None:
        """Take the next key frame at once: it hides what the viewer still shows."""
        self._key_s = float("-inf")

    def wants_key(self, now_s: float) -> bool:
        """Tell whether the viewer has waited long enough for its next picture."""
        return now_s - self._key_s >= KEY_EVERY_S

    def _thin(self, now_s: float) -> None:
        if now_s - self._changed_s < STEADY_S:
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        else:
            self._pause_s = FIRST_PAUSE_S
        self.is_thin, self._changed_s = True, now_s
        self._key_s = now_s
