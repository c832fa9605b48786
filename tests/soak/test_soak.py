"""A short soak: what calls have taken is given back. `make soak` does it for as long as one likes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.soak import broken, run
from harness.soak import growth

WARM_UP_S = 2.0
SECONDS = 4.0


async def test_calls_on_a_bad_network_give_back_threads_tasks_and_descriptors(tmp_path: Path) -> None:
    found: dict[str, Any] = await run(tmp_path, SECONDS / 60, lanes=3, warm_up_s=WARM_UP_S)
    print(found)
    assert found["tally"]["calls"] >= 3
    assert found["tally"]["frames"] > 0
    # Of memory so short a run says nothing.
    assert not broken({**found, "memory_growth": 0.0})


def test_growth_is_that_behind_the_first_minutes() -> None:
    samples = [(float(at_s), 100.0 + min(at_s, 300)) for at_s in range(0, 1000, 10)]
    assert growth(samples, 0.0) > 0.5
    assert growth(samples, 300.0) == 0.0
    leaking = [(at_s, mib + max(at_s - 300, 0) * 0.1) for at_s, mib in samples]
    assert growth(leaking, 300.0) > 0.1


@pytest.mark.parametrize("name", ["threads", "descriptors", "tasks"])
def test_what_is_not_given_back_is_named(name: str) -> None:
    before = {"threads": 10, "descriptors": 20, "tasks": 5}
    tally: dict[str, Any] = {"foreign": 0, "faults": []}
    found = {"memory_growth": 0.01, "tally": tally, "before": before, "after": dict(before)}
    assert broken(found) == []
    assert broken({**found, "after": {**before, name: 30}}) == [f"{name}: {before[name]} before, 30 after"]
    assert broken({**found, "memory_growth": 0.05}) == ["memory grew by 5.0%"]
    assert broken({**found, "tally": {**tally, "foreign": 2}}) == ["2 frames of another call"]
