"""Instruments of the workers in the table, made from their last status whenever Prometheus asks."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from shared import worker_metrics
from signaling_service.workers.table import Workers


class WorkerCollector(Collector):
    """What a worker shows at its own `/metrics`, under the same names, and how the service sees it."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        known = self._workers.known()
        for family in worker_metrics.families(worker.status for worker in known):
            metric = Metric(family.name, family.help, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, dict(labels), value)
            yield metric
        live = {worker.id for worker in self._workers.live()}
        now_s = time.monotonic()
        is_live = Metric("p2pcamera_worker_live", "1 while frames go to the worker", "gauge")
        age = Metric("p2pcamera_worker_status_age_seconds", "How old the worker's last status is", "gauge")
        for worker in known:
            is_live.add_sample(is_live.name, {"worker": worker.id}, int(worker.id in live))
            age.add_sample(age.name, {"worker": worker.id}, now_s - worker.seen_at_s)
        yield is_live
        yield age
