"""The steps of `first_gpu`: each gives rows for its table, what and figure, as they come."""

from __future__ import annotations

import importlib
import platform
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_work import (
    ONE_SIZE,
    SCALE,
    Row,
    applied,
    densepose,
    free,
    loaded,
    measured,
    recorded,
    told,
)
from benchmarks.limited import ROOT
from harness import early_torch

GPU_TESTS = (
    "device/test_crossing.py",
    "device/test_memory.py",
    "device/test_laps.py",
    "device/kernels",
    "engine/test_pipeline.py",
    "filters/densepose/test_gpu.py",
    "filters/img2img/test_gpu.py",
    "filters/vision/test_levels.py",
    "filters/vision/networks/test_gpu.py",
    "filters/background/test_people.py",
    "filters/grade/test_grade.py",
)
OWN = ("ink", "background", "pose", "face", "makeup", "animal", "frame", "light", "grade")
DOWNLOADED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("detection", {}),
    ("segmentation", {}),
    ("pose", {"network": "keypoint_rcnn"}),
)
"""Filters with weights that must be there already."""


def smoke(device: torch.device) -> Iterator[Row]:
    """Driver, architectures, and one sum."""
    from inference_service.device.gpus import DRIVER, list_gpus, try_out

    yield "torch", f"{torch.__version__}, CUDA {torch.version.cuda}, python {platform.python_version()}"
    yield "driver", DRIVER.read_text().splitlines()[0] if DRIVER.exists() else "none"
    yield "architectures", " ".join(torch.cuda.get_arch_list()) or "none"
    yield "GPUs", ", ".join(gpu.name for gpu in list_gpus(str(device))) or "none"
    try_out(device)
    yield "computes", "yes"
    yield "CUDA graphs", early_torch.record_with_it() or "as in a worker"


def tests(device: torch.device) -> Iterator[Row]:
    """The tests that need a GPU."""
    paths = [f"tests/inference_service/{path}" for path in GPU_TESTS]
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-m", "gpu or triton", *paths]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    said = ran.stdout.strip().splitlines() or ran.stderr.strip().splitlines() or ["nothing said"]
    for line in said:
        if line.startswith(("FAILED", "ERROR")):
            yield "pytest", line
    yield "pytest", said[-1]


def kernels(device: torch.device) -> Iterator[Row]:
    """Each Triton kernel against torch's operators: whether it is right, and how long both take."""
    from harness import kernels
    from inference_service.device.kernels.twin import twins

    if device.type == "cpu":
        for made in kernels.compiled(90):
            yield made.name, f"compiled for a card that is not there: {made.registers} registers"
        return
    kernels.import_all()
    for one in twins():
        if (found := one.decide(device)) is None:
            yield one.name, f"not used: {one.failure}"
        else:
            ratio = found.plain_ms / found.kernel_ms
            yield (
                one.name,
                f"{found.kernel_ms:.3f} ms, by operators {found.plain_ms:.3f} ms: {ratio:.1f} times",
            )


def graphs(device: torch.device) -> Iterator[Row]:
    """DensePose with and without graphs, and what the order of recording costs."""
    runner: Any = importlib.import_module("inference_service.filters.densepose.runner")
    yield from measured(device, "eager", {"cuda_graphs": False})
    yield from measured(device, "graphs", ONE_SIZE)
    largest_first = runner.descending
    runner.descending = lambda most, buckets: largest_first(most, buckets)[::-1]
    yield from measured(device, "graphs, smallest first", ONE_SIZE)
    runner.descending = largest_first
    yield from measured(device, "graphs, not fused", ONE_SIZE, is_fused=False)


def half(device: torch.device) -> Iterator[Row]:
    """Which filters make values that are no numbers, on noise; and DensePose in bfloat16."""
    for name, settings in (*((name, {}) for name in OWN), *DOWNLOADED):
        yield f"{name} {settings or ''}".strip(), told(partial(_not_finite, name, device, settings))
    yield from measured(device, "densepose in bfloat16", {"precision": "bfloat16", **ONE_SIZE})


def _not_finite(name: str, device: torch.device, settings: dict[str, Any]) -> str:
    made = loaded(name, device, settings)
    bad = [not bool(applied(made, device, SCALE.sizes[0], seed).isfinite().all()) for seed in range(4)]
    return f"{sum(bad)} of {len(bad)} pictures not finite; {len(made.fallbacks)} fallbacks"


def loads(device: torch.device) -> Iterator[Row]:
    """DensePose loaded and recorded again and again while eight cameras are served by ink."""
    from inference_service.device import context
    from inference_service.engine.measuring import Bench
    from inference_service.engine.memory_cameras import Load
    from inference_service.filters.installed import installed

    with Bench(("ink",), device, installed(), {}, Path(tempfile.gettempdir())) as bench:
        load = Load(8, {}, SCALE.sizes[0], 30.0, SCALE.seconds, 1.0)
        alone = bench.measure(load)
        yield "ink alone", f"{alone.per_second:.0f} frames/s, p95 {alone.p95_ms:.1f} ms"
        unrecorded, done, failures = [0], [0], list[str]()

        def load_again_and_again() -> None:
            context.enter(device)
            for _ in range(SCALE.loads):
                try:
                    unrecorded[0] += len(densepose(device, {"warm_batch": 4, **ONE_SIZE}).fallbacks)
                except Exception as exc:
                    failures.append(f"{type(exc).__name__}: {exc}")
                free(device)
                done[0] += 1

        loading = threading.Thread(target=load_again_and_again)
        loading.start()
        while loading.is_alive():
            beside = bench.measure(load)
            yield (
                "ink meanwhile",
                f"{beside.per_second:.0f} frames/s, p95 {beside.p95_ms:.1f} ms, slowest camera "
                f"{beside.slowest:.1f}, {dict(beside.failures)}; {done[0]} loads, {len(failures)} failed "
                f"{failures[:1]}, {unrecorded[0]} fallbacks",
            )


def waits(device: torch.device) -> Iterator[Row]:
    """Which filters wait for the GPU in a batch, recorded or not, by kernels or not: torch raises there."""
    folder = "inference_service.filters.vision.networks"
    rows: Any = importlib.import_module(f"{folder}.people.recorded")
    # Three pictures, with four places and with eight: a worker records for more, which would take this
    # step's time.
    rows.MOST_ROWS = 24
    for name in OWN:
        yield name, told(partial(_waits, name, device))


def _waits(name: str, device: torch.device) -> str:
    from inference_service.device.kernels import twin

    made = loaded(name, device)
    for prepare in (lambda: None, lambda: recorded(made), lambda: [piece() for piece in twin.pieces(device)]):
        prepare()
        for size in SCALE.sizes[1:]:
            for count in (1, 3):
                # What is made once for a size is made by the first.
                applied(made, device, size, 0, count)
                applied(made, device, size, 1, count, mode="error")
    return "; ".join(["none", *(lack.text for lack in made.fallbacks)])
