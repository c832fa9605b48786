from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from shared import worker_metrics
from shared.wire import BOUNDS_S, Durations
from tests.shared.test_wire import STATUS


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_prometheus_reads_what_is_written() -> None:
    device = 'GPU "one" \\ two\nthree'
    found = samples(worker_metrics.text(worker_metrics.families([replace(STATUS, device=device)])))
    versions = {"p2pcamera": "0.1.0", "protocol": "", "python": "", "torch": ""}
    info = tuple(sorted({"worker": "w1", "device": device, **versions}.items()))
    assert found["p2pcamera_worker_info", info] == 1
    assert found["p2pcamera_worker_busy_ratio", (("worker", "w1"),)] == 0.5
    assert found["p2pcamera_worker_frames_dropped_total", (("reason", "late"), ("worker", "w1"))] == 2
    assert found["p2pcamera_worker_filter_state", (("filter", "ink"), ("state", "loaded"), ("worker", "w1"))]
    assert found["p2pcamera_filter_memory_bytes", (("filter", "ink"), ("worker", "w1"))] == 1 << 40


def test_the_groups_of_a_histogram_add_up() -> None:
    assert STATUS.totals is not None
    counts = (1, 2, *(0,) * (len(BOUNDS_S) - 2), 4)
    stages = {"filter": Durations(counts=counts, sum_s=12.5)}
    status = replace(STATUS, totals=replace(STATUS.totals, stages=stages))
    found = samples(worker_metrics.text(worker_metrics.families([status])))
    name, of = "p2pcamera_worker_stage_seconds", (("stage", "filter"), ("worker", "w1"))
    buckets = [found[f"{name}_bucket", (("le", f"{bound:g}"), *of)] for bound in BOUNDS_S]
    assert buckets == [1] + [3] * (len(BOUNDS_S) - 1)
    assert found[f"{name}_bucket", (("le", "+Inf"), *of)] == found[f"{name}_count", of] == 7
    assert found[f"{name}_sum", of] == 12.5


def test_a_worker_that_tells_no_totals_shows_what_it_tells() -> None:
    found = samples(worker_metrics.text(worker_metrics.families([replace(STATUS, totals=None)])))
    assert found["p2pcamera_worker_busy_ratio", (("worker", "w1"),)] == 0.5
    assert not [name for name, _ in found if name.endswith("_total")]
