"""What is made of measured numbers."""

from __future__ import annotations

import math

import pytest

from benchmarks.figures import Spread, are_even, slope_per_min, why_machine_not_counted, why_not_counted


def spread(p95: float) -> Spread:
    return Spread(p50=1, p95=p95, p99=p95, mean=1, count=100)


def test_percentiles_are_in_milliseconds() -> None:
    found = Spread.of_s([place / 1000 for place in range(101)])
    assert (found.p50, found.p95, found.p99, found.mean, found.count) == pytest.approx((50, 95, 99, 50, 101))


def test_nothing_measured_is_not_a_number() -> None:
    assert math.isnan(Spread.of_s([]).p95)
    assert Spread.of_s([]).count == 0


@pytest.mark.parametrize(
    ("p95_ms", "client", "others", "stolen", "blames"),
    [
        (2, 20, 5, 1, ""),
        (11, 20, 5, 1, "client sent late"),
        (2, 81, 5, 1, "client used"),
        (2, 20, 31, 1, "other processes"),
        (2, 20, 5, 11, "other guests"),
    ],
)
def test_a_run_that_tells_of_the_client_or_the_machine_is_not_counted(
    p95_ms: float, client: float, others: float, stolen: float, blames: str
) -> None:
    reason = why_not_counted(spread(p95_ms), client, others, stolen)
    assert blames in reason
    assert bool(reason) == bool(blames)


def test_a_quiet_machine_counts() -> None:
    assert why_machine_not_counted(0, 0) == ""


def test_the_slope_is_per_minute_and_survives_noise_that_cancels() -> None:
    times = [float(place) for place in range(120)]
    values = [40 + 0.5 * at_s / 60 + (1 if place % 2 else -1) for place, at_s in enumerate(times)]
    assert slope_per_min(times, values) == pytest.approx(0.5, abs=0.03)


def test_one_moment_has_no_slope() -> None:
    assert slope_per_min([3.0, 3.0], [1.0, 9.0]) == 0
    assert slope_per_min([], []) == 0


def test_sessions_are_dealt_evenly_when_no_process_has_two_more_than_another() -> None:
    assert are_even([3, 3])
    assert are_even([5, 4])
    assert not are_even([4, 2])
    assert not are_even([])
