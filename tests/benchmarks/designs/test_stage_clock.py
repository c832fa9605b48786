"""Where CPU time goes."""

from __future__ import annotations

import asyncio
import time

import pytest

from benchmarks.designs.stage_clock import Stages
from benchmarks.goals.hop import REST, by_frame


def burn(seconds: float) -> None:
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        pass


def test_an_inner_stage_is_taken_out_of_the_outer_one() -> None:
    stages = Stages()
    inner = stages.timed("inner", burn)

    def outer() -> None:
        burn(0.01)
        inner(0.03)

    stages.timed("outer", outer)()
    assert stages.totals["inner"].cpu_s == pytest.approx(0.03, abs=0.005)
    assert stages.totals["outer"].cpu_s == pytest.approx(0.01, abs=0.005)


async def test_a_coroutine_is_measured_only_while_it_runs() -> None:
    stages = Stages()
    gate = asyncio.Event()

    async def works() -> str:
        burn(0.01)
        await gate.wait()
        burn(0.01)
        return "done"

    async def another() -> None:
        burn(0.05)
        gate.set()

    result, _ = await asyncio.gather(stages.timed_async("works", works)(), another())
    assert result == "done"
    assert stages.totals["works"].cpu_s == pytest.approx(0.02, abs=0.005)
    assert stages.totals["works"].count == 1


async def test_what_is_thrown_into_a_measured_coroutine_arrives() -> None:
    stages = Stages()
    began = asyncio.Event()
    seen: list[str] = []

    async def waits() -> None:
        began.set()
        try:
            await asyncio.Future()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    task: asyncio.Task[None] = asyncio.create_task(stages.timed_async("waits", waits)())  # type: ignore[arg-type]
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]


def test_a_failing_function_leaves_no_open_stage() -> None:
    stages = Stages()

    def fails() -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        stages.timed("fails", fails)()
    stages.timed("after", burn)(0.001)
    assert stages.totals["fails"].count == 1
    assert not stages._stack()


def test_stages_per_frame_add_up_to_the_whole() -> None:
    def snapshot(cpu_s: float, scale: float) -> dict[str, object]:
        stages = {
            name: {"cpu_s": 0.1 * scale, "wall_s": 0.2 * scale, "count": 10} for name in ("decode", "encode")
        }
        return {
            "cpu_s": cpu_s,
            "stages": stages,
            "threads": {"ZMQbg/IO/0": 0.05 * scale, "MainThread": 0.05 * scale},
        }

    found = by_frame(snapshot(1.0, 1.0), snapshot(2.0, 3.0), frames=100)
    cpu_ms = {stage.name: stage.cpu_ms for stage in found}
    assert cpu_ms["decode"] == pytest.approx(2.0)
    assert cpu_ms["libzmq"] == pytest.approx(1.0)
    assert cpu_ms[REST] == pytest.approx(10.0 - 2 * 2.0 - 1.0)
    assert sum(cpu_ms.values()) == pytest.approx(10.0)


def test_a_stage_that_began_after_the_first_snapshot_counts_from_nought() -> None:
    before = {"cpu_s": 0.0, "stages": {}, "threads": {}}
    after = {"cpu_s": 0.1, "stages": {"pack": {"cpu_s": 0.01, "wall_s": 0.02, "count": 1}}, "threads": {}}
    pack = next(stage for stage in by_frame(before, after, frames=10) if stage.name == "pack")
    assert (pack.cpu_ms, pack.wall_ms) == pytest.approx((1.0, 2.0))
