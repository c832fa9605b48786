"""What each filter costs: `python -m benchmarks.filters [FILTER ...] [--cameras 1,4,16] [--device cuda]`.

Cameras of 640x480, each with a new frame waiting at any time, on a worker's own engine: conversions and the
ways to the device and back are in the figures, sockets and video are not. Weights that are not in the
weights folder are made up (`random_weights.py`), which the table says. The last column is what was to be
reached, on this kind of device.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from harness.random_weights import settings_with
from inference_service.device.choice import list_gpus, take
from inference_service.engine.measuring import Bench, Measured
from inference_service.engine.memory_cameras import Load
from inference_service.errors import SessionError
from inference_service.filters.loading import configured
from inference_service.filters.registry import BUILT_IN, installed
from inference_service.weights.folder import default_folder
from shared.run_dir import run_dir

FILTERS = tuple(name for name in BUILT_IN if name not in ("passthrough", "invert", "densepose"))
GOALS = {
    "cpu": {"background": 60, "makeup": 30, "animal": 30},
    "cuda": {"background": 1000, "segmentation": 1000, "detection": 400, "pose": 200, "img2img": 60},
}
"""Frames a second at any number of cameras: on two CPU cores, and on an H100."""


@dataclass(frozen=True, slots=True)
class Row:
    """One filter at one number of cameras."""

    filter: str
    device: str
    cameras: int
    has_own_weights: bool
    measured: Measured

    @property
    def goal(self) -> int | None:
        """Frames a second; None where none was set."""
        return GOALS.get(self.device.partition(":")[0], {}).get(self.filter)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("filters", nargs="*", default=FILTERS, metavar="FILTER", help="default: all")
    parser.add_argument("--cameras", default="1,4,16", help="numbers of cameras, comma-separated")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--weights-dir", type=Path, default=default_folder())
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 2), help="of torch, on a CPU")
    parser.add_argument("--out", type=Path, help="a file for the figures as JSON")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = take(given.device, list_gpus(), run_dir(os.environ))
    cameras = [int(text) for text in given.cameras.split(",")]
    print(f"{device.label}, torch {torch.__version__}, {given.seconds:g} s each\n")
    print("| filter | weights | cameras | frames/s | ms/frame | of these the filter's | failed | to reach |")
    print("|---|---|---|---|---|---|---|---|")
    rows: list[Row] = []
    for name in given.filters:
        try:
            for row in measure(name, device.torch, cameras, given.seconds, given.weights_dir):
                rows.append(row)
                print(line(row), flush=True)
        except (ImportError, SessionError) as exc:
            print(f"| {name} | not measured: {exc} |", flush=True)
    if given.out is not None:
        found = [{**asdict(row), "goal": row.goal} for row in rows]
        given.out.write_text(
            json.dumps({"device": device.label, "torch": torch.__version__, "rows": found}, indent=1)
        )


def measure(
    name: str, device: torch.device, cameras: Sequence[int], seconds: float, weights_dir: Path
) -> Iterator[Row]:
    """Load a filter once and measure it with each number of cameras.

    Raises ImportError or FilterFailed where it cannot be had here.
    """
    points = installed()
    wanted = configured(points[name].load(), {}).needed_weights()
    has_own_weights = all((weights_dir / file.name).exists() for file in wanted)
    with tempfile.TemporaryDirectory() as folder:
        settings: dict[str, Any] = {} if has_own_weights else settings_with(name, Path(folder))
        with Bench((name,), device, points, {name: settings}, weights_dir) as bench:
            for count in cameras:
                measured = bench.measure(Load(cameras=count, seconds=seconds))
                yield Row(name, str(device), count, has_own_weights, measured)


def line(row: Row) -> str:
    """Return one row of the table."""
    measured = row.measured
    failed = sum(measured.failures.values())
    return (
        f"| {row.filter} | {'own' if row.has_own_weights else 'random'} | {row.cameras} "
        f"| {measured.per_second:.1f} | {1000 / max(measured.per_second, 1e-9):.2f} "
        f"| {measured.stages_ms.get('filter', 0.0):.2f} | {failed or ''} | {row.goal or ''} |"
    )


if __name__ == "__main__":
    main()
