"""When a worker has failed so often that only a new process can help."""

from __future__ import annotations

import threading
from collections.abc import Callable

HOPELESS_FAILURES = 30
HOPELESS_AFTER_S = 5.0
"""Both must be exceeded, without one filtered frame in between. So one session whose frames break its filter
ends nothing while others are served. A GPU that has died ends the worker."""


class Health:
    """Counts failures in a row. Safe for several threads."""

    def __init__(self, on_hopeless: Callable[[], None]) -> None:
        """`on_hopeless` is called once, in the thread that counts the failure."""
        self._on_hopeless = on_hopeless
        self._failures = 0
        self._since_s = 0.0
        self._is_hopeless = False
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """A frame was filtered."""
        with self._lock:
            self._failures = 0

    def broke(self) -> None:
        """The device is of no use to this process any more."""
        with self._lock:
            if self._is_hopeless:
                return
            self._is_hopeless = True
        self._on_hopeless()

    def failed(self, now_s: float) -> None:
        """A frame could not be filtered; `now_s` is the monotonic clock."""
        with self._lock:
            if not self._failures:
                self._since_s = now_s
            self._failures += 1
            if (
                self._is_hopeless
                or self._failures < HOPELESS_FAILURES
                or now_s - self._since_s < HOPELESS_AFTER_S
            ):
                return
            self._is_hopeless = True
        self._on_hopeless()
