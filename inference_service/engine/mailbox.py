"""Session -> newest frame: what lies here is replaced, never queued."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from inference_service.metrics import Metrics
from shared.wire import FrameHeader

MAX_SESSIONS = 512
MAX_WAITING_BYTES = 1 << 30
"""Bounds on what may wait; far over what a worker can filter, they only stop a flood."""


@dataclass(frozen=True, slots=True)
class Received:
    """A frame as it waits; `arrived_ns` is this process's monotonic clock."""

    header: FrameHeader
    planes: memoryview
    """Packed I420 of the header's size, a view of the message."""
    arrived_ns: int


class Mailbox:
    """Put by the thread that receives, taken by the loop's."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: dict[bytes, Received] = {}
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._is_closed = False

    def put(self, header: FrameHeader, planes: memoryview, arrived_ns: int) -> None:
        """Let a frame wait instead of an older one of its session; it is dropped where too much waits."""
        self._metrics.frames_received += 1
        with self._changed:
            older = self._waiting.get(header.session)
            size_bytes = self._waiting_bytes + len(planes) - (len(older.planes) if older else 0)
            if size_bytes > MAX_WAITING_BYTES or (older is None and len(self._waiting) >= MAX_SESSIONS):
                self._metrics.frames_dropped["full"] += 1
                return
            if older is not None:
                self._metrics.frames_replaced += 1
            self._waiting_bytes = size_bytes
            self._waiting[header.session] = Received(header, planes, arrived_ns)
            self._changed.notify_all()

    def wait(self) -> None:
        """Return when a frame waits or the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)

    def take(self) -> list[Received]:
        """Return the newest frame of every session and forget them."""
        with self._changed:
            taken = list(self._waiting.values())
            self._waiting.clear()
            self._waiting_bytes = 0
        return taken

    def close(self) -> None:
        """From now on nobody waits."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
