"""What each filter starts on a GPU for a batch, and what it moves: counted on a GPU that is not there.

    python -m benchmarks.launches [FILTER ...] [--size 640x480] [--cameras 2] [--precision float32]

The second frame of cameras that show a photograph with one person. Launches hardly depend on the number of
cameras, but bytes do on the precision.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np

from harness.launches import launches
from harness.photograph import read_astronaut
from inference_service.filters.installed import BUILT_IN, installed
from inference_service.filters.loading import configured


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("filters", nargs="*", metavar="FILTER", default=None)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--cameras", type=int, default=2)
    parser.add_argument("--precision", default="float32", help="float16 is a GPU's own, and slow here")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    planes = cv2.cvtColor(read_astronaut((width, height)), cv2.COLOR_RGB2YUV_I420).astype(np.uint8)
    print(
        "| filter | launches a batch | recorded | by kernels | MB a frame | recorded | by kernels | waits |"
    )
    print("|---|---|---|---|---|---|---|---|")
    points = installed()
    whole = [name for name in BUILT_IN if not configured(points[name].load(), {}).needed_packages()]
    for name in given.filters or whole:
        has_precision = "precision" in points[name].load().Settings.model_fields
        found = launches(name, planes, given.cameras, {"precision": given.precision} if has_precision else {})
        works = found.eager, found.recorded, found.by_kernels
        cells = [
            *(f"{work.operators.total():,}" for work in works),
            *(f"{work.moved_bytes / given.cameras / 1e6:,.0f}" for work in works),
            f"{found.eager.waits.total()}",
        ]
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
