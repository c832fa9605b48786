"""One Prometheus text of those of several processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry

LABEL = "process"
FRONT = "front"
FRONTS_ALONE = ("p2pcamera_workers", "p2pcamera_room")
"""Each media process knows the same workers, and its own room, but not how many sessions all may have."""
OF_THE_FRONT = (*FRONTS_ALONE, "p2pcamera_wire_errors", "p2pcamera_offers", "p2pcamera_build_info")
OF_ONE_WORKER = ("p2pcamera_worker_", "p2pcamera_filter_memory_bytes")
"""Beginnings of names that only the front has."""


def merged(front: bytes, processes: Sequence[bytes]) -> bytes:
    """Return all samples, each with its process: its place, or `front`; an empty text is left out."""
    registry = CollectorRegistry()
    registry.register(_Merged(front, processes))
    return generate_latest(registry)


class _Merged(Collector):
    def __init__(self, front: bytes, processes: Sequence[bytes]) -> None:
        self._front, self._processes = front, processes

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for family in _families(self._front):
            if family.name in OF_THE_FRONT or family.name.startswith(OF_ONE_WORKER):
                _add(families, family, FRONT)
        for place, text in enumerate(self._processes):
            for family in _families(text):
                if family.name not in FRONTS_ALONE:
                    _add(families, family, str(place))
        yield from families.values()


def _families(text: bytes) -> Iterator[Metric]:
    return iter(text_string_to_metric_families(text.decode()))


def _add(families: dict[str, Metric], family: Metric, process: str) -> None:
    into = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
    for sample in family.samples:
        into.add_sample(sample.name, {LABEL: process, **sample.labels}, sample.value)
