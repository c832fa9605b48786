"""The thread that imports and loads filters, one after the other."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from inference_service.errors import WeightsError
from inference_service.filters.base import Filter
from inference_service.filters.entry import Entry, Progress, checked, status_of
from inference_service.filters.loading import load
from inference_service.filters.room import NoRoom, Room
from shared.wire import FilterState, FilterStatus

logger = logging.getLogger(__name__)

LOADING_FROM, WARMING_FROM = 0.3, 0.8
"""Fractions of the progress that a page is shown."""
TRY_AGAIN_AFTER_S = 60.0
ROOM_AGAIN_AFTER_S = 2.0
"""A filter without room is tried again after this time, if it is still wanted."""
WAITS_FOR_ROOM = Progress("waiting for memory that other filters use", 0.0)

Warm = Callable[[Filter], None]
"""Runs a filter once on a picture of the usual size; raises what the filter raises."""


class Loader:
    """Works off what is asked of it, in a thread of its own; `lock` is that of the entries."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        lock: threading.Lock,
        room: Room,
        device: torch.device,
        settings: Mapping[str, Mapping[str, Any]],
        weights_dir: Path,
        warm: Warm,
        on_change: Callable[[], None],
    ) -> None:
        """`settings` by the filter's name; `on_change` is called in the thread on each new state."""
        self.loading_since_ns: int | None = None
        """Monotonic clock at which the present loading began; None while nothing is loaded."""
        self._entries = entries
        self._lock = lock
        self._room = room
        self._device = device
        self._settings = settings
        self._weights_dir = weights_dir
        self._warm = warm
        self._on_change = on_change
        self._is_short = False
        # Bounded by the number of filters: each is asked for once, and so is more room.
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="loader", daemon=True)

    def start(self) -> None:
        """Begin with what has been asked for."""
        self._thread.start()

    def end(self) -> None:
        """Ask the thread to end; one that is in the middle of loading is not waited for."""
        self._jobs.put(None)

    def describe_soon(self, entry: Entry) -> None:
        """Import a filter in the thread."""
        self._jobs.put(partial(self.describe, entry))

    def load_soon(self, entry: Entry, now_s: float) -> None:
        """Load a filter in the thread, unless that is under way or has to wait; the caller has the lock."""
        if not entry.is_asked and now_s >= entry.asks_from_s:
            entry.is_asked = True
            self._jobs.put(partial(self._load, entry))

    def make_room_soon(self) -> None:
        """Let go of one filter in the thread, if any is idle; any thread."""
        if not self._is_short:
            self._is_short = True
            self._jobs.put(self._relieve)

    def describe(self, entry: Entry) -> type[Filter] | None:
        """Import a filter and note what is known of it; None where that fails."""
        if entry.cls is not None or entry.reason:
            return entry.cls
        try:
            cls = checked(entry.point.name, entry.point.load())
            status = status_of(cls)
        except (Exception, SystemExit) as exc:
            self._fail(entry, "could not be imported", exc)
            return None
        with self._lock:
            entry.cls, entry.status = cls, status
        self._on_change()
        return cls

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=TRY_AGAIN_AFTER_S)
            except queue.Empty:
                # A network may be back, or a file be there now.
                for entry in self._entries.values():
                    if entry.lacks_weights:
                        self._load(entry)
                continue
            if job is None:
                return
            job()

    def _load(self, entry: Entry) -> None:
        name = entry.point.name
        self.loading_since_ns = started_ns = time.monotonic_ns()
        try:
            entry.progress = Progress(f"importing {name}", 0.1)
            cls = self.describe(entry)
            if cls is None:
                return
            self._set_state(entry, FilterState.LOADING)
            made = self._room.fit(entry, partial(self._made, entry, cls))
            with self._lock:
                entry.loaded, entry.reason, entry.lacks_weights = made, "", False
                entry.used_s = time.monotonic()
            self._set_state(entry, FilterState.LOADED)
            del made
            logger.info(
                "filter %s loaded in %.1f s; it holds %d MiB",
                name,
                (time.monotonic_ns() - started_ns) / 1e9,
                entry.held_bytes >> 20,
            )
        except NoRoom:
            logger.info("filter %s has to wait for memory that others use", name)
            self._set_state(entry, FilterState.LOADABLE)
            with self._lock:
                entry.progress, entry.is_asked = WAITS_FOR_ROOM, False
                entry.asks_from_s = time.monotonic() + ROOM_AGAIN_AFTER_S
        except (Exception, SystemExit) as exc:
            self._fail(entry, "could not be loaded", exc)
        finally:
            self.loading_since_ns = None
            self._on_change()

    def _made(self, entry: Entry, cls: type[Filter]) -> Filter:
        name = entry.point.name
        entry.progress = Progress(f"loading {name}", LOADING_FROM)
        settings = self._settings.get(name, {})
        made = load(cls, self._device, settings, self._weights_dir, partial(self._tell, entry))
        entry.progress = Progress(f"warming up {name}", WARMING_FROM)
        self._warm(made)
        return made

    def _relieve(self) -> None:
        self._is_short = False
        if self._room.let_go_one():
            self._on_change()

    def _tell(self, entry: Entry, text: str, fraction: float) -> None:
        entry.progress = Progress(text, LOADING_FROM + (WARMING_FROM - LOADING_FROM) * fraction)

    def _set_state(self, entry: Entry, state: FilterState) -> None:
        with self._lock:
            assert entry.status is not None
            held_bytes = entry.held_bytes if state is FilterState.LOADED else 0
            entry.status = replace(entry.status, state=state, memory_bytes=held_bytes)
        self._on_change()

    def _fail(self, entry: Entry, what: str, exc: BaseException) -> None:
        name = entry.point.name
        logger.error("filter %s %s: %s: %s", name, what, type(exc).__name__, exc, exc_info=exc)
        with self._lock:
            # Only the kind of error travels: its text may hold a path.
            entry.reason = f"{what} ({type(exc).__name__})"
            entry.lacks_weights = isinstance(exc, WeightsError)
            known = entry.status or FilterStatus(
                name=name, title=name, state=FilterState.FAILED, keeps_state=False, schema={"type": "object"}
            )
            entry.status = replace(known, state=FilterState.FAILED, description=entry.reason)
        self._on_change()
