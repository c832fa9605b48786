"""What waits for a decoder's thread: a few frames, never for long.

aiortc's queue has no bound. A camera that decodes more slowly than it sends filled it with seconds of frames,
and closing the session waited until all of them were decoded.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

MOST = 24
"""Frames. As many come at once where a lost packet held up all that followed it."""
FEW = 4
LONG_S = 0.25
"""The first of more than a few has waited for so long: the decoder does not keep up."""


class DecoderQueue:
    """`put` on the event loop, `get` in the decoder's thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: deque[tuple[float, Any]] = deque()
        self._changed = threading.Condition()
        self._has_ended = False

    def put(self, task: Any) -> bool:
        """Add a task; False where too much waits, and then all of it is dropped, the task too."""
        now_s = self._clock()
        with self._changed:
            if self._is_over(now_s):
                self._waiting.clear()
                return False
            self._waiting.append((now_s, task))
            self._changed.notify()
            return True

    def end(self) -> None:
        """Drop what waits; `get` returns None from now on."""
        with self._changed:
            self._waiting.clear()
            self._has_ended = True
            self._changed.notify()

    def get(self) -> Any:
        """Return the oldest task, as soon as there is one; None when `end` was called."""
        with self._changed:
            while not self._waiting and not self._has_ended:
                self._changed.wait()
            return None if self._has_ended else self._waiting.popleft()[1]

    def _is_over(self, now_s: float) -> bool:
        count = len(self._waiting)
        return count >= MOST or (count >= FEW and now_s - self._waiting[0][0] > LONG_S)
