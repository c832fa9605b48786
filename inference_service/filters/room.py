"""Loaded filters side by side, as memory allows: the one that was not used for longest goes first."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from inference_service.device.memory import Memory, is_shortage
from inference_service.filters.base import Filter, Piece
from inference_service.filters.entry import NOT_ASKED, Entry
from shared.wire import FilterState

logger = logging.getLogger(__name__)

IDLE_S = 5.0
"""A filter that a frame has wanted within this time is in use."""


class NoRoom(Exception):
    """A filter does not fit beside those that are in use; it may later."""


@dataclass(frozen=True, slots=True)
class Space:
    """What loaded filters may take."""

    memory: Memory
    limit_bytes: int | None = None
    """Of all of them together, by the operator's word; None: what the device has."""
    idle_s: float = IDLE_S
    """Longer than any frame waits for its batch: so no frame waits for one that is let go."""


class Room:
    """Lets go of filters. The loader's thread only; `lock` is that of the entries."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        lock: threading.Lock,
        space: Space,
        on_let_go: Callable[[str], None],
    ) -> None:
        """`on_let_go` is called with the name of each filter that has been let go."""
        self._entries = entries
        self._lock = lock
        self._space = space
        self._on_let_go = on_let_go

    def fit(self, entry: Entry, load: Callable[[], Filter]) -> Filter:
        """Return the filter that `load` makes, with what it holds noted in its entry.

        Lets go of others as far as need be. Raises NoRoom where those are in use, and what `load` raises.
        """
        memory = self._space.memory
        self._make_for(entry)
        while True:
            before_bytes = memory.held_bytes()
            try:
                made = load()
                break
            except Exception as exc:
                if not is_shortage(exc):
                    raise
            # Here, where the exception no longer holds what the load has taken.
            memory.give_back()
            if self.let_go_one(but=entry):
                continue
            if self._others(entry) or memory.is_shared:
                raise NoRoom
            raise MemoryError("not even alone")
        entry.held_bytes = max(0, memory.held_bytes() - before_bytes)
        try:
            self._keep(entry)
        except NoRoom:
            made.unload()
            del made
            memory.give_back()
            raise
        return made

    def grow(self, entry: Entry, piece: Piece) -> None:
        """Let a loaded filter take more, which is noted; raises what `piece` raises."""
        before_bytes = self._space.memory.held_bytes()
        try:
            piece()
        finally:
            # Signed: batches that run meanwhile hold now more and now less.
            grown_bytes = self._space.memory.held_bytes() - before_bytes
            entry.held_bytes = max(0, entry.held_bytes + grown_bytes)

    def may_grow(self, entry: Entry) -> bool:
        """Tell whether a loaded filter may take more: batches and the operator's limit leave room."""
        memory, limit_bytes = self._space.memory, self._space.limit_bytes
        if limit_bytes is not None and self._others_bytes(entry) + entry.held_bytes >= limit_bytes:
            return False
        return memory.free_bytes() > memory.reserve_bytes

    def let_go_one(self, but: Entry | None = None) -> bool:
        """Let go of the filter that was not used for longest; returns whether there was one to let go."""
        with self._lock:
            latest_s = time.monotonic() - self._space.idle_s
            idle = [
                one
                for one in self._entries.values()
                if one.loaded is not None and one is not but and not one.running and one.used_s <= latest_s
            ]
            if not idle:
                return False
            entry = min(idle, key=lambda one: one.used_s)
            gone, entry.loaded, entry.recordings = entry.loaded, None, None
            entry.is_asked, entry.progress = False, NOT_ASKED
            assert entry.status is not None
            entry.status = replace(entry.status, state=FilterState.LOADABLE, memory_bytes=0)
        name = entry.point.name
        assert gone is not None
        try:
            gone.unload()
        except Exception as exc:
            # Without its traceback, which would hold the filter.
            logger.error("filter %s: unloading it has failed: %s: %s", name, type(exc).__name__, str(exc))
        self._on_let_go(name)
        # The last reference, so that its memory is free when it is given back.
        del gone
        self._space.memory.give_back()
        logger.info("filter %s let go, which held %d MiB", name, entry.held_bytes >> 20)
        return True

    def _make_for(self, entry: Entry) -> None:
        """Let go of as many as it takes for one that is about to be loaded, as far as that is known.

        Raises NoRoom where those that would have to go are in use.
        """
        while self._lacks(entry):
            if not self.let_go_one(but=entry):
                if self._others(entry):
                    raise NoRoom
                # Alone it is loaded whatever the figures say, which are no more than a forecast.
                return

    def _keep(self, entry: Entry) -> None:
        """Accept one that has just been loaded and measured; raises NoRoom as `_make_for` does."""
        limit_bytes = self._space.limit_bytes
        if limit_bytes is None:
            return
        while self._others_bytes(entry) + entry.held_bytes > limit_bytes:
            if not self.let_go_one(but=entry):
                if self._others(entry):
                    raise NoRoom
                logger.warning(
                    "filter %s holds %d MiB, over --filter-memory-mb by itself",
                    entry.point.name,
                    entry.held_bytes >> 20,
                )
                return

    def _lacks(self, entry: Entry) -> bool:
        memory, limit_bytes = self._space.memory, self._space.limit_bytes
        if limit_bytes is not None and self._others_bytes(entry) + entry.held_bytes > limit_bytes:
            return True
        return memory.free_bytes() < entry.held_bytes + memory.reserve_bytes

    def _others(self, entry: Entry) -> list[Entry]:
        return [one for one in self._entries.values() if one.loaded is not None and one is not entry]

    def _others_bytes(self, entry: Entry) -> int:
        return sum(one.held_bytes for one in self._others(entry))
