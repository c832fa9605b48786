"""How many batches are under way, and when the next one should begin.

A GPU must find its next batch ready when it is done with the present one, else it idles for as long as the
upload takes. A frame that is taken earlier than that only grows old in the GPU's queue. So the next batch
begins when the present one is about to end, as the last one foretells.
"""

from __future__ import annotations

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
        self._under_way = 0
        self._due_s = 0.0
        self._per_frame_s = 0.0
        self._changed = threading.Condition()

    def wait(self) -> None:
        """Return when the next batch should begin."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < MOST)
            while self._under_way and (left_s := self._due_s - self._clock()) > 0:
                self._changed.wait(left_s)

    def take_off(self, frames: int) -> None:
        """A batch of so many frames has begun."""
        with self._changed:
            self._under_way += 1
            self._due_s = self._clock() + self._per_frame_s * frames - EARLY_S

    def land(self, frames: int, computing_s: float) -> None:
        """It is finished; its device computed for `computing_s`, 0 where that was the loop's own thread."""
        with self._changed:
            self._under_way -= 1
            self._per_frame_s = computing_s / frames
            self._changed.notify_all()
