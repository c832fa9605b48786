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

from inference_service.device import context
from inference_service.errors import FilterFailed
from inference_service.filters import trouble
from inference_service.filters.attempts import Attempts, tell
from inference_service.filters.base import Filter
from inference_service.filters.entry import Entry, Progress, status_of, with_trouble
from inference_service.filters.loading import configured
from inference_service.filters.recording import Recording
from inference_service.filters.room import NoRoom, Room
from inference_service.filters.rules import checked, remarks
from inference_service.filters.shift import Shift
from inference_service.filters.trouble import BLOCKING, PASSING, Code, Trouble
from shared.wire import FilterState, FilterStatus

logger = logging.getLogger(__name__)

LOADING_FROM, WARMING_FROM = 0.3, 0.8
"""Fractions of the progress that a page is shown."""
LOOK_EVERY_S = 5.0
"""So often the thread looks whether an obstacle has gone, or one come, while it has nothing else to do."""
TRY_AGAIN_AFTER_S = 15.0
"""After the first failure that may pass; twice as long after each further one."""
TRY_AGAIN_AT_MOST_S = 600.0
RECORDING_ENDS_S = 5.0
ROOM_AGAIN_AFTER_S = 2.0
"""A filter without room is tried again after this time, if it is still wanted."""
STUCK = "nothing was heard of it for {:g} s"
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
        on_fallback: Callable[[str], None],
        on_broken: Callable[[], None],
        explain: Callable[[BaseException], str] | None = None,
    ) -> None:
        """`settings` by the filter's name; `on_change` is called in the thread on each new state.

        `explain` is what pages are told of an exception; without it only its kind.
        """
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
        self._on_fallback = on_fallback
        self._on_broken = on_broken
        self._explain = explain
        self.when_idle: Callable[[], object] = lambda: None
        """Called in the thread, now and then, while it has nothing else to do."""
        self._is_short = False
        # Bounded by the number of filters: each is asked for once, and so is more room.
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._shift = Shift(self._work)
        self._recording = Recording(
            room,
            device,
            self.do_soon,
            lambda: self._shift.is_relieved,
            self._tell_more,
            on_broken,
        )
        self._at: Entry | None = None
        """The filter that the present job has to do with."""

    def start(self) -> None:
        """Begin with what has been asked for."""
        self._shift.start()

    def relieve(self, limit_s: float) -> None:
        """Give up a filter of whose import or loading nothing was heard for so long; any other thread.

        It counts as failed, and the others are loaded in a new thread.
        """
        if not self._shift.relieve(limit_s):
            return
        entry, self.loading_since_ns, self._is_short = self._at, None, False
        if (recorded := self._recording.at) is not None:
            self._recording.give_up(recorded)
        elif entry is not None:
            self._on_fallback("loading")
            self._fail(entry, "could not be loaded", FilterFailed(entry.point.name, STUCK.format(limit_s)))
        self._shift.start()
        self._on_change()

    def end(self) -> None:
        """Ask the thread to end; one that is in the middle of loading is not waited for.

        A piece of a recording is, for a moment: a process that ends in the middle of a capture may crash.
        """
        for entry in self._entries.values():
            entry.recordings = None
        self._jobs.put(None)
        if self._recording.at is not None:
            self._shift.join(RECORDING_ENDS_S)

    def describe_soon(self, entry: Entry) -> None:
        """Import a filter in the thread."""
        self._jobs.put(partial(self.describe, entry))

    def load_soon(self, entry: Entry, now_s: float) -> None:
        """Load a filter in the thread, unless that is under way or has to wait; the caller has the lock."""
        if not entry.is_asked and now_s >= entry.asks_from_s:
            entry.is_asked = True
            self._jobs.put(partial(self.load, entry))

    def do_soon(self, job: Callable[[], object]) -> None:
        """Do something else in the thread."""
        self._jobs.put(job)

    def make_room_soon(self) -> None:
        """Let go of one filter in the thread, if any is idle; any thread."""
        if not self._is_short:
            self._is_short = True
            self._jobs.put(self._relieve)

    def describe(self, entry: Entry) -> type[Filter] | None:
        """Import a filter, and note what is known of it and what is in its way; None where that fails."""
        if entry.cls is not None or entry.has_failed:
            return entry.cls
        self._at = entry
        try:
            cls = checked(entry.point.name, entry.point.load())
            status = status_of(cls)
            made = configured(cls, self._settings_of(entry))
            obstacle = trouble.before_loading(made, self._device, self._weights_dir)
            size_bytes = trouble.weights_size_bytes(made)
            for remark in remarks(cls):
                logger.warning("filter %s %s", cls.name, remark)
        except (Exception, SystemExit) as exc:
            self._fail(entry, "could not be imported", exc)
            return None
        if self._shift.is_relieved:
            return None
        with self._lock:
            entry.cls, entry.idle = cls, made
            entry.status = replace(status, size_bytes=size_bytes)
        self._show(entry, obstacle)
        return cls

    def _work(self) -> None:
        context.enter(self._device)
        while not self._shift.is_relieved:
            try:
                job = self._jobs.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                job = self._look_at_all
            if job is None:
                return
            self._at = None
            with self._shift.working():
                job()

    def _look_at_all(self) -> None:
        self.when_idle()
        for entry in self._entries.values():
            self._look_again(entry)

    def _look_again(self, entry: Entry) -> None:
        """See whether what was in a filter's way has gone: a network is back, a file or a package there."""
        if entry.loaded is not None:
            self._tell_more(entry)
            return
        idle = entry.idle
        if idle is None or entry.trouble is None:
            return
        if entry.trouble.code in PASSING:
            if time.monotonic() < entry.asks_from_s:
                return
            if entry.is_preset:
                self.load(entry)
            elif entry.has_failed:
                # Whoever wants it next has it tried again.
                self._set_state(entry, FilterState.LOADABLE, entry.trouble)
            return
        if entry.trouble.code is Code.NEEDS_PACKAGE:
            # Not used from here on: what is loaded beside it may be of another release.
            if since := trouble.installed_since(idle):
                self._show(entry, since)
        elif entry.trouble.code in (Code.NEEDS_WEIGHTS, Code.NEEDS_GPU):
            now = trouble.before_loading(idle, self._device, self._weights_dir)
            # A filter that needs a GPU says so whether its files are there or not.
            had_weights = entry.status is not None and entry.status.has_weights
            if now != entry.trouble or self._has_weights(entry) != had_weights:
                self._show(entry, now)

    def load(self, entry: Entry, *, is_anew: bool = False) -> None:
        """Load a filter, in the thread, unless it is loaded; `is_anew`: also beside the one that is."""
        if entry.loaded is not None and not is_anew:
            # Asked for twice: while it was described it did not count as asked for.
            return
        name = entry.point.name
        self._at = entry
        self.loading_since_ns = started_ns = time.monotonic_ns()
        try:
            entry.progress = Progress(f"importing {name}", 0.1)
            cls, idle = self.describe(entry), entry.idle
            if cls is None or idle is None or (entry.trouble and entry.trouble.code in BLOCKING):
                return
            self._set_state(entry, FilterState.LOADING, trouble.on_device(idle, self._device))
            made = self._room.fit(entry, partial(self._made, entry, cls))
            self._shift.heard()
            with self._lock:
                if self._shift.is_relieved:
                    return
                entry.loaded, entry.failures, entry.told = made, 0, len(made.fallbacks)
                self._recording.begin(entry)
                entry.used_s = time.monotonic()
            self._show_loaded(entry)
            del made
            logger.info(
                "filter %s loaded in %.1f s; it holds %d MiB",
                name,
                (time.monotonic_ns() - started_ns) / 1e9,
                entry.held_bytes >> 20,
            )
        except NoRoom:
            if self._shift.is_relieved:
                return
            if is_anew:
                # Not beside the one that it replaces: then after it.
                with self._lock:
                    entry.loaded = entry.recordings = None
            logger.info("filter %s has to wait for memory that others use", name)
            with self._lock:
                entry.progress = WAITS_FOR_ROOM
                entry.asks_from_s = time.monotonic() + ROOM_AGAIN_AFTER_S
            self._set_state(entry, FilterState.LOADABLE, entry.trouble)
        except (Exception, SystemExit) as exc:
            self._fail(entry, "could not be loaded", exc)
        finally:
            if not self._shift.is_relieved:
                self.loading_since_ns = None
                self._on_change()

    def _made(self, entry: Entry, cls: type[Filter]) -> Filter:
        entry.progress = Progress(f"loading {cls.name}", LOADING_FROM)
        settings = self._settings_of(entry)
        tried = Attempts(cls, self._device, settings, self._weights_dir, self._warm, self._on_fallback)
        tried.starting_with(entry.less, entry.lacks)
        warming = partial(self._tell, entry, f"warming up {cls.name}", 1.0)
        made = tried.made(partial(self._tell, entry), warming)
        # A second attempt needs no first one that fails again.
        entry.less, entry.lacks = tried.less, tried.lacks
        return made

    def _settings_of(self, entry: Entry) -> Mapping[str, Any]:
        return self._settings.get(entry.point.name, {})

    def _relieve(self) -> None:
        self._is_short = False
        if self._room.let_go_one():
            self._on_change()

    def _tell(self, entry: Entry, text: str, fraction: float) -> None:
        self._shift.heard()
        entry.progress = Progress(text, LOADING_FROM + (WARMING_FROM - LOADING_FROM) * fraction)

    def _show_loaded(self, entry: Entry) -> None:
        """Say that a filter serves, and what it does without."""
        if entry.loaded is not None:
            self._set_state(entry, FilterState.LOADED, trouble.once_loaded(entry.loaded, self._device))

    def _tell_more(self, entry: Entry) -> None:
        """Say what a filter does without since this was last said, if it serves."""
        made = entry.loaded
        if made is not None and (new := made.fallbacks[entry.told :]):
            entry.told += len(new)
            tell(made.name, new, self._on_fallback)
            self._show_loaded(entry)

    def _show(self, entry: Entry, obstacle: Trouble | None) -> None:
        """Say what is in the way of a filter that is not loaded."""
        is_blocked = obstacle is not None and obstacle.code in BLOCKING
        self._set_state(entry, FilterState.FAILED if is_blocked else FilterState.LOADABLE, obstacle)

    def _set_state(self, entry: Entry, state: FilterState, obstacle: Trouble | None) -> None:
        if self._shift.is_relieved:
            return
        has_weights = state is FilterState.LOADED or self._has_weights(entry)
        with self._lock:
            assert entry.status is not None
            entry.trouble = obstacle
            held_bytes = entry.held_bytes if state is FilterState.LOADED else 0
            status = with_trouble(entry.status, obstacle)
            entry.status = replace(status, state=state, memory_bytes=held_bytes, has_weights=has_weights)
            if state is FilterState.LOADABLE:
                entry.is_asked = False
        self._on_change()

    def _has_weights(self, entry: Entry) -> bool:
        return entry.idle is None or trouble.has_weights(entry.idle, self._weights_dir)

    def _fail(self, entry: Entry, what: str, exc: BaseException) -> None:
        if self._shift.is_relieved:
            return
        name = entry.point.name
        logger.error("filter %s %s: %s: %s", name, what, type(exc).__name__, exc, exc_info=exc)
        found = trouble.after_failure(name, what, exc, self._weights_dir, self._explain)
        with self._lock:
            if found.code in PASSING:
                wait_s = min(TRY_AGAIN_AFTER_S * 2**entry.failures, TRY_AGAIN_AT_MOST_S)
                entry.asks_from_s = time.monotonic() + wait_s
                entry.failures += 1
            if entry.status is None:
                # Before the status: `Registry.chain` raises for one that has failed only with its reason.
                entry.trouble = found
                entry.status = FilterStatus(
                    name=name,
                    title=name,
                    state=FilterState.FAILED,
                    keeps_state=False,
                    schema={"type": "object"},
                )
        self._set_state(entry, FilterState.FAILED, found)
        if context.is_broken(self._device, exc):
            self._on_broken()
