"""What stateful filters remember of each session: bounded in number and in age."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from inference_service.engine.growth import Growth

MAX_STATES = 512
MAX_AGE_NS = 60_000_000_000

Key = tuple[bytes, int, str]
"""Session, place in the chain, filter."""


@dataclass(slots=True)
class _Kept:
    size: tuple[int, int]
    used_ns: int
    state: dict[str, Any] = field(default_factory=dict)
    frames: int = 0
    sizes: list[int] = field(default_factory=list)
    """In bytes, as `Growth` has found them."""


class States:
    """The longest unused state goes first. Safe for several threads; the state itself is the loop's."""

    def __init__(self, max_states: int = MAX_STATES, max_age_ns: int = MAX_AGE_NS) -> None:
        self._max_states = max_states
        self._max_age_ns = max_age_ns
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._lock = threading.RLock()
        self._growth = Growth()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key, size: tuple[int, int], now_ns: int) -> dict[str, Any]:
        """Return the state to read and write in place, a new one where the (width, height) has changed."""
        with self._lock:
            self.forget_old(now_ns)
            kept = self._kept.get(key)
            if kept is None or kept.size != size:
                kept = self._kept[key] = _Kept(size, now_ns)
            kept.used_ns = now_ns
            self._kept.move_to_end(key)
            if len(self._kept) > self._max_states:
                self._kept.popitem(last=False)
        kept.frames += 1
        self._growth.look(key[2], kept.frames, kept.state, kept.sizes)
        return kept.state

    def forget(self, key: Key) -> None:
        """Begin anew with the next frame."""
        with self._lock:
            self._kept.pop(key, None)

    def forget_filter(self, name: str) -> None:
        """Let go of what this filter remembers of any session."""
        with self._lock:
            for key in [key for key in self._kept if key[2] == name]:
                del self._kept[key]

    def forget_old(self, now_ns: int) -> None:
        """Let go of every state that was not used for a minute."""
        with self._lock:
            while self._kept:
                key, oldest = next(iter(self._kept.items()))
                if now_ns - oldest.used_ns <= self._max_age_ns:
                    return
                del self._kept[key]
