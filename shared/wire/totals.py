"""Totals: what a worker has counted since its start, as a part of its status."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from shared.wire.checks import Check, integer, json_object, number, read, text
from shared.wire.limits import U63

BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)
"""Upper bounds of the groups in which durations are counted; longer ones have a group of their own."""
MAX_NAMES = 32
"""Reasons, codes or stages in one total, so that what is made of them stays bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How often a stage took how long."""

    counts: tuple[int, ...]
    """One for each of `BOUNDS_S`, and one for what is longer; not cumulative."""
    sum_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts since the start of the worker's process."""

    received: int
    """Well-formed frames, whatever became of them."""
    filtered: int
    dropped: dict[str, int]
    """Frames that no filter saw, by reason."""
    batches: int
    batches_split: int
    errors: dict[str, int]
    """Results without a picture, by code."""
    fallbacks: dict[str, int]
    """What loaded filters do without, by kind."""
    results_discarded: int
    stages: dict[str, Durations] = field(default_factory=dict)


def totals(value: Any) -> Totals:
    """Return the field as it came from the wire; raises ValueError or WireError."""
    return read(Totals, json_object(value), _CHECKS)


def _by_name(check: Check) -> Check:
    def checked(value: Any) -> dict[str, Any]:
        named = json_object(value)
        if len(named) > MAX_NAMES:
            raise ValueError(f"expected up to {MAX_NAMES} names")
        name = text(64, 1)
        return {name(key): check(one) for key, one in named.items()}

    return checked


def _counts(value: Any) -> tuple[int, ...]:
    if type(value) not in (list, tuple) or len(value) != len(BOUNDS_S) + 1:
        raise ValueError(f"expected {len(BOUNDS_S) + 1} counts")
    return tuple(_COUNT(one) for one in value)


def _durations(value: Any) -> Durations:
    return read(Durations, json_object(value), {"counts": _counts, "sum_s": number(0, 1e12)})


_COUNT = integer(0, U63)
_CHECKS: dict[str, Check] = {
    "received": _COUNT,
    "filtered": _COUNT,
    "dropped": _by_name(_COUNT),
    "batches": _COUNT,
    "batches_split": _COUNT,
    "errors": _by_name(_COUNT),
    "fallbacks": _by_name(_COUNT),
    "results_discarded": _COUNT,
    "stages": _by_name(_durations),
}
assert {f.name for f in fields(Totals)} == set(_CHECKS)
