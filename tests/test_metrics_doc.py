"""docs/metrics.md names every instrument, its type and its labels, and no other."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from prometheus_client import Metric

from shared import worker_metrics
from shared.wire import MAX_NAMES
from signaling_service.metrics import MAX_CODES, STAGES, Metrics
from signaling_service.workers.collector import WorkerCollector
from signaling_service.workers.table import Workers
from tests.shared.test_wire import STATUS

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text()

Rows = dict[str, tuple[str, frozenset[str]]]


def full_workers() -> Workers:
    """A table with one worker that has something of everything to tell."""
    assert STATUS.totals is not None
    workers = Workers(Metrics())
    workers.update(replace(STATUS, totals=replace(STATUS.totals, fallbacks={"graphs": 1})))
    return workers


def documented() -> Rows:
    rows = re.findall(r"^\| `(p2pcamera_\w+)` \| (\w+) \|([^|]*)\|", DOCUMENT, re.M)
    assert len(rows) == len({name for name, _, _ in rows})
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def row(family: Metric) -> tuple[str, tuple[str, frozenset[str]]]:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
    return name, (family.type, frozenset(labels))


def test_the_table_is_that_of_the_code() -> None:
    metrics = Metrics()
    metrics.note_failed("late")
    for child, labels in (
        (metrics.offers, ["answered"]),
        (metrics.sessions_ended, ["reason"]),
        (metrics.frames_returned, ["live"]),
        (metrics.results_dropped, ["late"]),
        (metrics.wire_errors, ["size"]),
        (metrics.media_bytes, ["in"]),
        (metrics.media_packets, ["in"]),
        (metrics.media_packets_lost, ["in"]),
        (metrics.encoders, ["libvpx"]),
    ):
        child.labels(*labels)
    metrics.registry.register(WorkerCollector(full_workers()))
    assert documented() == dict(row(family) for family in metrics.registry.collect())


def test_what_a_worker_shows_is_in_its_own_table() -> None:
    _, _, own = DOCUMENT.partition("## Each worker")
    names = {
        f"{family.name}_total" if family.kind == "counter" else family.name
        for family in worker_metrics.families([])
    }
    assert set(re.findall(r"^\| `(p2pcamera_\w+)`", own, re.M)) == names


def test_the_stages_are_those_of_the_code() -> None:
    _, _, stages = DOCUMENT.partition("## The stages")
    assert set(STAGES) <= set(re.findall(r"`(\w+)`", stages))


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"At most {MAX_NAMES} reasons" in DOCUMENT
    assert f"after {MAX_CODES} different codes" in DOCUMENT


def test_codes_beyond_the_bound_are_counted_together() -> None:
    metrics = Metrics()
    for number in range(MAX_CODES + 5):
        metrics.note_failed(f"code_{number}")
    (family,) = metrics.results_failed.collect()
    shown = {one.labels["code"]: one.value for one in family.samples if one.name.endswith("_total")}
    assert len(shown) == MAX_CODES + 1
    assert shown["other"] == 5
