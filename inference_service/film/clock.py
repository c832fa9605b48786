"""Times of a film: from zero on, rising, and without the jumps of joined or broadcast films."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av

from inference_service.film.remarks import Remarks

BACK_S = 0.5
"""Packets come in the order of decoding: one so much earlier than the last begins another count."""
AHEAD_S = 10
"""A gap so long is another count too, but only in formats whose times may start anew, as MPEG-TS."""
IN_STEP_S = 0.25
"""Streams that jump together differ by less than this."""


class Clock:
    """Moves the times of packets, so that the film begins at zero and runs on where its times jump."""

    def __init__(self, start_s: Fraction, *, may_start_anew: bool, remarks: Remarks) -> None:
        """`start_s` is the time at which the film begins by its own count."""
        self._start_s = start_s
        self._may_start_anew = may_start_anew
        self._remarks = remarks
        self._moved_s: dict[int, Fraction] = {}
        self._next_s: dict[int, Fraction] = {}

    def move(self, packet: av.Packet[Any]) -> None:
        """Move a packet's times. One without times stays as it is."""
        base = packet.time_base
        stream = packet.stream.index
        moved_s = self._moved_s.setdefault(stream, -self._start_s)
        # The first packets of Matroska have no time of decoding where pictures are reordered.
        if packet.dts is not None:
            own_s = packet.dts * base
            expected_s = self._next_s.get(stream)
            if expected_s is not None and self._jumps(own_s + moved_s - expected_s):
                moved_s = self._in_step(expected_s - own_s)
                self._moved_s[stream] = moved_s
                self._remarks.add("the times jump; the film runs on without the jump")
            self._next_s[stream] = own_s + moved_s + (packet.duration or 0) * base
        by = round(moved_s / base)
        if packet.dts is not None:
            packet.dts += by
        if packet.pts is not None:
            packet.pts += by

    def _jumps(self, by_s: Fraction) -> bool:
        return by_s < -BACK_S or (self._may_start_anew and by_s > AHEAD_S)

    def _in_step(self, wanted_s: Fraction) -> Fraction:
        """Return the shift of a stream that has jumped before with this one, else the one that is wanted."""
        return next((by for by in self._moved_s.values() if abs(by - wanted_s) < IN_STEP_S), wanted_s)


class Reordered:
    """The times of decoded pictures, whichever of their two times is right.

    Some containers know no presentation times, and what is made up for them may go back. A picture also has
    the time at which it was decoded. The kind that has gone back less often is taken, as FFmpeg does.
    """

    def __init__(self, *, has_presentation_times: bool = True) -> None:
        """AVI has none; of other containers it is not known before."""
        self._has_presentation_times = has_presentation_times
        self._last: dict[str, int] = {}
        self._faults = {"pts": 0, "dts": 0}
        self._given: int | None = None
        self._step = 1

    def time(self, pts: int | None, dts: int | None) -> int | None:
        """Return the time of the next picture that is shown, in the unit of both; None without any."""
        for kind, value in (("pts", pts), ("dts", dts)):
            if value is not None:
                self._faults[kind] += value <= self._last.get(kind, value - 1)
                self._last[kind] = value
        if (time := self._right(pts, dts)) is not None:
            self._step = max(time - self._given, 1) if self._given is not None else 1
            self._given = time
        return time

    def _right(self, pts: int | None, dts: int | None) -> int | None:
        is_right = self._has_presentation_times and self._faults["pts"] <= self._faults["dts"]
        if pts is None or (dts is not None and not is_right):
            return dts
        if is_right or self._given is None:
            return pts
        # The last pictures that the decoder has held back: nothing was decoded with them.
        return self._given + self._step
