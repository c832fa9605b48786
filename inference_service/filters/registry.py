"""All filters of a worker: built in or plugged in, imported when described, loaded in a thread of their own.

A plug-in is an entry point of the group `p2pcamera.filters` whose value is the class and whose name is the
filter's. One that cannot be used is reported as failed and hurts nothing else.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import torch

from inference_service.errors import FilterFailed, FilterNotUsable, UnknownFilter, WeightsError
from inference_service.filters.base import Filter
from inference_service.loading import load
from shared.wire import FilterState, FilterStatus

logger = logging.getLogger(__name__)

GROUP = "p2pcamera.filters"
BUILT_IN = {
    "ink": "inference_service.filters.ink:Ink",
    "densepose": "inference_service.filters.densepose:DensePose",
    "detection": "inference_service.filters.detection:Detection",
    "pose": "inference_service.filters.pose:Pose",
    "passthrough": "inference_service.filters.passthrough:Passthrough",
    "invert": "inference_service.filters.invert:Invert",
}
MAX_NAME = 64
LOADING_FROM, WARMING_FROM = 0.3, 0.8
"""Fractions of the progress that a page is shown."""
TRY_AGAIN_AFTER_S = 60.0
MAX_SCHEMA_BYTES = 32 * 1024
"""A status message carries the schemas of all filters, four times a second."""

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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the loading of a filter is."""

    text: str
    fraction: float


@dataclass(slots=True)
class _Entry:
    point: EntryPoint
    status: FilterStatus | None = None
    """None until the class is imported."""
    cls: type[Filter] | None = None
    loaded: Filter | None = None
    progress: Progress = Progress("waiting to be loaded", 0.0)
    reason: str = ""
    """Why it cannot be used; empty while it can, or may come to be."""
    lacks_weights: bool = False


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
    ) -> None:
        """`settings` by the filter's name; `on_change` is called in the loading thread on each new state."""
        self._entries = {name: _Entry(point) for name, point in points.items()}
        self._device = device
        self._settings = settings
        self._weights_dir = weights_dir
        self._warm = warm
        self._on_change = on_change
        self._lock = threading.Lock()
        self._loading_since_ns: int | None = None
        self._asked: set[str] = set()
        # Bounded by the number of filters: each is asked for once.
        self._jobs: queue.SimpleQueue[tuple[Callable[[str], object], str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="loader", daemon=True)

    def open(self, load: Sequence[str]) -> None:
        """Describe the built-in filters at once; then, in the thread, load `load` and describe the rest."""
        for name in self._entries:
            if name in BUILT_IN:
                self._describe(name)
        for name in load:
            self._ask(name)
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
        for entry in entries:
            if entry.loaded is not None:
                ready.append(entry.loaded)
                continue
            self._ask(entry.point.name)
            progress = progress or entry.progress
        return progress or tuple(ready)

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownFilter(name)
        return entry

    def _ask(self, name: str) -> None:
        if name not in self._asked:
            self._asked.add(name)
            self._jobs.put((self._load, name))

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
            status = _status_of(cls)
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
            entry.progress = Progress(f"loading {name}", LOADING_FROM)
            settings = self._settings.get(name, {})
            made = load(cls, self._device, settings, self._weights_dir, partial(self._tell, entry))
            entry.progress = Progress(f"warming up {name}", WARMING_FROM)
            self._warm(made)
            entry.loaded, entry.reason, entry.lacks_weights = made, "", False
            self._set_state(entry, FilterState.LOADED)
            logger.info("filter %s loaded in %.1f s", name, (time.monotonic_ns() - started_ns) / 1e9)
        except (Exception, SystemExit) as exc:
            self._fail(entry, "could not be loaded", exc)
        finally:
            self._loading_since_ns = None
            self._on_change()

    def _tell(self, entry: _Entry, text: str, fraction: float) -> None:
        entry.progress = Progress(text, LOADING_FROM + (WARMING_FROM - LOADING_FROM) * fraction)

    def _set_state(self, entry: _Entry, state: FilterState) -> None:
        with self._lock:
            assert entry.status is not None
            entry.status = replace(entry.status, state=state)
        self._on_change()

    def _fail(self, entry: _Entry, what: str, exc: BaseException) -> None:
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


def checked(name: str, cls: object) -> type[Filter]:
    """Return the class; raises FilterNotUsable where it is no filter of this name."""
    if not isinstance(cls, type) or not issubclass(cls, Filter):
        raise FilterNotUsable(f"expected a subclass of Filter, not {cls!r}")
    if getattr(cls, "name", None) != name:
        raise FilterNotUsable(
            f"the class calls itself {getattr(cls, 'name', None)!r}, the entry point {name!r}"
        )
    unknown = set(cls.equal_params or ()) - set(cls.Params.model_fields)
    if unknown:
        raise FilterNotUsable(f"equal_params names no parameter: {', '.join(sorted(unknown))}")
    return cls


def _status_of(cls: type[Filter]) -> FilterStatus:
    schema = cls.Params.model_json_schema()
    if len(json.dumps(schema)) > MAX_SCHEMA_BYTES:
        raise FilterNotUsable(f"the schema of its parameters is over {MAX_SCHEMA_BYTES} bytes")
    if not (isinstance(cls.title, str) and len(cls.title) <= 256 and len(cls.description) <= 2048):
        raise FilterNotUsable("expected a title of at most 256 and a description of at most 2048 characters")
    return FilterStatus(
        name=cls.name,
        title=cls.title,
        description=cls.description,
        state=FilterState.LOADABLE,
        keeps_state=cls.keeps_state,
        schema=schema,
    )
