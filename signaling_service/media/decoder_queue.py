"""What waits for a decoder's thread: a few frames, never for long.

aiortc's queue has no bound. A camera that decodes more slowly than it sends filled it with seconds of frames,
and closing the session waited until all of them were decoded.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
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
        self._lock = threading.Lock()
        # What wakes the thread. A Condition is written in Python, and makes a lock for each wait.
        self._added: SimpleQueue[None] = SimpleQueue()
        self._has_ended = False

    def put(self, task: Any) -> bool:
        """Add a task; False where too much waits, and then all of it is dropped, the task too."""
        now_s = self._clock()
        with self._lock:
            if self._is_over(now_s):
                self._waiting.clear()
                return False
            self._waiting.append((now_s, task))
        self._added.put(None)
        return True

    def end(self) -> None:
        """Drop what waits; `get` returns None from now on."""
        with self._lock:
            self._waiting.clear()
            self._has_ended = True
        self._added.put(None)

    def get(self) -> Any:
        """Return the oldest task, as soon as there is one; None when `end` was called."""
        while not self._has_ended:
            self._added.get()
            with self._lock:
                # What was added and then dropped has left its mark here.
                if self._waiting and not self._has_ended:
                    return self._waiting.popleft()[1]
        return None

    def _is_over(self, now_s: float) -> bool:
        count = len(self._waiting)
        return count >= MOST or (count >= FEW and now_s - self._waiting[0][0] > LONG_S)
