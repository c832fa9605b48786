"""Filters that are loaded anew while calls go on: for their authors, or since their numbers are too narrow.

The one that is loaded serves until the new one is warm. One that cannot be loaded is reported as failed, and
nothing is shown of the old one: an author shall not take its picture for the new one's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from inference_service.filters.attempts import SAFER, precision_after
from inference_service.filters.base import Filter
from inference_service.filters.entry import Entry
from inference_service.filters.loader import Loader
from shared.wire import FilterState

logger = logging.getLogger(__name__)

UNLOADED_AFTER_S = 5.0
"""Longer than a frame waits for its batch. So no batch uses a filter that is unloaded."""


class Renewal:
    """Works in the loader's thread; `lock` is that of the entries."""

    def __init__(
        self,
        loader: Loader,
        lock: threading.Lock,
        device: torch.device,
        on_gone: Callable[[str], None],
    ) -> None:
        """`on_gone` is called with the name of each filter that another one has replaced."""
        self._loader = loader
        self._device = device
        loader.when_idle = self._unload_old
        self._lock = lock
        self._on_gone = on_gone
        self._old: list[tuple[float, Filter]] = []

    def renew_soon(self, entry: Entry) -> None:
        """Import and load a filter anew; any thread."""
        self._loader.do_soon(partial(self._renew, entry))

    def lower_soon(self, entry: Entry, one: Filter) -> bool:
        """Load a filter anew with numbers that reach further; any thread. Tells whether there are any.

        `one` is the instance whose numbers did not: the present one, or one that was replaced just now.
        """
        with self._lock:
            if entry.loaded is not one or entry.is_lowered:
                # Of batches that were under way.
                return True
            precision = precision_after(one.settings, self._device)
            if precision is None:
                return False
            entry.is_lowered = True
            entry.less, entry.lacks = {"precision": precision}, (SAFER[precision],)
        self._loader.do_soon(partial(self._lower, entry, precision))
        return True

    def _lower(self, entry: Entry, precision: str) -> None:
        self._unload_old()
        old = entry.loaded
        try:
            if old is not None:
                logger.info("filter %s made no finite numbers; next in %s", old.name, precision)
                self._loader.load(entry, is_anew=True)
        finally:
            with self._lock:
                entry.is_lowered = False
        self._replaced(entry, old)

    def _renew(self, entry: Entry) -> None:
        self._unload_old()
        old = entry.loaded
        with self._lock:
            entry.cls = entry.idle = entry.trouble = None
            entry.failures, entry.asks_from_s = 0, float("-inf")
            entry.less, entry.lacks = {}, ()
            entry.is_asked = True
            if entry.status is not None:
                entry.status = replace(entry.status, state=FilterState.LOADABLE)
        self._loader.load(entry, is_anew=True)
        self._replaced(entry, old)

    def _replaced(self, entry: Entry, old: Filter | None) -> None:
        if entry.loaded is old or old is None:
            return
        # What the old one has left in them may be of no use to the new one.
        self._on_gone(entry.point.name)
        self._old.append((time.monotonic() + UNLOADED_AFTER_S, old))

    def _unload_old(self) -> None:
        now_s = time.monotonic()
        due = [old for from_s, old in self._old if from_s <= now_s]
        self._old = [kept for kept in self._old if kept[0] > now_s]
        for one in due:
            try:
                one.unload()
            except Exception as exc:
                logger.error("filter %s: unloading it has failed: %s", one.name, type(exc).__name__)
