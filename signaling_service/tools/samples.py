"""What `/metrics` said at one moment, and what has changed since another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from signaling_service.tools.asking import NoAnswer


@dataclass(frozen=True, slots=True)
class Samples:
    """Values by name and labels; `taken_s` is this process's monotonic clock."""

    values: dict[str, list[tuple[dict[str, str], float]]]
    taken_s: float = field(default_factory=time.monotonic)

    def total(self, name: str, **labels: str) -> float:
        """Return the sum over all other labels, processes among them; 0 where there is no sample."""
        return sum(value for _, value in self._chosen(name, labels))

    def labels(self, name: str, label: str, **labels: str) -> list[str]:
        """Return the values of a label, each once, in the order in which they come."""
        return list(dict.fromkeys(of[label] for of, _ in self._chosen(name, labels) if label in of))

    def _chosen(self, name: str, labels: dict[str, str]) -> Iterator[tuple[dict[str, str], float]]:
        for of, value in self.values.get(name, ()):
            if all(of.get(label) == wanted for label, wanted in labels.items()):
                yield of, value


def read(text: str) -> Samples:
    """Read Prometheus' text format; raises NoAnswer where it is something else, or another program's."""
    values: dict[str, list[tuple[dict[str, str], float]]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                values.setdefault(sample.name, []).append((sample.labels, sample.value))
    except (ValueError, KeyError, IndexError) as exc:
        raise NoAnswer("what /metrics answers is not Prometheus' text format") from exc
    if "p2pcamera_sessions" not in values:
        raise NoAnswer("what answers is not a p2pcamera service: /metrics has no p2pcamera_sessions")
    return Samples(values)


@dataclass(frozen=True, slots=True)
class Change:
    """From one moment to a later one."""

    before: Samples
    now: Samples

    def rate(self, name: str, **labels: str) -> float:
        """Return how much a counter has risen a second; one that began anew has risen by what it says."""
        risen = self._risen(name, **labels)
        elapsed_s = self.now.taken_s - self.before.taken_s
        return risen / elapsed_s if elapsed_s > 0 else 0.0

    def mean(self, histogram: str, **labels: str) -> float | None:
        """Return the mean of what a histogram has counted in between; None where there is nothing."""
        count = self._risen(f"{histogram}_count", **labels)
        return self._risen(f"{histogram}_sum", **labels) / count if count > 0 else None

    def _risen(self, name: str, **labels: str) -> float:
        before, now = self.before.total(name, **labels), self.now.total(name, **labels)
        return now - before if now >= before else now
