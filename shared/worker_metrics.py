"""A worker's status as instruments of Prometheus: the same names at the worker and at the signaling service.

Every sample has the label `worker`. Other labels come from bounded lists: filters, states, reasons, codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from shared.wire import BOUNDS_S, Durations, FilterState, LoopState, StatusHeader

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
VERSIONS = ("p2pcamera", "protocol", "python", "torch")

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Family:
    """One instrument with its samples."""

    name: str
    """Without the `_total` of a counter."""
    kind: str
    """`gauge`, `counter` or `histogram`."""
    help: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)
    """Name, labels, value."""


def families(statuses: Iterable[StatusHeader]) -> list[Family]:
    """Return every instrument of these workers, those without a sample too."""
    made = {name: Family(f"p2pcamera_{name}", kind, text) for name, (kind, text) in _FAMILIES.items()}
    for status in statuses:
        _add_state(made, status)
        _add_totals(made, status)
    return list(made.values())


def text(made: Iterable[Family]) -> bytes:
    """Return them in Prometheus' text format, version 0.0.4."""
    lines = []
    for family in made:
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        lines += [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
        for sample, labels, value in family.samples:
            written = ",".join(f'{label}="{_escaped(of)}"' for label, of in labels.items())
            lines.append(f"{sample}{{{written}}} {value:.17g}")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _add_state(made: dict[str, Family], status: StatusHeader) -> None:
    worker = {"worker": status.worker}

    def gauge(name: str, value: float, **labels: str) -> None:
        family = made[name]
        family.samples.append((family.name, {**worker, **labels}, value))

    versions = {name: status.versions.get(name, "") for name in VERSIONS}
    gauge("worker_info", 1, device=status.device, **versions)
    gauge("worker_busy_ratio", status.busy)
    gauge("worker_batch_frames", status.batch_size)
    gauge("worker_batch_usual_seconds", status.loop_usual_ms / 1e3)
    gauge("worker_draining", int(status.draining))
    for state in LoopState:
        gauge("worker_loop_state", int(state is status.loop_state), state=state.value)
    gauge("worker_loop_state_seconds", status.loop_state_ms / 1e3)
    for one in status.filters:
        gauge("worker_filter_state", 1, filter=one.name, state=one.state.value)
        if one.state is FilterState.LOADED:
            gauge("filter_memory_bytes", one.memory_bytes, filter=one.name)


def _add_totals(made: dict[str, Family], status: StatusHeader) -> None:
    totals = status.totals
    if totals is None:
        return
    worker = {"worker": status.worker}

    def counter(name: str, value: float, **labels: str) -> None:
        family = made[name]
        family.samples.append((f"{family.name}_total", {**worker, **labels}, value))

    counter("worker_frames_received", totals.received)
    counter("worker_frames_filtered", totals.filtered)
    for reason, count in totals.dropped.items():
        counter("worker_frames_dropped", count, reason=reason)
    counter("worker_batches", totals.batches)
    counter("worker_batches_split", totals.batches_split)
    for code, count in totals.errors.items():
        counter("worker_errors", count, code=code)
    for kind, count in totals.fallbacks.items():
        counter("worker_fallbacks", count, kind=kind)
    counter("worker_results_discarded", totals.results_discarded)
    for stage, durations in totals.stages.items():
        _add_durations(made["worker_stage_seconds"], {**worker, "stage": stage}, durations)


def _add_durations(family: Family, labels: Labels, durations: Durations) -> None:
    bounds = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
    cumulative = list(accumulate(durations.counts))
    for bound, count in zip(bounds, cumulative, strict=True):
        family.samples.append((f"{family.name}_bucket", {**labels, "le": bound}, count))
    family.samples.append((f"{family.name}_count", labels, cumulative[-1]))
    family.samples.append((f"{family.name}_sum", labels, durations.sum_s))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_FAMILIES = {
    "worker_info": ("gauge", "1; device and versions are labels"),
    "worker_busy_ratio": ("gauge", "Share of the last second spent in batches, 0 to 1"),
    "worker_batch_frames": ("gauge", "Mean number of frames in the batches of the last second"),
    "worker_batch_usual_seconds": ("gauge", "How long a batch usually takes; 0 before the first"),
    "worker_draining": ("gauge", "1 while the worker takes no more frames"),
    "worker_loop_state": ("gauge", "1 for what the inference loop does: idle, batch or loading"),
    "worker_loop_state_seconds": ("gauge", "How long the loop has been in this state"),
    "worker_filter_state": ("gauge", "1 for each filter, with its state as a label"),
    "filter_memory_bytes": ("gauge", "What a loaded filter holds on its worker's device"),
    "worker_frames_received": ("counter", "Well-formed frames, whatever became of them"),
    "worker_frames_filtered": ("counter", "Frames answered with a picture"),
    "worker_frames_dropped": ("counter", "Frames that no filter saw, by reason"),
    "worker_batches": ("counter", "Batches that have ended"),
    "worker_batches_split": ("counter", "Batches that were halved, since a filter failed on them"),
    "worker_errors": ("counter", "Frames answered with an error, by its code"),
    "worker_fallbacks": ("counter", "What loaded filters do without, by kind"),
    "worker_results_discarded": ("counter", "Results that could not be sent in time"),
    "worker_stage_seconds": ("histogram", "How long each stage of a batch took, and the wait before it"),
}
