"""Ends a worker whose loop hangs: a GPU that never answers, a filter that never returns.

Loading that hangs ends nothing: see `filters/shift.py`.
"""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
import time
from collections.abc import Callable

from inference_service.engine.gauge import LoopGauge

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class Watchdog:
    """Looks at the loop's gauge in a thread of its own."""

    def __init__(
        self,
        gauge: LoopGauge,
        hang_s: float,
        on_hang: Callable[[], None],
        look_at_loading: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_hang` is called in the watchdog's thread, once a batch has lasted for `hang_s`.

        `look_at_loading` is called there twice a second.
        """
        self._gauge = gauge
        self._hang_s = hang_s
        self._on_hang = on_hang
        self._look_at_loading = look_at_loading
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Look no more; safe to call twice."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self._look_at_loading()
            now_ns = time.monotonic_ns()
            reading = self._gauge.read(now_ns)
            if reading.in_batch and now_ns - reading.since_ns > self._hang_s * 1e9:
                logger.critical("a batch has lasted for over %g s; all threads were here:", self._hang_s)
                try:
                    faulthandler.dump_traceback(sys.stderr)
                finally:
                    self._on_hang()
                return
