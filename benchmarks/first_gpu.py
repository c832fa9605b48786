"""The first half hour on a new GPU: what reading could not settle, step by step, and a table of it.

    python -m benchmarks.first_gpu [--out FOLDER] [--only smoke,graphs] [--device cuda:0]

Each step runs in a process of its own with a limit of time, so that one that fails or hangs costs itself
alone; all limits together are 25 minutes. DensePose has random weights (benchmarks/densepose/crowd.py); a
filter whose weights are not there is named as such. `--device cpu` shows that the steps run, and no speed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks import gpu_steps as steps
from benchmarks.densepose.absent import stand_in
from benchmarks.gpu_steps import Row

STEPS: dict[str, tuple[Callable[[torch.device], Iterator[Row]], int]] = {
    "smoke": (steps.smoke, 60),
    "tests": (steps.tests, 240),
    "graphs": (steps.graphs, 300),
    "half": (steps.half, 120),
    "loads": (steps.loads, 300),
    "waits": (steps.waits, 120),
    "profile": (steps.profile, 180),
    "workers": (steps.workers, 180),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--only", default=",".join(STEPS), help="steps, comma-separated")
    parser.add_argument("--out", type=Path, help="folder for first_gpu.md")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        stand_in()
        step = steps.one if given.step == "one" else STEPS[given.step][0]
        for row in step(torch.device(given.device)):
            print(json.dumps(row), flush=True)
        return 0
    if unknown := set(given.only.split(",")) - set(STEPS):
        parser.error(f"no step {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    lines = ["| step | what | figure |", "|---|---|---|"]
    print("\n".join(lines))
    for name in given.only.split(","):
        for what, figure in _run(name, given.device):
            cell = figure.replace("|", "/").replace("\n", " ")
            lines.append(f"| {name} | {what} | {cell} |")
            print(lines[-1], flush=True)
            if given.out is not None:
                # Each time: a machine may be taken away in the middle.
                given.out.mkdir(parents=True, exist_ok=True)
                (given.out / "first_gpu.md").write_text("\n".join(lines) + "\n")
    return 0


def _run(name: str, device: str) -> Iterator[Row]:
    argv = [sys.executable, "-m", "benchmarks.first_gpu", "--step", name, "--device", device]
    started_s = time.monotonic()
    # A file, not a pipe: what was said before the limit is kept.
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        try:
            code = subprocess.run(
                argv, stdout=said, stderr=errors, timeout=STEPS[name][1], check=False
            ).returncode
            end = "ended" if code == 0 else f"failed with code {code}"
        except subprocess.TimeoutExpired:
            end = "was ended by its limit"
        said.seek(0)
        errors.seek(0)
        for line in said:
            what, figure = json.loads(line)
            yield what, figure
        last = (errors.read().strip().splitlines() or [""])[-1] if end != "ended" else ""
    yield "(the step)", f"{end} after {time.monotonic() - started_s:.0f} s {last}".strip()


if __name__ == "__main__":
    sys.exit(main())
