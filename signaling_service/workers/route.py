"""One worker as a lane knows it: what was sent there, and when one more frame would be answered.

All times are seconds of the lane's monotonic clock. Event loop only.
"""

from __future__ import annotations

from dataclasses import dataclass

import zmq

from shared.wire import ResultHeader, ResultKind

WORK_AT_FIRST_S = 0.03
WORK_LIMIT_S = 30.0
LOST_AFTER_S = 1.0
LOST_FACTOR = 3.0
WEIGHT_OF_NEW = 0.25


@dataclass(slots=True)
class Sent:
    """A frame that has no result yet."""

    sequence: int
    sent_s: float
    done_s: float
    """When its result is predicted to be here."""


@dataclass(slots=True)
class Route:
    """The connection to one worker, and the prediction of its next answer."""

    worker: str
    socket: zmq.Socket[bytes]
    busy: float
    is_loaded: bool
    """The worker can filter at once."""
    work_s: float = WORK_AT_FIRST_S
    """From the start of its batch to the result here."""
    knows_data: bool = False
    """Frames may ask the worker for data."""
    knows_traces: bool = False
    """Frames may carry the context of a trace there."""
    wait_s: float = 0.0
    """How long a frame waits for the frames of other sessions."""
    running: Sent | None = None
    waiting: Sent | None = None
    """At most one: the worker keeps only the newest."""
    is_measured: bool = False
    used_s: float = 0.0
    wants_params: bool = False

    def done_s(self, now_s: float) -> float:
        """Return when one more frame, sent now, would be answered."""
        if self.running is None:
            return now_s + self.wait_s + self.work_s
        if not self.is_measured:
            return now_s + WORK_LIMIT_S  # Send one frame first: its time is unknown as yet.
        # An answer that is late may be as late again: a worker that hangs must not seem about to answer.
        late_s = max(0.0, now_s - self.running.done_s)
        return max(self.running.done_s, now_s + late_s) + self.work_s

    def note_sent(self, sequence: int, now_s: float) -> None:
        """Expect a result for this frame."""
        sent = Sent(sequence, now_s, self.done_s(now_s))
        if self.running is None:
            self.running = sent
        else:
            self.waiting = sent
        self.used_s = now_s

    def note_result(self, header: ResultHeader, now_s: float) -> None:
        """Learn from a result of any kind; it also settles every older frame."""
        if header.kind is ResultKind.FRAME:
            self._measure(header, now_s)
        if self.running is not None and header.sequence >= self.running.sequence:
            self.running = None
        if self.waiting is not None and header.sequence >= self.waiting.sequence:
            self.waiting = None
        if self.running is None and self.waiting is not None:
            self.running, self.waiting = self.waiting, None
            self.running.done_s = now_s + self.work_s

    def forget_sent(self) -> set[int]:
        """Expect no result any more: the connection is gone. Returns the frames that were on their way."""
        sent = {one.sequence for one in (self.running, self.waiting) if one is not None}
        self.running = self.waiting = None
        return sent

    def forget_lost(self, now_s: float) -> None:
        """Count a frame without an answer in time as lost, and expect the worker to be slower."""
        limit_s = max(LOST_AFTER_S, LOST_FACTOR * self.work_s)
        if self.running is not None and now_s - self.running.sent_s > limit_s:
            self.running = self.waiting = None
            self.work_s = min(self.work_s * 1.5, WORK_LIMIT_S)

    def _measure(self, header: ResultHeader, now_s: float) -> None:
        wait_s = header.wait_ms / 1000
        work_s = min(max(now_s - header.captured_ns / 1e9 - wait_s, 0.0), WORK_LIMIT_S)
        weight = WEIGHT_OF_NEW if self.is_measured else 1.0
        self.work_s += weight * (work_s - self.work_s)
        if self.running is not None and self.running.sequence == header.sequence:
            self.wait_s += weight * (wait_s - self.wait_s)
        self.is_measured = True
