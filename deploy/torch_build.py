"""Which build of torch an installation takes: flags for pip on standard output, advice on standard error.

    python deploy/torch_build.py [--models] [--cpu] CONSTRAINTS
    python deploy/torch_build.py --cpu --installed

Writes the versions to the file CONSTRAINTS. With `--models` these are of a pair with torchvision. The default
build for Linux has CUDA, some GB of it. `--cpu` takes PyTorch's own build for CPUs. An environment that has
that already keeps it. `--installed` installs nothing: it says where another build than `--cpu`'s stays.
"""

from __future__ import annotations

import argparse
import http.client
import importlib.util
import re
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_S = 10.0
STAYS = (
    "torch: the build with CUDA is installed, and stays.",
    "For the small one: make clean, then the same command.",
)
ROOT = Path(__file__).resolve().parents[1]


def main(argv: list[str]) -> int:
    """Write the constraints, print flags for pip; returns 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", action="store_true")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--installed", action="store_true")
    parser.add_argument("constraints", type=Path, nargs="?")
    given = parser.parse_args(argv)
    installed = installed_version_file()
    if given.installed:
        if given.cpu and installed is not None and not is_cpu_build(installed):
            print(*STAYS, sep="\n", file=sys.stderr)
        return 0
    if given.constraints is None:
        parser.error("no file for the constraints")
    is_kept = is_cpu_build(installed)
    wants_cpu = sys.platform == "linux" and (given.cpu or is_kept)
    has_index = wants_cpu and is_reachable(INDEX)
    own = (ROOT / "constraints.txt").read_text()
    if given.models and not has_index:
        # The pair in constraints.txt goes together only as PyTorch's index has it.
        own = re.sub(r"(?m)^torch(vision)?==.*\n", "", own) + (ROOT / "constraints-models.txt").read_text()
    given.constraints.write_text(own)
    # To pip one version is one thing, whatever its build.
    is_there = installed is not None and not is_kept and f"torch=={version(installed)}\n" in own
    for line in advice(
        wants_cpu, has_index, has_driver=has_nvidia_driver(), is_kept=is_kept, is_there=is_there
    ):
        print(line, file=sys.stderr)
    if has_index:
        print(f"--extra-index-url {INDEX}")
    return 0


def advice(
    wants_cpu: bool, has_index: bool, *, has_driver: bool, is_kept: bool, is_there: bool
) -> Iterator[str]:
    """Give what to say before gigabytes are installed; `is_there`: with CUDA, in the wanted version."""
    if is_there:
        if wants_cpu:
            yield from STAYS
    elif wants_cpu and has_index:
        yield "torch: PyTorch's build for CPUs, without CUDA" + (", as installed" if is_kept else "")
    elif wants_cpu:
        yield f"torch: {INDEX} cannot be reached, so the default index is used."
        yield "Its build for Linux may bring CUDA's libraries, some GB."
    elif sys.platform == "linux" and not has_driver:
        yield "torch: this host has no NVIDIA driver. The default build brings CUDA's libraries all the same,"
        yield "some GB. The same command with CPU=1 takes the small build for CPUs."


def installed_version_file() -> Path | None:
    """Return torch's own file about its build, or None. Nothing of torch is imported."""
    spec = importlib.util.find_spec("torch")
    return Path(spec.origin).with_name("version.py") if spec and spec.origin else None


def is_cpu_build(version_file: Path | None) -> bool:
    """Return whether torch is installed without CUDA, whose version or None stands in that file."""
    if version_file is None or not version_file.exists():
        return False
    return re.search(r"(?m)^cuda\b.*=\s*None\s*$", version_file.read_text()) is not None


def version(version_file: Path) -> str:
    """Return the version in that file, without the build; empty where there is none."""
    if not version_file.exists():
        return ""
    found = re.search(r"(?m)^__version__\s*=\s*['\"]([^'\"+]+)", version_file.read_text())
    return found[1] if found else ""


def has_nvidia_driver() -> bool:
    """Return whether a driver is loaded, or its tool installed."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def is_reachable(url: str) -> bool:
    """Return whether the server of an index answers for torch."""
    try:
        with urllib.request.urlopen(f"{url}/torch/", timeout=PROBE_S) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, http.client.HTTPException):
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
