"""What glass-to-glass runs found: a table, verdicts, a plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import why_machine_not_counted

BOUNDS = (
    # What is compared, with what, and the most (or least) that was aimed at.
    ("p50 at busy_ms 0, of the baseline's", "invert-0", "baseline-0", 0.45),
    ("p50 at busy_ms 90, of the baseline's", "invert-90", "baseline-90", 0.85),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one case gave; all of the same stretch of time."""

    name: str
    design: str
    busy_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    fps: float
    """Frames per second that the browser received and decoded."""
    shown_fps: float
    """Different pictures that it presented; two that fall into one refresh of the screen count as one."""
    camera_fps: float
    """The same of the original: below 30 the machine was too busy for any figure here to count."""
    sent_size: str
    returned_size: str
    codec: str
    """Of what came back."""
    sent_mbit_s: float
    returned_mbit_s: float
    cpu_percent: dict[str, float]
    """By process, children included; 100 is one core."""
    others_cpu_percent: float
    """What everything else on this machine used."""
    stolen_percent: float
    """What other guests of the host took of its cores."""
    ages_ms: list[float]

    @property
    def why_not_counted(self) -> str:
        return why_machine_not_counted(self.others_cpu_percent, self.stolen_percent)


def table(results: list[Measured]) -> str:
    """Return the figures as text, one line a case."""
    head = ("case", "p50", "p95", "p99", "max", "fps", "fps", "camera", "sent", "returned", "CPU %")
    rows: list[tuple[str, ...]] = [
        head,
        ("", "ms", "ms", "ms", "ms", "back", "shown", "fps", "Mbit/s", "Mbit/s", ""),
    ]
    for one in results:
        shares = {**one.cpu_percent, "others": one.others_cpu_percent}
        cpu = "  ".join(f"{name} {value:.0f}" for name, value in shares.items())
        rows.append(
            (
                one.name,
                *(f"{value:.0f}" for value in (one.p50_ms, one.p95_ms, one.p99_ms, one.max_ms)),
                *(f"{value:.1f}" for value in (one.fps, one.shown_fps, one.camera_fps)),
                f"{one.sent_size} {one.sent_mbit_s:.2f}",
                f"{one.codec} {one.returned_size} {one.returned_mbit_s:.2f}",
                cpu,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def verdicts(by_name: Mapping[str, Measured]) -> list[str]:
    """Return a line for each figure aimed at that this run can tell."""
    lines = []
    for what, ours, baseline, most in BOUNDS:
        if ours in by_name and baseline in by_name:
            ratio = by_name[ours].p50_ms / by_name[baseline].p50_ms
            lines.append(f"{what}: {ratio:.2f} (at most {most})")
    if three := by_name.get("invert-90-three-workers"):
        lines.append(f"fps at busy_ms 90 with three workers: {three.fps:.1f} (at least 28)")
    lines += [
        f"{one.name} does not count: {one.why_not_counted}" for one in by_name.values() if one.why_not_counted
    ]
    return lines


def plot(results: list[Measured], path: Path) -> None:
    """Draw the distribution of each case's latencies."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 0.55 * len(results) + 1.6), layout="constrained")
    for place, one in enumerate(reversed(results)):
        is_baseline = one.name.startswith("baseline")
        colour = "#999999" if is_baseline else "#1f6fb2"
        axes.barh(place, one.p95_ms, color=colour, alpha=0.35)
        axes.barh(place, one.p50_ms, color=colour)
        axes.text(
            one.p95_ms, place, f" {one.p50_ms:.0f} / {one.p95_ms:.0f} ms, {one.fps:.0f} fps", va="center"
        )
    axes.set_yticks(range(len(results)), [one.name for one in reversed(results)])
    axes.set_xlim(0, 1.35 * max(one.p95_ms for one in results))
    axes.set_xlabel("glass to glass, ms: p50 (solid) and p95")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
