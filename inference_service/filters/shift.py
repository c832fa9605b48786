"""The thread that works off the loader's jobs, and one that takes over from it where a job is stuck.

A thread cannot be ended from outside: a driver that never answers, an import that waits for ever. So it is
left alone, and whatever it does later is not heeded. Filters that are loaded go on being served.
"""

from __future__ import annotations

import faulthandler
import io
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

logger = logging.getLogger(__name__)


class Shift:
    """One thread at a time; `working` and `heard` belong to it."""

    def __init__(self, work: Callable[[], None]) -> None:
        """`work` runs in each thread, and returns soon after `is_relieved` has become true for it."""
        self._work = work
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._relieved: set[threading.Thread] = set()
        self._heard_ns: int | None = None
        """When the present job was last heard of; None while there is none."""

    def start(self) -> None:
        """Begin; also in a new thread after one that is stuck."""
        self._thread = threading.Thread(target=self._work, name="loader", daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended, for so long at most; any other thread."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    @property
    def is_relieved(self) -> bool:
        """Another thread has taken over from the calling one."""
        return threading.current_thread() in self._relieved

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the body as one job."""
        self.heard()
        try:
            yield
        finally:
            with self._lock:
                if not self.is_relieved:
                    self._heard_ns = None

    def heard(self) -> None:
        """The present job goes on."""
        with self._lock:
            if not self.is_relieved:
                self._heard_ns = time.monotonic_ns()

    def relieve(self, limit_s: float) -> bool:
        """Heed the present thread no more where nothing was heard of its job for so long; return whether so.

        `start` is to be called then. Any other thread. Writes the stacks of all threads to standard error.
        """
        with self._lock:
            if self._thread is None or self._heard_ns is None:
                return False
            if time.monotonic_ns() - self._heard_ns <= limit_s * 1e9:
                return False
            self._relieved.add(self._thread)
            self._heard_ns = None
        logger.critical("loading says nothing for over %g s; all threads are here:", limit_s)
        with suppress(OSError, ValueError, io.UnsupportedOperation):
            faulthandler.dump_traceback(sys.stderr)
        return True
