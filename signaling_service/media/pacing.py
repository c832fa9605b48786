"""How fast a picture's packets leave: not all at once, which would fill a narrow link's queue.

A picture of usual size goes at once. Only what is larger, as a key frame, waits for its turn, and the next
picture with it: who asks for `wait_s` before each packet, and encodes no picture meanwhile, queues nothing.
The pace is what path_estimate.py says.
"""

from __future__ import annotations

BURST_S = 0.04
"""Of the pace: what goes at once."""
WORTH_WAITING_S = 0.005
"""Shorter waits cost a turn of the event loop for every packet."""


class Pacer:
    """Counts what has left; times are seconds of a clock that only rises."""

    def __init__(self) -> None:
        self._owed_bytes = 0.0
        self._at_s = 0.0

    def note_sent(self, size_bytes: int, bits_per_s: float, now_s: float) -> None:
        """Note a packet, one that did not wait too, as a repeat."""
        paid = (now_s - self._at_s) * bits_per_s / 8
        self._owed_bytes = max(self._owed_bytes - paid, 0.0) + size_bytes
        self._at_s = now_s

    def wait_s(self, bits_per_s: float, now_s: float) -> float:
        """Return for how long the next packet should wait; 0.0 for none."""
        bytes_per_s = bits_per_s / 8
        owed = self._owed_bytes - (now_s - self._at_s) * bytes_per_s
        wait_s = owed / bytes_per_s - BURST_S
        return wait_s if wait_s >= WORTH_WAITING_S else 0.0
