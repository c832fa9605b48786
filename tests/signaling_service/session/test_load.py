from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from signaling_service.cores import waited_s
from signaling_service.session.load import LATE_S, Load, Looked


def loaded(
    *,
    cores: float = 2.0,
    busy: float = 0.0,
    loop: float = 0.0,
    late_s: float = 0.0,
    sessions: int = 0,
    waiting: float = 0.0,
) -> Load:
    """A load that has been looked at for three seconds, the same all the time."""
    load = Load(cores)
    for number in range(31):
        at_s = 100 + number * 0.1
        load.note(Looked(at_s, busy * at_s, loop * at_s, late_s, sessions, waiting * at_s))
    return load


class Loop:
    """A loop of one session, which is watched for as long as a test likes."""

    def __init__(self) -> None:
        self.load = Load(2.0)
        self._at_s = self._waited_s = 100.0

    def goes_on(self, seconds: float, *, waiting: float = 0.0, late_s: float = 0.0) -> int:
        """Let it wait for this part of so many seconds, and run for a tenth; returns its room then."""
        for _ in range(round(seconds * 10)):
            self._at_s += 0.1
            self._waited_s += 0.1 * waiting
            self.load.note(Looked(self._at_s, 0.2 * self._at_s, 0.1 * self._at_s, late_s, 1, self._waited_s))
        return self.load.room(1)


def test_nothing_measured_yet_leaves_room_for_what_a_session_usually_costs() -> None:
    assert Load(1.0).room(0) == 6
    assert Load(2.0).room(0) == 12
    assert Load(2.0).room(4) == 8


def test_sessions_that_are_too_new_to_be_measured_are_counted_at_the_measured_cost() -> None:
    load = loaded(busy=0.8, loop=0.1, sessions=4)
    assert load.room(4) == 5
    assert load.room(6) == 3


def test_the_cores_run_out() -> None:
    assert loaded(busy=1.75, loop=0.3, sessions=6).room(6) == 0


def test_the_event_loop_runs_out_before_many_cores_do() -> None:
    assert loaded(cores=16, busy=4.0, loop=0.9, sessions=20).room(20) == 1
    assert loaded(cores=16, busy=4.0, loop=0.94, sessions=20).room(20) == 0


def test_a_loop_that_wakes_up_late_takes_no_more() -> None:
    assert loaded(busy=0.2, loop=0.04, sessions=1, late_s=LATE_S + 0.001).room(1) == 0
    assert loaded(busy=0.2, loop=0.04, sessions=1, late_s=LATE_S - 0.001).room(1) > 0


def test_a_loop_that_has_no_core_when_it_could_run_takes_no_more() -> None:
    assert loaded(busy=0.4, loop=0.3, sessions=8, waiting=0.7).room(8) == 0
    assert loaded(busy=0.4, loop=0.3, sessions=8).room(8) > 8


def test_what_others_take_of_the_loops_core_is_not_there_for_sessions() -> None:
    assert loaded(cores=16, busy=0.4, loop=0.3, sessions=10, waiting=0.5).room(10) == 5


@pytest.mark.parametrize(("crowded", "between"), [((0.9, 0.0), (0.78, 0.0)), ((0.0, 0.2), (0.0, 0.08))])
def test_a_crowded_loop_takes_sessions_again_only_when_it_is_calm(
    crowded: tuple[float, float], between: tuple[float, float]
) -> None:
    loop = Loop()
    assert loop.goes_on(4, waiting=between[0], late_s=between[1]) > 0
    assert loop.goes_on(4, waiting=crowded[0], late_s=crowded[1]) == 0
    assert loop.goes_on(30, waiting=between[0], late_s=between[1]) == 0
    assert loop.goes_on(4) > 0
    assert loop.goes_on(4, waiting=between[0], late_s=between[1]) > 0


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="the system does not tell")
def test_a_thread_knows_how_long_it_waited_for_a_core() -> None:
    cores = os.sched_getaffinity(0)
    core = min(cores)
    spin = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    before_s, until_s = waited_s(), time.monotonic() + 20
    with subprocess.Popen([sys.executable, "-c", spin]) as other:
        try:
            os.sched_setaffinity(0, {core})
            while waited_s() - before_s < 0.05 and time.monotonic() < until_s:
                pass
        finally:
            os.sched_setaffinity(0, cores)
            other.kill()
    assert waited_s() - before_s >= 0.05


def test_one_late_moment_in_three_seconds_is_forgiven() -> None:
    load = loaded(busy=0.2, loop=0.04, sessions=1)
    load.note(Looked(103.5, 20.8, 4.2, 1.0, 1))
    assert load.room(1) > 0


def test_muted_sessions_count_for_what_they_will_cost_unmuted() -> None:
    assert loaded(cores=1, busy=0.01, loop=0.01, sessions=6).room(6) <= 12


def test_an_idle_process_takes_a_session_whatever_the_machine_does() -> None:
    assert loaded(busy=1.9, late_s=1.0).room(0) == 1
    assert Load(0.05).room(0) == 1


async def test_the_clocks_of_this_process_are_looked_at() -> None:
    load = Load(1.0)
    looking = asyncio.create_task(load.run(lambda: 3))
    async with asyncio.timeout(10):
        while load.busy_cores == 0.0:
            sum(range(100_000))
            await asyncio.sleep(0)
    looking.cancel()
    assert load.busy_cores > 0
