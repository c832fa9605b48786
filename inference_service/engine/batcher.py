"""Newest frames of all sessions -> the next batch.

Frames share a batch where their chain, size, colour and parameters allow it. Sessions take turns, by the
pixels that they were served (`turns.py`): one large camera takes no more of a worker than each of the
others. The order of waiting times would not be fair. Take two cameras of 30 fps on a worker that carries 20
frames. The one whose frames come just after a batch has begun would win each time.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

from inference_service.device.colour import Colour
from inference_service.engine.mailbox import MAX_SESSIONS, Received
from inference_service.engine.params import ChainParams
from inference_service.engine.turns import Turns
from inference_service.filters.base import Filter
from inference_service.metrics import Metrics

PIXELS_PER_PLACE = 1280 * 720
"""A batch has `max_batch` times so many pixels at most, and at least one frame."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A frame with all that its filters need."""

    received: Received
    chain: tuple[Filter, ...]
    params: ChainParams
    is_suspect: bool = False
    """The filter has lately failed on this session's frames, so that it gets a batch of its own."""

    @property
    def batch_key(self) -> Hashable:
        """Equal for frames that may share a batch."""
        header = self.received.header
        return (
            header.filters,
            # A filter that was loaded anew may have other parameters.
            self.chain,
            header.width,
            header.height,
            header.colour_range,
            header.colour_matrix,
            self.params.batch_key,
            header.session if self.is_suspect else None,
        )

    @property
    def colour(self) -> Colour:
        return Colour(self.received.header.colour_range, self.received.header.colour_matrix)


class Batcher:
    """What waits for a batch, one frame per session. The loop's thread only."""

    def __init__(self, max_batch: int, max_wait_ms: float, metrics: Metrics) -> None:
        """`max_wait_ms`: an older frame is late, since its session would not show the result."""
        self._max_batch = max_batch
        self._max_wait_ns = int(max_wait_ms * 1e6)
        self._metrics = metrics
        self._waiting: dict[bytes, Ready] = {}
        # A frame that replaces another keeps its place.
        self._start_tags: dict[bytes, int] = {}
        self._turns = Turns()

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    def add(self, ready: Ready) -> None:
        """Let a frame wait; it replaces an older one of its session, and is dropped where too many wait."""
        session = ready.received.header.session
        if session in self._waiting:
            self._metrics.frames_replaced += 1
        elif len(self._waiting) >= MAX_SESSIONS:
            self._metrics.frames_dropped["full"] += 1
            return
        else:
            self._start_tags[session] = self._turns.start_tag(session)
        self._waiting[session] = ready

    def discard(self, session: bytes) -> None:
        """Forget a session's frame, since a newer one of it cannot be filtered."""
        if self._waiting.pop(session, None) is not None:
            del self._start_tags[session]
            self._metrics.frames_replaced += 1

    def late(self, now_ns: int) -> list[Ready]:
        """Return the frames that have waited for too long, and forget them."""
        late = [r for r in self._waiting.values() if now_ns - r.received.arrived_ns > self._max_wait_ns]
        for ready in late:
            del self._waiting[ready.received.header.session]
            del self._start_tags[ready.received.header.session]
        if late:
            self._metrics.frames_dropped["late"] += len(late)
        return late

    def next(self, most: int | None = None) -> list[Ready]:
        """Return the next batch: the session whose turn it is, and those that go with it; [] when empty.

        `most` is a limit below `max_batch`, where there is one.
        A group over the limit is cut into equal parts, since 17 + 16 frames end earlier than 32 + 1. No
        session is served twice while one of another group waits for its turn.
        """
        if not self._waiting:
            return []
        # New ones in the order in which they came, which is that of the dictionary.
        waiting = sorted(self._waiting, key=self._turn)
        key = self._waiting[waiting[0]].batch_key
        group: list[bytes] = []
        others: list[bytes] = []
        for session in waiting:
            (group if self._waiting[session].batch_key == key else others).append(session)
        if others:
            others_turn = self._turn(others[0])
            group = [session for session in group if self._turn(session) <= others_turn]
        places = self._max_batch * PIXELS_PER_PLACE // _pixels(self._waiting[group[0]])
        bounds = [one.max_batch for one in self._waiting[group[0]].chain if one.max_batch is not None]
        limit = max(1, min(self._max_batch, most or self._max_batch, places, *bounds))
        size = math.ceil(len(group) / math.ceil(len(group) / limit))
        return [self._served(session) for session in group[:size]]

    def _turn(self, session: bytes) -> tuple[int, int]:
        return self._start_tags[session], self._turns.served_at(session)

    def _served(self, session: bytes) -> Ready:
        ready = self._waiting.pop(session)
        self._turns.serve(session, self._start_tags.pop(session), _pixels(ready))
        return ready


def _pixels(ready: Ready) -> int:
    return ready.received.header.width * ready.received.header.height
