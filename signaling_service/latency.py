"""Means over the last second of what each stage took, for one session."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from shared.wire import ResultHeader

KEPT = 120


@dataclass(frozen=True, slots=True)
class Stages:
    """Milliseconds of a result's way, all but the total measured at the worker."""

    wait: float
    batch: float
    filter: float
    total: float

    @property
    def transport(self) -> float:
        """Both ways over ZeroMQ, and the event loop: what the worker did not see."""
        return max(self.total - self.wait - self.batch, 0.0)


class LatencyWindow:
    """Collects results, and empties itself when it is read."""

    def __init__(self) -> None:
        self._stages: deque[Stages] = deque(maxlen=KEPT)
        self._worker = ""

    def add(self, header: ResultHeader, latency_s: float) -> None:
        """`latency_s`: from decoder to result, on this process's clock."""
        self._stages.append(Stages(header.wait_ms, header.batch_ms, header.filter_ms, latency_s * 1000))
        self._worker = header.worker

    def take(self) -> tuple[dict[str, float], str]:
        """Return mean milliseconds by stage (empty without results) and the last worker; starts anew."""
        stages = list(self._stages)
        self._stages.clear()
        if not stages:
            return {}, self._worker
        names = ("transport", "wait", "batch", "filter", "total")
        means = {name: round(sum(getattr(s, name) for s in stages) / len(stages), 2) for name in names}
        return means, self._worker
