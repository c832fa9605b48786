"""What a ladder of sessions says."""

from __future__ import annotations

import dataclasses

from benchmarks.designs.servers import ECHO, SERVICE, Design
from benchmarks.figures import Spread
from benchmarks.goals.one_core import Ladder, _cpu_goal
from benchmarks.load_client.findings import Run, SessionRun
from tests.benchmarks.load_client.test_findings import run


def held(p95_ms: float, fps: float, cpu_percent: float = 40.0) -> Run:
    session = SessionRun(Spread(10, p95_ms, p95_ms, 12, 300), fps, 1.5, True)
    return dataclasses.replace(run(session), cpu_percent={"media": cpu_percent})


def ladder(design: Design, runs: dict[int, Run], codec: str = "VP8") -> Ladder:
    return Ladder(design, codec, {}, runs)


def test_sessions_count_up_to_the_first_rung_that_does_not_hold() -> None:
    one = ladder(SERVICE, {1: held(30, 30), 2: held(160, 30), 3: held(40, 30)})
    assert one.sessions_below(150) == 1
    assert one.sessions_below(200) == 3


def test_a_rung_with_a_short_tail_and_few_frames_does_not_hold() -> None:
    assert ladder(SERVICE, {1: held(30, 30), 2: held(30, 12)}).sessions_below(150) == 1


def test_a_session_that_got_nothing_does_not_hold() -> None:
    assert ladder(SERVICE, {1: held(float("nan"), 30)}).sessions_below(150) == 0


def test_cpu_is_compared_at_the_most_sessions_that_both_hold() -> None:
    echo = ladder(ECHO, {1: held(50, 30, 20), 2: held(60, 30, 80), 3: held(400, 30, 100)})
    h264 = ladder(SERVICE, {1: held(30, 30, 20), 2: held(30, 30, 40), 3: held(30, 30, 60)}, "H264")
    vp8 = ladder(SERVICE, {1: held(30, 30, 20), 2: held(30, 30, 72), 3: held(30, 30, 90)})
    goal = _cpu_goal([h264, vp8], echo)
    assert goal.is_reached
    assert "H264 0.50" in goal.found
    assert "VP8 0.90" in goal.found
    assert "2 sessions" in goal.found
    assert not _cpu_goal([vp8, h264], echo).is_reached


def test_nothing_is_reached_where_no_count_is_held() -> None:
    nothing = ladder(ECHO, {1: held(400, 30)})
    assert not _cpu_goal([ladder(SERVICE, {1: held(30, 30)}, "H264")], nothing).is_reached
