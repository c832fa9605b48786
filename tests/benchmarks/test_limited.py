from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import first_gpu, gpu_steps, gpu_table
from benchmarks.limited import ROOT, Ended, ended
from tests.inference_service.doubles import until


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_what_was_said_before_the_limit_is_kept_and_nobody_is_left(tmp_path: Path) -> None:
    program = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n"
        "print('so far', flush=True)\n"
        "time.sleep(600)\n"
    )
    came = ended(python(program), 3)
    assert (came.code, came.said.strip()) == (None, "so far")
    assert came.how == "was ended by its limit"
    child = int((tmp_path / "pid").read_text())
    until(lambda: not _lives(child))


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]
    except OSError:
        return False


def test_a_part_that_fails_says_its_last_line_and_one_that_is_not_there_too() -> None:
    came = ended(python("import os; print(os.getcwd()); raise SystemExit('CUDA error: no')"), 60)
    assert (came.code, came.said.strip(), came.last) == (1, str(ROOT), "CUDA error: no")
    assert ended(["no-such-profiler"], 60).how == "failed with code 127"


def test_first_steps_are_a_table_whatever_becomes_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        "smoke": Ended(0, 'a library prints this\n["torch", "2 | 14"]\n17\n', "", 1.0),
        "tests": Ended(None, "", "", 240.0),
        "half": Ended(-9, '["pose", "0 of 4"]\n["face"', "killed", 2.0),
    }

    def step(argv: Sequence[str], limit_s: float) -> Ended:
        return said[argv[argv.index("--step") + 1]]

    monkeypatch.setattr(first_gpu, "ended", step)
    monkeypatch.setattr(sys, "argv", ["first_gpu", "--only", ",".join(said), "--out", str(tmp_path)])
    assert first_gpu.main() == 0
    rows = (tmp_path / "first_gpu.md").read_text().splitlines()[2:]
    assert rows == [
        "| smoke | torch | 2 / 14 |",
        "| smoke | (the step) | ended after 1 s |",
        "| tests | (the step) | was ended by its limit after 240 s |",
        "| half | pose | 0 of 4 |",
        "| half | (the step) | failed with code -9 after 2 s killed |",
    ]


def test_all_first_steps_together_take_25_minutes_at_most_and_have_their_parts() -> None:
    assert sum(limit_s for _, limit_s in first_gpu.STEPS.values()) <= 25 * 60
    missing = [path for path in gpu_steps.GPU_TESTS if not (ROOT / "tests/inference_service" / path).exists()]
    assert not missing


def row(**changes: object) -> str:
    values = {"filter": "face", "size": "640x480", "cameras": 8, "p95_ms": 21.0, "per_second": 310.0}
    values |= {"memory_mib": 900.0, "watts": None, "cores": 1.5, "notes": ""}
    return json.dumps(values | changes)


def test_the_last_row_of_a_filter_counts_and_a_failure_is_a_row_too(monkeypatch: pytest.MonkeyPatch) -> None:
    came = iter(
        [
            Ended(None, f"noise\n{row(cameras=0)}\n{row()}\n", "", 300.0),
            Ended(1, "", "no detectron2", 5.0),
        ]
    )
    monkeypatch.setattr(gpu_table, "ended", lambda argv, limit_s: next(came))
    lines = list(gpu_table.table("cuda:0", ["face", "densepose"], [(640, 480)], 1.0, 300.0))  # type: ignore[arg-type]
    assert lines[2][0] == "| face | 640x480 | 8 | 21.0 | 310.0 | 1500 | 900 |  | 1.5 |  |"
    assert lines[3] == ("| densepose | 640x480 | failed with code 1 no detectron2 |", None)


class Bench:
    """Carries so many cameras."""

    def __init__(self, most: int) -> None:
        import torch

        self.most, self.device, self.tried = most, torch.device("cpu"), list[int]()

    def measure(self, load: object) -> object:
        from types import SimpleNamespace

        self.tried.append(load.cameras)  # type: ignore[attr-defined]
        p95_ms = 20.0 if self.tried[-1] <= self.most else 70.0
        return SimpleNamespace(
            slowest=30.0, p95_ms=p95_ms, failures={}, per_second=100.0, memory_mib=1.0, cpu_ms=2.0
        )


@pytest.mark.parametrize(("most", "carried"), [(0, 0), (5, 4), (1000, gpu_table.CAMERAS[-1])])
def test_cameras_are_counted_until_one_number_is_too_many(most: int, carried: int) -> None:
    bench = Bench(most)
    *_, known = list(gpu_table.carried(bench, (640, 480), [], 1.0))
    assert known["cameras"] == carried
    assert known["p95_ms"] == (20.0 if carried else 70.0)
    if carried == 4:
        assert bench.tried == [gpu_table.AT_MOST_CAMERAS, 1, 2, 4, 8]


def test_watts_are_the_mean_of_what_is_told() -> None:
    assert gpu_table.mean_of("100.5\n101.5\n") == 101.0
    assert gpu_table.mean_of("[N/A]\n") is None
    with gpu_table.Watts(Bench(1).device) as watts:
        pass
    assert watts.mean is None
