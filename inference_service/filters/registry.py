"""All filters of a worker: built in or plugged in, imported when described, loaded in a thread of their own.

A plug-in is an entry point of the group `p2pcamera.filters` whose value is the class and whose name is the
filter's. One that cannot be used is reported as failed and hurts nothing else.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import torch

from inference_service.device.memory import of_device
from inference_service.errors import FilterFailed, UnknownFilter, WeightsError
from inference_service.filters.base import Filter
from inference_service.filters.entry import Entry, Progress, checked, status_of
from inference_service.filters.loading import load
from inference_service.filters.room import NoRoom, Room, Space
from shared.wire import FilterState, FilterStatus

logger = logging.getLogger(__name__)

GROUP = "p2pcamera.filters"
BUILT_IN = {
    "ink": "inference_service.filters.ink:Ink",
    "densepose": "inference_service.filters.densepose:DensePose",
    "segmentation": "inference_service.filters.segmentation:Segmentation",
    "background": "inference_service.filters.background:Background",
    "detection": "inference_service.filters.detection:Detection",
    "pose": "inference_service.filters.pose:Pose",
    "face": "inference_service.filters.face:Face",
    "grade": "inference_service.filters.grade:Grade",
    "img2img": "inference_service.filters.img2img:Img2Img",
    "passthrough": "inference_service.filters.passthrough:Passthrough",
    "invert": "inference_service.filters.invert:Invert",
}
MAX_NAME = 64
LOADING_FROM, WARMING_FROM = 0.3, 0.8
"""Fractions of the progress that a page is shown."""
TRY_AGAIN_AFTER_S = 60.0
ROOM_AGAIN_AFTER_S = 2.0
"""So long after there was no room for a filter it is tried again, if it is still wanted."""
WAITS_FOR_ROOM = Progress("waiting for memory that other filters use", 0.0)

Warm = Callable[[Filter], None]
"""Runs a filter once on a picture of the usual size; raises what the filter raises."""


def installed() -> dict[str, EntryPoint]:
    """Return every filter that can be had, by name, without importing any; a built-in one wins."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        if point.name in BUILT_IN or point.name in found:
            logger.warning("filter %s of %s is left out: the name is taken", point.name, point.value)
        elif 0 < len(point.name) <= MAX_NAME:
            found[point.name] = point
    return {name: EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()} | found


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
    ) -> None:
        """`settings` by the filter's name; `on_change` is called in the loading thread on each new state.

        `space` is what the device has, unless it is given.
        """
        self._entries = {name: Entry(point) for name, point in points.items()}
        self._device = device
        self._settings = settings
        self._weights_dir = weights_dir
        self._warm = warm
        self._on_change = on_change
        self._lock = threading.Lock()
        self._room = Room(self._entries, self._lock, space or Space(of_device(device)), on_let_go)
        self._is_short = False
        self._loading_since_ns: int | None = None
        # Bounded by the number of filters: each is asked for once, and so is more room.
        self._jobs: queue.SimpleQueue[tuple[Callable[[str], object], str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="loader", daemon=True)

    def open(self, load: Sequence[str]) -> None:
        """Describe the built-in filters at once; then, in the thread, load `load` and describe the rest."""
        for name in self._entries:
            if name in BUILT_IN:
                self._describe(name)
        for name in load:
            self._ask(self._entry(name), time.monotonic())
        for name in self._entries:
            if name not in BUILT_IN:
                self._jobs.put((self._describe, name))
        self._thread.start()

    def close(self) -> None:
        """Ask the thread to end; one that is in the middle of loading is not waited for."""
        self._jobs.put(None)

    @property
    def is_loading(self) -> bool:
        """The thread is loading a filter."""
        return self._loading_since_ns is not None

    @property
    def loading_since_ns(self) -> int | None:
        """Monotonic clock at which the present loading began; None while nothing is loaded."""
        return self._loading_since_ns

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
            if entry.reason:
                raise FilterFailed(entry.point.name, entry.reason)
        ready: list[Filter] = []
        progress: Progress | None = None
        now_s = time.monotonic()
        with self._lock:
            for entry in entries:
                entry.used_s = now_s
                if entry.loaded is not None:
                    ready.append(entry.loaded)
                    continue
                self._ask(entry, now_s)
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

    def make_room(self) -> None:
        """Let go of one filter soon, if any is idle: a frame did not fit into memory; any thread."""
        if not self._is_short:
            self._is_short = True
            self._jobs.put((self._relieve, ""))

    def _entry(self, name: str) -> Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownFilter(name)
        return entry

    def _ask(self, entry: Entry, now_s: float) -> None:
        if not entry.is_asked and now_s >= entry.asks_from_s:
            entry.is_asked = True
            self._jobs.put((self._load, entry.point.name))

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=TRY_AGAIN_AFTER_S)
            except queue.Empty:
                # A network may be back, or a file be there now.
                for name, entry in self._entries.items():
                    if entry.lacks_weights:
                        self._load(name)
                continue
            if job is None:
                return
            do, name = job
            do(name)

    def _describe(self, name: str) -> type[Filter] | None:
        entry = self._entries[name]
        if entry.cls is not None or entry.reason:
            return entry.cls
        try:
            cls = checked(name, entry.point.load())
            status = status_of(cls)
        except (Exception, SystemExit) as exc:
            self._fail(entry, "could not be imported", exc)
            return None
        with self._lock:
            entry.cls, entry.status = cls, status
        self._on_change()
        return cls

    def _load(self, name: str) -> None:
        entry = self._entries[name]
        self._loading_since_ns = started_ns = time.monotonic_ns()
        try:
            entry.progress = Progress(f"importing {name}", 0.1)
            cls = self._describe(name)
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
            self._loading_since_ns = None
            self._on_change()

    def _made(self, entry: Entry, cls: type[Filter]) -> Filter:
        name = entry.point.name
        entry.progress = Progress(f"loading {name}", LOADING_FROM)
        settings = self._settings.get(name, {})
        made = load(cls, self._device, settings, self._weights_dir, partial(self._tell, entry))
        entry.progress = Progress(f"warming up {name}", WARMING_FROM)
        self._warm(made)
        return made

    def _relieve(self, _: str) -> None:
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
