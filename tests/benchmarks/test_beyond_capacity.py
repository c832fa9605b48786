"""A service that is full: calls inside go on, others are refused, and a place that is free is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.beyond_capacity import LIMIT, run

SECONDS = 3.0


@pytest.mark.slow
async def test_callers_beyond_the_limit_are_refused_and_take_nothing_from_those_inside(
    tmp_path: Path,
) -> None:
    found = await run(tmp_path, SECONDS, measured=False, alone_s=1.0)
    print(found)
    assert found.inside == LIMIT
    assert set(found.statuses) == {"503"}
    assert found.without_retry_after == 0
    assert found.lost == 0
    assert found.age_meanwhile.count > 0
    assert found.is_taken_again
