"""All filters of a worker: built in or plugged in, imported when described, loaded in a thread of their own.

A plug-in that cannot be used is reported as failed and hurts nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import torch

from inference_service.device.memory import of_device
from inference_service.errors import FilterFailed, UnknownFilter
from inference_service.filters.base import Filter
from inference_service.filters.entry import Entry, Progress
from inference_service.filters.installed import BUILT_IN
from inference_service.filters.loader import Loader, Warm
from inference_service.filters.renewal import Renewal
from inference_service.filters.room import Room, Space
from shared.wire import FilterStatus


class Registry:
    """Knows the state of each filter; whoever needs one that is not loaded asks again later."""

    def __init__(
        self,
        points: Mapping[str, EntryPoint],
        device: torch.device,
        settings: Mapping[str, Mapping[str, Any]],
        weights_dir: Path,
        warm: Warm,
        on_change: Callable[[], None],
        space: Space | None = None,
        on_let_go: Callable[[str], None] = lambda name: None,
        on_fallback: Callable[[str], None] = lambda kind: None,
        on_broken: Callable[[], None] = lambda: None,
        explain: Callable[[BaseException], str] | None = None,
    ) -> None:
        """`settings` by the filter's name; `on_change` is called in the loading thread on each new state.

        `space` is what the device has, unless it is given. `on_fallback` is called for each thing that a
        loaded filter does without, `on_broken` where loading shows that the device is of no use any more.
        `explain` gives pages the words for an exception.
        """
        self._entries = {name: Entry(point) for name, point in points.items()}
        self._lock = threading.Lock()
        room = Room(self._entries, self._lock, space or Space(of_device(device)), on_let_go)
        told = (on_change, on_fallback, on_broken, explain)
        self._loader = Loader(self._entries, self._lock, room, device, settings, weights_dir, warm, *told)
        self._renewal = Renewal(self._loader, self._lock, device, on_let_go)

    def open(self, load: Sequence[str]) -> None:
        """Describe the built-in filters at once; then, in the thread, load `load` and describe the rest."""
        for name, entry in self._entries.items():
            if name in BUILT_IN:
                self._loader.describe(entry)
        for name in load:
            self._entry(name).is_preset = True
            self._loader.load_soon(self._entry(name), time.monotonic())
        for name, entry in self._entries.items():
            if name not in BUILT_IN:
                self._loader.describe_soon(entry)
        self._loader.start()

    def renew(self, before: Callable[[], object]) -> None:
        """Import and load the plug-ins of the operator's list anew, soon; any thread.

        `before` is called first, in the loading thread: it makes Python forget their modules.
        """
        self._loader.do_soon(before)
        for name, entry in self._entries.items():
            if name not in BUILT_IN and entry.is_preset:
                self._renewal.renew_soon(entry)

    def close(self) -> None:
        """Ask the thread to end; one that is in the middle of loading is not waited for."""
        self._loader.end()

    def relieve(self, limit_s: float) -> None:
        """Give up a filter whose loading says nothing for so long; any thread but the loading one."""
        self._loader.relieve(limit_s)

    @property
    def loading_since_ns(self) -> int | None:
        """Monotonic clock at which the present loading began; None while nothing is loaded."""
        return self._loader.loading_since_ns

    @property
    def is_recording(self) -> bool:
        """Some filter serves that is not yet as fast as it will be; see `Filter.recordings`."""
        return any(entry.recordings is not None for entry in self._entries.values())

    def statuses(self) -> tuple[FilterStatus, ...]:
        """Return what is known of each filter, in the order of their names."""
        with self._lock:
            return tuple(e.status for _, e in sorted(self._entries.items()) if e.status is not None)

    def chain(self, names: Iterable[str]) -> tuple[Filter, ...] | Progress:
        """Return the loaded filters of a chain, or how far the first that is not loaded has come.

        Asks for the loading of every one of them. Raises UnknownFilter, or FilterFailed for one that could
        not be loaded.
        """
        names = tuple(names)
        entries = [self._entry(name) for name in names]
        for entry in entries:
            if entry.has_failed and entry.trouble is not None:
                raise FilterFailed(entry.point.name, entry.trouble.text)
        ready: list[Filter] = []
        progress: Progress | None = None
        now_s = time.monotonic()
        with self._lock:
            for entry in entries:
                entry.used_s = now_s
                if entry.loaded is not None:
                    ready.append(entry.loaded)
                    continue
                self._loader.load_soon(entry, now_s)
                progress = progress or entry.progress
        return progress or tuple(ready)

    def begin(self, chain: Iterable[Filter]) -> None:
        """A batch is under way in which these take part: none of them is let go before its end."""
        with self._lock:
            for one in chain:
                self._entries[one.name].running += 1

    def end(self, chain: Iterable[Filter]) -> None:
        """A batch that has begun is over; any thread."""
        now_s = time.monotonic()
        with self._lock:
            for one in chain:
                entry = self._entries[one.name]
                entry.running -= 1
                entry.used_s = now_s

    def spoiled(self, one: Filter) -> bool:
        """Load a filter anew that left values that are no numbers, with wider ones; any thread.

        Tells whether that is done; else nothing would help. It serves until the new one is ready.
        """
        return self._renewal.lower_soon(self._entry(one.name), one)

    def make_room(self) -> None:
        """Let go of one filter soon, if any is idle: a frame did not fit into memory; any thread."""
        self._loader.make_room_soon()

    def _entry(self, name: str) -> Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownFilter(name)
        return entry
