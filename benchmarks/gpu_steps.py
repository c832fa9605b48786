"""The steps of `first_gpu`: each gives rows for its table, what and figure, as they come."""

from __future__ import annotations

import importlib
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import torch

SIZES = ((640, 480), (1280, 720), (480, 640))
GPU_TESTS = ("device/test_crossing.py", "engine/test_pipeline.py", "filters/densepose/test_gpu.py")
OWN = ("ink", "background", "pose", "face", "makeup", "animal", "frame", "light", "grade")
LOADS = 20
Row = tuple[str, str]


def smoke(device: torch.device) -> Iterator[Row]:
    """Driver, architectures, and one sum."""
    from inference_service.device.gpus import DRIVER, list_gpus, try_out

    yield "torch", f"{torch.__version__}, CUDA {torch.version.cuda}, python {platform.python_version()}"
    yield "driver", DRIVER.read_text().splitlines()[0] if DRIVER.exists() else "none"
    yield "architectures", " ".join(torch.cuda.get_arch_list()) or "none"
    yield "GPUs", ", ".join(gpu.name for gpu in list_gpus(str(device))) or "none"
    try_out(device)
    yield "computes", "yes"


def tests(device: torch.device) -> Iterator[Row]:
    """The tests that need a GPU."""
    paths = [f"tests/inference_service/{path}" for path in GPU_TESTS]
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-m", "gpu", *paths]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    yield "pytest -m gpu", (ran.stdout.strip().splitlines() or ["nothing said"])[-1]


def graphs(device: torch.device) -> Iterator[Row]:
    """DensePose with and without graphs, and what the order of recording costs."""
    runner: Any = importlib.import_module("inference_service.filters.densepose.runner")
    yield from _measured(device, "eager", {"cuda_graphs": False})
    yield from _measured(device, "graphs", {"cuda_graphs": True})
    largest_first = runner.descending
    runner.descending = lambda most, buckets: largest_first(most, buckets)[::-1]
    yield from _measured(device, "graphs, smallest first", {"cuda_graphs": True})


def half(device: torch.device) -> Iterator[Row]:
    """Which filters make values that are no numbers, on noise and on a drawn picture."""
    for name in OWN:
        with _told() as told:
            one = _loaded(name, device)
            bad = [not bool(_applied(one, device, SIZES[0], seed).isfinite().all()) for seed in range(4)]
            told(f"{sum(bad)} of {len(bad)} pictures not finite; {len(one.fallbacks)} fallbacks")
        yield name, told.text


def loads(device: torch.device) -> Iterator[Row]:
    """DensePose loaded again and again while eight cameras are served by ink."""
    from inference_service.engine.measuring import Bench
    from inference_service.engine.memory_cameras import Load
    from inference_service.filters.installed import installed

    with Bench(("ink",), device, installed(), {}, Path(tempfile.gettempdir())) as bench:
        load = Load(8, {}, SIZES[0], 30.0, 5.0, 1.0)
        alone = bench.measure(load)
        yield "ink alone", f"{alone.per_second:.0f} frames/s, p95 {alone.p95_ms:.1f} ms"
        unrecorded, failures = [0], list[str]()

        def load_again_and_again() -> None:
            for _ in range(LOADS):
                try:
                    unrecorded[0] += len(_densepose(device, {"warm_batch": 8}).fallbacks)
                except Exception as exc:
                    failures.append(f"{type(exc).__name__}: {exc}")

        loading = threading.Thread(target=load_again_and_again)
        loading.start()
        while loading.is_alive():
            beside = bench.measure(load)
            yield (
                "ink meanwhile",
                (f"{beside.per_second:.0f} frames/s, p95 {beside.p95_ms:.1f} ms, {dict(beside.failures)}"),
            )
        yield f"{LOADS} loads", f"{len(failures)} failed {failures[:1]}, {unrecorded[0]} fallbacks"


def waits(device: torch.device) -> Iterator[Row]:
    """Which filters wait for the GPU in a batch: torch raises there."""
    for name in OWN:
        for size in SIZES[1:]:
            with _told() as told:
                one = _loaded(name, device)
                for count in (1, 3):
                    _applied(one, device, size, 0, count)
                    _applied(one, device, size, 1, count, mode="error")
                told("none")
            yield f"{name} {size[0]}x{size[1]}", told.text


def profile(device: torch.device) -> Iterator[Row]:
    """Eager DensePose under the profilers of CUDA, where they are installed."""
    work = [sys.executable, "-m", "benchmarks.first_gpu", "--step", "graphs", "--device", str(device)]
    for tool, argv in (
        ("compute-sanitizer", ["compute-sanitizer", "--tool", "memcheck"]),
        ("nsys", ["nsys", "profile", "--stats=true", "--output", f"{tempfile.gettempdir()}/first_gpu"]),
    ):
        if shutil.which(tool) is None:
            yield tool, "not installed"
            continue
        ran = subprocess.run([*argv, *work], capture_output=True, text=True, check=False)
        yield tool, f"code {ran.returncode}: {(ran.stdout + ran.stderr).strip()[-600:]}"


def workers(device: torch.device) -> Iterator[Row]:
    """Two processes on one GPU at once: what each reaches, and what it says where memory ends."""
    argv = [sys.executable, "-m", "benchmarks.first_gpu", "--step", "one", "--device", str(device)]
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for number, process in enumerate(both):
        yield f"worker {number + 1}", " ".join(process.communicate()[0].split())


def one(device: torch.device) -> Iterator[Row]:
    yield from _measured(device, "graphs", {"cuda_graphs": True})


class _Told:
    text = ""

    def __call__(self, text: str) -> None:
        self.text = text


@contextmanager
def _told() -> Iterator[_Told]:
    told = _Told()
    try:
        yield told
    except Exception as exc:
        told(f"{type(exc).__name__}: {exc}")


def _loaded(name: str, device: torch.device) -> Any:
    from inference_service.filters.installed import installed
    from inference_service.filters.loading import load
    from inference_service.weights.folder import default_folder

    return load(installed()[name].load(), device, {}, default_folder())


def _densepose(device: torch.device, settings: dict[str, Any]) -> Any:
    from benchmarks.densepose.crowd import BenchDensePose, write_checkpoint
    from inference_service.filters.loading import load

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.pkl"
        write_checkpoint(path)
        return load(BenchDensePose, device, {"weights": path, "max_people": 1, **settings}, Path(folder))


def _applied(
    made: Any, device: torch.device, size: tuple[int, int], seed: int, count: int = 1, mode: str = "default"
) -> torch.Tensor:
    from inference_service.filters.base import Item

    generator = torch.Generator().manual_seed(seed)
    shape = (count, size[1], size[0], 3)
    batch = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).permute(0, 3, 1, 2)
    items = [Item(bytes(16), seed, made.Params()) for _ in range(count)]
    batch = batch.to(device)
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode(mode)
    try:
        with torch.inference_mode():
            result = made.apply(batch, items)
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")
    values: torch.Tensor = result.float()
    return values


def _measured(device: torch.device, what: str, settings: dict[str, Any]) -> Iterator[Row]:
    from benchmarks.densepose.crowd import write_checkpoint
    from inference_service.engine.measuring import Bench
    from inference_service.engine.memory_cameras import Load

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.pkl"
        write_checkpoint(path)
        point = EntryPoint("densepose", "benchmarks.densepose.crowd:BenchDensePose", "p2pcamera.filters")
        chosen = {"densepose": {"weights": str(path), "max_people": 1, **settings}}
        started_s = time.monotonic()
        with Bench(("densepose",), device, {"densepose": point}, chosen, path.parent) as bench:
            yield f"{what}: loaded in", f"{time.monotonic() - started_s:.1f} s"
            for cameras in (1, 16):
                got = bench.measure(Load(cameras, {"min_score": 0.05}, SIZES[0], None, 3.0, 1.5))
                yield (
                    f"{what}: {cameras} cameras",
                    (
                        f"{got.per_second:.1f} frames/s, p95 {got.p95_ms:.1f} ms, {got.memory_mib:.0f} MiB"
                        + (f", FAILED {dict(got.failures)}" if got.failures else "")
                    ),
                )
