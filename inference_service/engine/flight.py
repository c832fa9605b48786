"""How many batches are under way, and when the next one should begin.

A GPU must find its next batch ready when it is done with the present one, else it idles for as long as the
upload takes. A frame that is taken earlier than that only grows old in the GPU's queue. So the next batch
begins when the present one is about to end, as the last one foretells.

The GPU computes one batch after the other. So a batch ends its own time after the end of the one before, or
after its own beginning where that is later. A beginning is taken before the launches: some filters wait for
the GPU while they launch, and others launch for as long as the GPU computes.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

MOST = 2
EARLY_S = 0.003
"""For the copy into page-locked memory, the upload and the launches of the next batch."""


class Flight:
    """`wait` and `take_off` belong to the loop, `land` to the thread that finishes batches."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns monotonic seconds."""
        self._clock = clock
        self._under_way: list[int] = []
        self._ends_s = float("-inf")
        self._per_frame_s = 0.0
        self._changed = threading.Condition()

    def wait(self) -> None:
        """Return when the next batch should begin."""
        with self._changed:
            while (left_s := self._left_s()) > 0:
                self._changed.wait(None if math.isinf(left_s) else left_s)

    def left_s(self) -> float:
        """Return how long `wait` would last, unless a batch lands; infinity where one has to."""
        with self._changed:
            return self._left_s()

    def take_off(self, frames: int, began_s: float) -> None:
        """A batch of so many frames has begun; `began_s` is the clock when that was."""
        with self._changed:
            self._under_way.append(frames)
            self._ends_s = max(self._ends_s, began_s) + self._per_frame_s * frames

    def land(self, computing_s: float, ended_s: float) -> None:
        """The oldest batch is over; its device computed for `computing_s`, until `ended_s` on the clock.

        `computing_s` is 0 where that was the loop's own thread.
        """
        with self._changed:
            self._per_frame_s = computing_s / self._under_way.pop(0)
            self._ends_s = ended_s + self._per_frame_s * sum(self._under_way)
            self._changed.notify_all()

    def _left_s(self) -> float:
        if len(self._under_way) >= MOST:
            return math.inf
        return max(0.0, self._ends_s - EARLY_S - self._clock()) if self._under_way else 0.0
