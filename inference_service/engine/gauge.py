"""How busy the inference loop is, and whether it hangs: written by the loop, read by the publisher."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

WINDOW_NS = 1_000_000_000
USUAL_OF = 32
_USUAL_RANK = 0.9
"""Not the median: where short and long batches take turns, a long one is nothing unusual."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The loop at one moment, over the last second."""

    busy: float
    """Share of the time spent in batches, 0..1."""
    batch_size: float
    """Mean number of frames per batch; 0 when there was none."""
    in_batch: bool
    since_ns: int
    """Start of the present batch, else end of the last one; monotonic clock."""
    usual_ms: float


class LoopGauge:
    """All times are this process's monotonic clock in ns. Batches end in the order in which they began."""

    def __init__(self, now_ns: int) -> None:
        self._lock = threading.Lock()
        self._ended_ns = now_ns
        self._begun_ns: deque[int] = deque()
        self._lately: deque[tuple[int, int, int]] = deque()
        self._durations_ms: deque[float] = deque(maxlen=USUAL_OF)

    def begin(self, now_ns: int) -> None:
        with self._lock:
            self._begun_ns.append(now_ns)

    def end(self, frames: int, now_ns: int) -> None:
        with self._lock:
            since_ns = self._since_ns()
            self._begun_ns.popleft()
            self._lately.append((since_ns, now_ns, frames))
            self._durations_ms.append((now_ns - since_ns) / 1e6)
            self._ended_ns = now_ns
            self._forget(now_ns)

    def read(self, now_ns: int) -> Reading:
        with self._lock:
            self._forget(now_ns)
            window_start_ns = now_ns - WINDOW_NS
            busy_ns = sum(end - max(start, window_start_ns) for start, end, _ in self._lately)
            if self._begun_ns:
                busy_ns += now_ns - max(self._since_ns(), window_start_ns)
            frames = sum(count for _, _, count in self._lately)
            durations_ms = sorted(self._durations_ms)
            return Reading(
                busy=min(1.0, max(0.0, busy_ns / WINDOW_NS)),
                batch_size=frames / len(self._lately) if self._lately else 0.0,
                in_batch=bool(self._begun_ns),
                since_ns=self._since_ns(),
                usual_ms=durations_ms[int(_USUAL_RANK * len(durations_ms))] if durations_ms else 0.0,
            )

    def _since_ns(self) -> int:
        # A batch that began while the one before it was under way has the device from that one's end on.
        return max(self._begun_ns[0], self._ended_ns) if self._begun_ns else self._ended_ns

    def _forget(self, now_ns: int) -> None:
        while self._lately and self._lately[0][1] < now_ns - WINDOW_NS:
            self._lately.popleft()
