"""Newest frames of all sessions -> the next batch.

Frames share a batch where their chain, size, colour and parameters allow it. Between two batches the newer
frame of a session replaces the one that waits but keeps its place in the queue, so that no group starves.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

from inference_service.colour import Colour
from inference_service.filters.base import Filter
from inference_service.metrics import Metrics
from inference_service.params import ChainParams
from inference_service.receiver import Received

MAX_WAIT_NS = 1_000_000_000
"""A frame that has waited longer is dropped: its session would not show the result."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A frame with all that its filters need."""

    received: Received
    chain: tuple[Filter, ...]
    params: ChainParams

    @property
    def batch_key(self) -> Hashable:
        """Equal for frames that may share a batch."""
        header = self.received.header
        return (
            header.filters,
            header.width,
            header.height,
            header.colour_range,
            header.colour_matrix,
            self.params.batch_key,
        )

    @property
    def colour(self) -> Colour:
        return Colour(self.received.header.colour_range, self.received.header.colour_matrix)


class Batcher:
    """What waits for a batch, one frame per session. The loop's thread only."""

    def __init__(self, max_batch: int, metrics: Metrics) -> None:
        self._max_batch = max_batch
        self._metrics = metrics
        self._waiting: dict[bytes, Ready] = {}
        self._since_ns: dict[bytes, int] = {}

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    def add(self, ready: Ready) -> None:
        """Let a frame wait; it replaces an older one of its session."""
        session = ready.received.header.session
        if session in self._waiting:
            self._metrics.frames_replaced += 1
        self._waiting[session] = ready
        self._since_ns.setdefault(session, ready.received.since_ns)

    def discard(self, session: bytes) -> None:
        """Forget a session's frame, since a newer one of it cannot be filtered."""
        if self._waiting.pop(session, None) is not None:
            self._metrics.frames_replaced += 1
        self._since_ns.pop(session, None)

    def next(self, now_ns: int) -> list[Ready]:
        """Return the next batch, the session that waits longest and all that may go with it; [] when empty.

        A group over the limit is cut into equal parts, since 17 + 16 frames end earlier than 32 + 1.
        """
        self._drop_late(now_ns)
        if not self._waiting:
            return []
        first = min(self._since_ns, key=self._since_ns.__getitem__)
        key = self._waiting[first].batch_key
        group = sorted(
            (session for session, ready in self._waiting.items() if ready.batch_key == key),
            key=self._since_ns.__getitem__,
        )
        size = math.ceil(len(group) / math.ceil(len(group) / self._max_batch))
        batch = [self._waiting.pop(session) for session in group[:size]]
        for session in group[:size]:
            del self._since_ns[session]
        return batch

    def _drop_late(self, now_ns: int) -> None:
        late = [s for s, r in self._waiting.items() if now_ns - r.received.arrived_ns > MAX_WAIT_NS]
        for session in late:
            del self._waiting[session], self._since_ns[session]
        if late:
            self._metrics.frames_dropped["late"] += len(late)
