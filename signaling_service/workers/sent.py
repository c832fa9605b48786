"""Which frames of a session were sent to whom, so that no one else can answer them.

A result says of itself which worker and which frame it belongs to, and anyone may write that. It is taken
only where that frame was sent to that worker, and where it brings back the frame's capture time, to the
nanosecond, which nobody else knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.wire import FrameHeader, ResultHeader

KEPT = 1024
"""Frames that may still be answered: half a minute at 30 fps, more than any worker lets one wait."""


@dataclass(slots=True)
class SentFrames:
    """The newest frames of one session by their sequence number, with the workers that got each."""

    _frames: dict[int, tuple[int, set[str]]] = field(default_factory=dict)

    def note(self, header: FrameHeader, worker: str) -> None:
        """The frame has gone to this worker."""
        _, workers = self._frames.setdefault(header.sequence, (header.captured_ns, set()))
        workers.add(worker)
        if len(self._frames) > KEPT:
            del self._frames[next(iter(self._frames))]

    def has(self, result: ResultHeader) -> bool:
        """Tell whether this worker was sent this frame."""
        captured_ns, workers = self._frames.get(result.sequence, (-1, frozenset[str]()))
        return result.captured_ns == captured_ns and result.worker in workers
