"""What each filter costs: `python -m benchmarks.filters [FILTER ...] [--cameras 1,4,16] [--device cuda]`.

Cameras of 640x480 (`--size`) that show one person, who sways, each with a new frame waiting at any time, on a
worker's own engine: conversions and the ways to the device and back are in the figures, sockets and video are
not. Weights that are not in the weights folder are made up (`random_weights.py`), which the table says. The
last column is what was to be reached, on this kind of device, at 640x480. On a shared host compare the ms of
CPU of one thread: `--threads 1`. An operator's settings come as JSON:
`--settings '{"pose": {"network": "keypoint_rcnn"}}'`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import torch

from harness.photograph import SIZE, Image, dimmed, moving, read_astronaut
from harness.random_weights import settings_with
from inference_service.device.choice import take
from inference_service.device.gpus import list_gpus
from inference_service.engine.measuring import Bench, Measured
from inference_service.engine.memory_cameras import Load
from inference_service.errors import SessionError
from inference_service.filters.installed import BUILT_IN, installed
from inference_service.filters.loading import configured
from inference_service.weights.folder import default_folder
from shared.run_dir import run_dir

FILTERS = tuple(name for name in BUILT_IN if name not in ("passthrough", "invert", "densepose"))
GOALS = {
    "cpu": {
        "background": (60, 80),
        "pose": (20, 25),
        "frame": (60, 90),
        "light": (60, 90),
        "face": (40, 60),
        "makeup": (30, 40),
        "animal": (30, 40),
        "grade": (60, 90),
    },
    "cuda": {
        "background": (1000, 1000),
        "segmentation": (1000, 1000),
        "detection": (400, 400),
        "pose": (200, 200),
        "img2img": (60, 60),
    },
}
"""Frames a second at one camera, and at more of them together: on two CPU cores, and on an H100."""


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
        alone, together = GOALS.get(self.device.partition(":")[0], {}).get(self.filter, (None, None))
        return alone if self.cameras == 1 else together


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("filters", nargs="*", default=FILTERS, metavar="FILTER", help="default: all")
    parser.add_argument("--cameras", default="1,4,16", help="numbers of cameras, comma-separated")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--size", default="640x480", help="of the cameras")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--weights-dir", type=Path, default=default_folder())
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 2), help="of torch, on a CPU")
    parser.add_argument("--settings", type=json.loads, default={}, help="of filters, as JSON")
    parser.add_argument("--out", type=Path, help="a file for the figures as JSON")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    width, height = (int(side) for side in given.size.split("x"))
    device = take(given.device, list_gpus(given.device), run_dir(os.environ))
    cameras = [int(text) for text in given.cameras.split(",")]
    print(f"{device.label}, torch {torch.__version__}, {given.seconds:g} s each\n")
    columns = ["filter", "weights", "cameras", "frames/s", "ms/frame", "of these the filter's", "ms of CPU"]
    columns += ["failed", "to reach"]
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    rows: list[Row] = []
    for name in given.filters:
        try:
            for row in measure(
                name,
                device.torch,
                cameras,
                given.seconds,
                given.weights_dir,
                given.settings,
                (width, height),
            ):
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
    name: str,
    device: torch.device,
    cameras: Sequence[int],
    seconds: float,
    weights_dir: Path,
    given: Mapping[str, Mapping[str, Any]],
    size: tuple[int, int] = SIZE,
) -> Iterator[Row]:
    """Load a filter once, with its settings of `given`, and measure it with each number of cameras.

    Raises ImportError or FilterFailed where it cannot be had here.
    """
    points = installed()
    chosen = dict(given.get(name, {}))
    wanted = configured(points[name].load(), chosen).needed_weights()
    has_own_weights = all((weights_dir / file.name).exists() for file in wanted)
    with tempfile.TemporaryDirectory() as folder:
        settings = chosen | ({} if has_own_weights else settings_with(name, Path(folder)))
        with Bench((name,), device, points, {name: settings}, weights_dir) as bench:
            # `light` does next to nothing where there is enough of it.
            photograph = dimmed(read_astronaut(size), 3) if name == "light" else read_astronaut(size)
            pictures = [packed(one) for one in moving(photograph)]
            for count in cameras:
                measured = bench.measure(Load(cameras=count, size=size, seconds=seconds, pictures=pictures))
                yield Row(name, str(device), count, has_own_weights, measured)


def packed(image_rgb: Image) -> bytes:
    """Return the I420 planes of a picture."""
    return cv2.cvtColor(image_rgb, cv2.COLOR_RGB2YUV_I420).tobytes()


def line(row: Row) -> str:
    """Return one row of the table."""
    measured = row.measured
    failed = sum(measured.failures.values())
    return (
        f"| {row.filter} | {'own' if row.has_own_weights else 'random'} | {row.cameras} "
        f"| {measured.per_second:.1f} | {1000 / max(measured.per_second, 1e-9):.2f} "
        f"| {measured.stages_ms.get('filter', 0.0):.2f} | {measured.cpu_ms:.2f} | {failed or ''} "
        f"| {row.goal or ''} |"
    )


if __name__ == "__main__":
    main()
