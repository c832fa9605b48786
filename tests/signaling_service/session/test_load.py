from __future__ import annotations

import asyncio

from signaling_service.session.load import LATE_S, Load, Looked


def loaded(
    *, cores: float = 2.0, busy: float = 0.0, loop: float = 0.0, late_s: float = 0.0, sessions: int = 0
) -> Load:
    """A load that has been looked at for three seconds, the same all the time."""
    load = Load(cores)
    for number in range(31):
        at_s = 100 + number * 0.1
        load.note(Looked(at_s, busy * at_s, loop * at_s, late_s, sessions))
    return load


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
