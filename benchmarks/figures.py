"""What is made of measured numbers: percentiles, a schedule's lateness, a trend, dealing; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LATENESS_LIMIT_MS = 10.0
CLIENT_LIMIT_PERCENT = 80.0
OTHERS_LIMIT_PERCENT = 30.0
STOLEN_LIMIT_PERCENT = 10.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of one quantity, in ms."""

    p50: float
    p95: float
    p99: float
    mean: float
    count: int

    @classmethod
    def of_s(cls, values_s: Sequence[float]) -> Spread:
        """Of seconds; NaN throughout where there are none."""
        if not values_s:
            none = float("nan")
            return cls(none, none, none, none, 0)
        values = np.asarray(values_s) * 1e3
        p50, p95, p99 = (float(one) for one in np.percentile(values, (50, 95, 99)))
        return cls(p50, p95, p99, float(values.mean()), len(values))


def why_not_counted(
    lateness: Spread, client_percent: float, others_percent: float, stolen_percent: float
) -> str:
    """Tell why a run says more of the client or the machine than of the server; empty where it counts."""
    if lateness.count and lateness.p95 > LATENESS_LIMIT_MS:
        return f"the client sent late itself (p95 {lateness.p95:.1f} ms)"
    if client_percent > CLIENT_LIMIT_PERCENT:
        return f"the client used {client_percent:.0f} % of its core"
    return why_machine_not_counted(others_percent, stolen_percent)


def why_machine_not_counted(others_percent: float, stolen_percent: float) -> str:
    """Tell why the machine had too much else to do; empty where it had not. In percent of one core."""
    if others_percent > OTHERS_LIMIT_PERCENT:
        return f"other processes used {others_percent:.0f} % of a core"
    if stolen_percent > STOLEN_LIMIT_PERCENT:
        return f"other guests of the host took {stolen_percent:.0f} % of a core"
    return ""


def slope_per_min(at_s: Sequence[float], values: Sequence[float]) -> float:
    """Return by how much `values` grow in a minute (least squares); 0 for fewer than two different times."""
    times = np.asarray(at_s, float)
    if len(times) < 2 or np.ptp(times) == 0:
        return 0.0
    centred = times - times.mean()
    return float(60 * (centred @ np.asarray(values, float)) / (centred @ centred))


def are_even(counts: Sequence[int]) -> bool:
    """Tell whether sessions are dealt as evenly as whole ones can be."""
    return bool(counts) and max(counts) - min(counts) <= 1
