"""The kill matrix: calls show no raw frame and none of another call, come back, and leave nothing.

A case takes some 40 s of CPU. Every run of the tests kills workers and media processes besides: see
tests/e2e/calls/test_private.py, tests/e2e/running/test_processes.py and
tests/signaling_service/processes/test_front.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.chaos.outcome import Outcome
from harness.chaos.parts import CASES, Case
from harness.chaos.scene import play
from harness.services import in_namespace


def check(outcome: Outcome) -> None:
    print(outcome)
    assert outcome.raw == 0
    assert outcome.foreign == 0
    assert outcome.lost == 0
    assert outcome.left == []
    assert outcome.takes_calls


@pytest.mark.slow
@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
async def test_whatever_breaks_no_call_is_lost(one: Case, tmp_path: Path) -> None:
    if not in_namespace() and "cut" in one.fault_name:
        pytest.skip("needs a network namespace of its own")
    check(await play(one, tmp_path))


def test_every_part_is_broken_in_every_way() -> None:
    names = [one.name for one in CASES]
    assert len(names) == len(set(names)) == 1 + 3 * 5 + 3 * 4
