"""Runs as they travel from the client to the benchmark."""

from __future__ import annotations

import math

import pytest

from benchmarks.figures import Spread
from benchmarks.load_client.findings import Run, SessionRun, growth_mib_per_min
from benchmarks.watching import Memory, Watched


def run(*sessions: SessionRun) -> Run:
    spread = Spread(10, 20, 30, 12, 100)
    return Run(
        sessions=list(sessions),
        seconds=10.0,
        codec="VP8",
        ages_ms=spread,
        age_slope_ms_per_min=0.1,
        frames_sent=300,
        frames_returned=200,
        sizes=["640x480"],
        is_inverted=[True],
        lost_packets=0,
        keyframes_asked=0,
        cpu_percent={"media": 40.0},
        cpu_percent_by_process={"1": 40.0},
        client_cpu_percent=5.0,
        client_cpu_ms_per_frame=0.4,
        others_cpu_percent=1.0,
        stolen_percent=0.0,
        lateness_ms=Spread(1, 2, 3, 1, 300),
        memory={"media": Memory(100.0, 90.0)},
        memory_growth_mib_per_min={},
        udp_sockets={"1": 2},
    )


def session(p95: float, fps: float) -> SessionRun:
    return SessionRun(Spread(10, p95, p95, 12, 300), fps, 1.5, True)


def test_a_run_survives_its_journey_as_json() -> None:
    sent = run(session(20, 30), session(25, 29))
    assert Run.from_json(sent.as_json()) == sent


def test_the_worst_session_stands_for_a_run() -> None:
    one = run(session(20, 30), session(95, 12))
    assert (one.worst_p95_ms, one.slowest_fps) == (95, 12)


def test_a_session_that_got_nothing_hides_behind_no_other() -> None:
    assert math.isnan(run(session(20, 30), session(float("nan"), 0)).worst_p95_ms)


def test_cpu_per_frame_counts_frames_that_returned() -> None:
    assert run(session(20, 30)).cpu_ms_per_frame() == pytest.approx(0.40 * 10 / 200 * 1000)


def test_memory_growth_is_taken_from_the_second_half() -> None:
    # 50 MiB of warming up, then 1 MiB a minute.
    values = [50 * min(place, 5) / 5 + max(0, place - 5) for place in range(12)]
    memories = [(60.0 * place, {"media": Memory(0.0, value)}) for place, value in enumerate(values)]
    assert growth_mib_per_min(memories) == {"media": pytest.approx(1.0)}
    assert growth_mib_per_min(memories[:3]) == {}


@pytest.mark.parametrize("text", ["media=12", "media=12=/tmp/a=b.json"])
def test_what_is_watched_is_written_as_it_is_read(text: str) -> None:
    assert str(Watched.parse(text)) == text
