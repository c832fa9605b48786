"""The first half hour on a new GPU: what reading could not settle, step by step, and a table of it.

    python -m benchmarks.first_gpu [--out FOLDER] [--only smoke,graphs] [--device cuda:0]

Each step runs in a process of its own with a limit of time, so that one that fails or hangs costs itself
alone; all limits together are 25 minutes. DensePose has random weights (benchmarks/densepose/crowd.py); a
filter whose weights are not there is named as such. `--device cpu` shows that the steps run, and no speed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks import gpu_faults as faults
from benchmarks import gpu_steps as steps
from benchmarks.densepose.absent import stand_in
from benchmarks.gpu_work import SCALE, Row
from benchmarks.limited import ended
from harness import early_torch

STEPS: dict[str, tuple[Callable[[torch.device], Iterator[Row]], int]] = {
    "smoke": (steps.smoke, 60),
    "tests": (steps.tests, 240),
    "kernels": (steps.kernels, 60),
    "graphs": (steps.graphs, 240),
    "half": (steps.half, 150),
    "loads": (steps.loads, 210),
    "waits": (steps.waits, 120),
    "broken": (faults.broken, 60),
    "profile": (faults.profile, 180),
    "workers": (faults.workers, 180),
}
"""Each step and its limit in s: 25 minutes together."""
PARTS = {"one": faults.one, "odd": faults.odd}
"""What steps start as processes of their own."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--only", default=",".join(STEPS), help="steps, comma-separated")
    parser.add_argument("--out", type=Path, help="folder for first_gpu.md")
    parser.add_argument("--quick", action="store_true", help="little of everything, to see that it runs")
    parser.add_argument("--limit", type=float, help="seconds for each step, instead of its own")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        stand_in()
        early_torch.record_with_it()
        if given.quick:
            SCALE.quick()
        step = PARTS[given.step] if given.step in PARTS else STEPS[given.step][0]
        for row in step(torch.device(given.device)):
            print(json.dumps(row), flush=True)
        return 0
    if unknown := set(given.only.split(",")) - set(STEPS):
        parser.error(f"no step {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    lines = ["| step | what | figure |", "|---|---|---|"]
    print("\n".join(lines))
    for name in given.only.split(","):
        limit_s = STEPS[name][1] if given.limit is None else given.limit
        for what, figure in _run(name, given.device, limit_s, is_quick=given.quick):
            cell = figure.replace("|", "/").replace("\n", " ")
            lines.append(f"| {name} | {what} | {cell} |")
            print(lines[-1], flush=True)
            if given.out is not None:
                # Each time: a machine may be taken away in the middle.
                given.out.mkdir(parents=True, exist_ok=True)
                (given.out / "first_gpu.md").write_text("\n".join(lines) + "\n")
    return 0


def _run(name: str, device: str, limit_s: float, *, is_quick: bool) -> Iterator[Row]:
    argv = [sys.executable, "-m", "benchmarks.first_gpu", "--step", name, "--device", device]
    argv += ["--quick"] if is_quick else []
    came = ended(argv, limit_s)
    for line in came.said.splitlines():
        # A library may have printed something too.
        with contextlib.suppress(ValueError, TypeError):
            what, figure = json.loads(line)
            yield str(what), str(figure)
    yield "(the step)", f"{came.how} after {came.took_s:.0f} s {came.last}".strip()


if __name__ == "__main__":
    sys.exit(main())
