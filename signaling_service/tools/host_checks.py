"""GPU, driver, cores and the worker's packages on this host."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec

from shared.own_python import own_python
from signaling_service.config import CORES_PER_PROCESS, Settings
from signaling_service.cores import usable_cores
from signaling_service.tools.finding import Finding, bad, ok, warn

DRIVER_OF_IMAGE = 580
"""The CUDA of the image's torch needs it (docs/deployment.md)."""
OLDEST_DRIVER = 525
ENOUGH_DESCRIPTORS = 1024
LIMIT_S = 20.0
LIST_LIMIT_S = 180.0
"""torch alone takes many seconds to import on a busy host."""

Run = Callable[[Sequence[str], float], "tuple[int, str]"]


def run(argv: Sequence[str], limit_s: float) -> tuple[int, str]:
    """Return a program's exit code and what it has said; raises OSError where it is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            argv, capture_output=True, text=True, timeout=limit_s, errors="replace", check=False
        )
    except subprocess.TimeoutExpired:
        return 124, f"it did not end within {limit_s:g} s"
    return done.returncode, done.stdout or done.stderr


def gpus(run: Run = run) -> Iterator[Finding]:
    """Look for NVIDIA GPUs and their driver, by the driver's own program."""
    query = ("--query-gpu=name,driver_version,memory.total,memory.free", "--format=csv,noheader,nounits")
    try:
        code, said = run(("nvidia-smi", *query), LIMIT_S)
    except OSError:
        yield warn(
            "gpu",
            "no nvidia-smi here: no GPU, or none that this host (or container) may use",
            "workers run on the CPU; ink and other small filters keep up there",
        )
        return
    if code != 0:
        first = said.strip().partition("\n")[0]
        yield bad(
            "gpu",
            f"nvidia-smi fails: {first}",
            "install the driver anew, or restart the host after an update",
        )
        return
    rows = [[cell.strip() for cell in line.split(",")] for line in said.splitlines() if line.count(",") == 3]
    if not rows:
        yield warn("gpu", "the driver sees no GPU", "workers run on the CPU")
    for name, _, total_mib, free_mib in rows:
        yield ok("gpu", f"{name}, {free_mib} of {total_mib} MiB free")
    # All GPUs of a host have the same one.
    for _, driver, _, _ in rows[:1]:
        yield _driver(driver)


def _driver(version: str) -> Finding:
    major = version.partition(".")[0]
    if not major.isdigit():
        return warn("driver", f"version {version} cannot be read")
    if int(major) < OLDEST_DRIVER:
        return bad("driver", f"{version} is too old", f"install {DRIVER_OF_IMAGE} or later")
    if int(major) < DRIVER_OF_IMAGE:
        return warn(
            "driver",
            f"{version} knows no CUDA 13, for which torch is built by default",
            f"install {DRIVER_OF_IMAGE} or later, or torch for CUDA 12.6 (docs/deployment.md, GPUs)",
        )
    return ok("driver", version)


def cores(settings: Settings) -> Iterator[Finding]:
    """Look whether the processes have cores, and descriptors for their calls."""
    usable = usable_cores()
    if settings.processes > 1 and settings.processes * CORES_PER_PROCESS > usable + 1:
        yield warn(
            "cores",
            f"{settings.processes} processes share {usable:g} cores; each can use {CORES_PER_PROCESS}",
            "fewer --processes, or none: the default fits",
        )
    else:
        yield ok("cores", f"{usable:g} for {settings.processes} media process(es)")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < ENOUGH_DESCRIPTORS:
        yield warn(
            "descriptors", f"at most {hard} files and sockets", "ulimit -n, or LimitNOFILE= of systemd"
        )


def weights(run: Run = run) -> Iterator[Finding]:
    """Look which filters a worker on this host can run, and which weights are here."""
    if find_spec("torch") is None or find_spec("inference_service") is None:
        yield ok("weights", "no worker can run here (no torch): look on the worker's host")
        return
    code, said = run((sys.executable, "-m", "inference_service", "list", "--json"), LIST_LIMIT_S)
    try:
        filters = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    except ValueError:
        filters = []
    if code != 0 or not filters:
        last = said.strip().rpartition("\n")[2]
        yield bad("filters", f"`python -m inference_service list` fails: {last}", "look at what it says")
        return
    can_run = [one for one in filters if "error" not in one and _can_run(one["obstacle"])]
    yield ok("filters", f"{len(can_run)} of {len(filters)} can be loaded by workers of this host")
    for one in filters:
        if "error" in one:
            yield warn("filters", f"{one['name']} cannot be used: {one['error']}", "mend it, or leave it")
        elif one["obstacle"] is not None:
            yield warn("filters", f"{one['name']} {one['obstacle']['text']}", one["obstacle"]["remedy"])
    if later := [one["name"] for one in can_run if not all(one["weights"].values())]:
        command = f"{own_python()} -m inference_service download {' '.join(later)}"
        yield warn(
            "weights",
            f"not here yet: {', '.join(later)}",
            f"{command} (else the first call waits for them)",
        )
    else:
        yield ok("weights", "all are here")


def _can_run(obstacle: dict[str, str] | None) -> bool:
    # What needs a GPU runs without one too, but not as fast as a camera.
    return obstacle is None or obstacle["code"] == "needs_gpu"
