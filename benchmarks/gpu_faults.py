"""The steps of `first_gpu` about what goes wrong: broken GPUs, foreign memory, full memory, two workers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path

import torch

from benchmarks import limited
from benchmarks.gpu_work import ONE_SIZE, SCALE, Row, applied, densepose, measured
from benchmarks.limited import ROOT
from inference_service.filters import base


def broken(device: torch.device) -> Iterator[Row]:
    """How long a GPU that has failed for good keeps its worker."""
    from inference_service.engine.engine import Engine, Limits, Outputs
    from inference_service.engine.memory_cameras import Cameras, Load

    if device.type != "cuda":
        yield "an illegal address", "only on a GPU"
        return
    ended = threading.Event()
    point = EntryPoint("breaks", "benchmarks.gpu_faults:Breaks", "p2pcamera.filters")
    limits = Limits(max_batch=4, max_wait_ms=10_000, hang_s=30)
    outputs = Outputs(lambda made: None, lambda: None, ended.set, ended.set)
    folder = Path(tempfile.gettempdir())
    engine = Engine("first_gpu", device, {"breaks": point}, {}, folder, limits, outputs)
    engine.open(("breaks",))
    cameras = Cameras(Load(2, {}, SCALE.sizes[0], 30.0, 30.0, 0.0), ("breaks",), engine)
    started_s = time.monotonic()
    threading.Thread(target=cameras.feed, daemon=True).start()
    is_noticed = ended.wait(40)
    took_s = time.monotonic() - started_s
    yield "an illegal address", f"{'' if is_noticed else 'not '}noticed {took_s:.2f} s after the first frame"


class Breaks(base.Filter):
    """Reads where there is no memory, from its third batch on."""

    name = "breaks"
    title = "Breaks"

    def __init__(self) -> None:
        self._batches = 0

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        """Return the batch as it came, if at all."""
        self._batches += 1
        if self._batches > 2:
            far = torch.full((1,), 1 << 40, device=batch.device)
            batch = batch + batch.flatten()[far]
        return batch


def profile(device: torch.device) -> Iterator[Row]:
    """Odd numbers of pictures and people under the profilers of CUDA, where they are installed."""
    work = [sys.executable, "-m", "benchmarks.first_gpu", "--step", "odd", "--device", str(device)]
    work += SCALE.flags
    out = f"{tempfile.gettempdir()}/first_gpu"
    for tool, argv in (
        ("nsys", ["nsys", "profile", "--stats=true", "--force-overwrite=true", "--output", out]),
        ("compute-sanitizer", ["compute-sanitizer", "--tool", "memcheck"]),
    ):
        if shutil.which(tool) is None:
            yield tool, "not installed"
            continue
        came = limited.ended([*argv, *work], 85)
        kernels = " ".join(came.said.split())[-1500:]
        yield tool, f"{came.how} after {came.took_s:.0f} s: {came.last} {kernels}"


def odd(device: torch.device) -> Iterator[Row]:
    """Three pictures where four are recorded, and more people than are."""
    made = densepose(device, {"warm_batch": 4, "max_people": 33, **ONE_SIZE})
    for count in (3, 4):
        applied(made, device, SCALE.sizes[0], count, count)
    yield "3 of 4 pictures, 132 people", "; ".join(lack.text for lack in made.fallbacks) or "nothing to say"


def workers(device: torch.device) -> Iterator[Row]:
    """Two processes on one GPU at once: what each reaches; and what a full memory says."""
    argv = [sys.executable, "-m", "benchmarks.first_gpu", "--step", "one", "--device", str(device)]
    argv += SCALE.flags
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    for number, process in enumerate(both):
        yield f"worker {number + 1}", " ".join(process.communicate()[0].split())
    if device.type == "cuda":
        yield from _full(device)


def one(device: torch.device) -> Iterator[Row]:
    """DensePose, recorded: one of two workers."""
    yield from measured(device, "graphs", ONE_SIZE)


def _full(device: torch.device) -> Iterator[Row]:
    halves = torch.ones(4096, 4096, device=device, dtype=torch.float16)
    kept: list[torch.Tensor] = []

    def fill(step: int) -> str:
        while True:
            kept.append(torch.empty(step, dtype=torch.uint8, device=device))

    for mib in (1024, 64, 2):
        yield f"a full memory: torch, {mib} MiB at a time", _words(partial(fill, mib << 20))
    yield "a full memory: cuBLAS", _words(lambda: str((halves @ halves).shape))
    yield "a full memory: page-locked", _words(lambda: str(torch.empty(1 << 20, pin_memory=True).shape))


def _words(work: Callable[[], str]) -> str:
    from inference_service.device.memory import is_shortage

    try:
        return f"had room: {work()}"
    except Exception as exc:
        first = (str(exc).splitlines() or [""])[0][:200]
        return f"{type(exc).__name__}: {first}; known as a shortage: {is_shortage(exc)}"
