"""What benchmarks/gpu.py needs where torch, torchvision, numpy and opencv are, and no network.

    python -m benchmarks.densepose.pack FOLDER --detectron2 CLONE [--python 3.12]

FOLDER gets detectron2 and DensePose as plain Python, from a clone of its repository, and the few packages
that they and the worker's engine import. There: `PYTHONPATH=FOLDER python -m benchmarks.gpu`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WHEELS = (
    "annotated-types",
    "cloudpickle",
    "msgpack",
    "omegaconf",
    "packaging",
    "portalocker",
    "pydantic",
    "pyyaml",
    "tabulate",
    "termcolor",
    "tqdm",
    "typing-extensions",
    "typing-inspection",
    "yacs",
)
SOURCES = ("fvcore", "iopath", "antlr4-python3-runtime==4.9.3")
"""Published as source alone; all of them are plain Python where nothing compiled is used."""
PACKAGES = {"detectron2": "detectron2", "projects/DensePose/densepose": "densepose"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--detectron2", type=Path, required=True, help="a clone of its repository")
    parser.add_argument("--python", default="3.12", help="version of Python on the GPU machine")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--upgrade",
        "--target",
        str(folder),
    ]
    constraints = ["-c", str(ROOT / "constraints.txt")]
    for_there = ["--only-binary", ":all:", "--python-version", arguments.python, "--implementation", "cp"]
    subprocess.run([*pip, *constraints, *for_there, *WHEELS, _core_of_pydantic()], check=True)
    subprocess.run([*pip, *SOURCES], check=True)
    for source, name in PACKAGES.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(
            arguments.detectron2 / source, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {size / 1e6:.0f} MB")


def _core_of_pydantic() -> str:
    # Its version must be the one that this pydantic wants; no other package here has such a part.
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith("pydantic_core=="))


if __name__ == "__main__":
    main()
