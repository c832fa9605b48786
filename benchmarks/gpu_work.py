"""What the steps of `first_gpu` share: filters loaded and recorded, pictures, measurements."""

from __future__ import annotations

import atexit
import gc
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import torch


@dataclass(slots=True)
class Scale:
    """How much is done; `quick` makes it what a CPU does in seconds, to see that every step runs."""

    sizes: tuple[tuple[int, int], ...] = ((640, 480), (1280, 720), (480, 640))
    cameras: tuple[int, ...] = (1, 16)
    seconds: float = 3.0
    loads: int = 20
    settings: dict[str, Any] = field(default_factory=dict)
    """Of DensePose."""
    flags: tuple[str, ...] = ()
    """For processes that a step starts."""

    def quick(self) -> None:
        self.sizes, self.cameras, self.seconds, self.loads = (
            ((160, 128), (192, 128), (128, 160)),
            (1, 2),
            1.0,
            2,
        )
        self.flags = ("--quick",)
        self.settings = {"short_side": 128, "proposals": 20, "proposals_per_level": 64}


SCALE = Scale()
ONE_SIZE = {"recorded_sizes": ["640x480"]}
Row = tuple[str, str]
"""What, and a figure."""


def told(work: Callable[[], str]) -> str:
    """Return what `work` says, or the error that it raises."""
    try:
        return work()
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}"[:600]


def loaded(name: str, device: torch.device, settings: dict[str, Any] | None = None) -> Any:
    """Return a filter of the box; raises FileNotFoundError where its weights are not there."""
    from inference_service.filters.installed import installed
    from inference_service.filters.loading import configured, load
    from inference_service.weights.folder import default_folder

    cls = installed()[name].load()
    wanted = configured(cls, settings or {}).needed_weights()
    if missing := [file.name for file in wanted if not (default_folder() / file.name).exists()]:
        raise FileNotFoundError(f"{', '.join(missing)}: python -m inference_service download {name}")
    return load(cls, device, settings or {}, default_folder())


def recorded(made: Any) -> Any:
    """Return a filter once it has recorded all that it wants."""
    for piece in made.recordings():
        piece()
    return made


def free(device: torch.device) -> None:
    """Let go of what nothing refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def densepose(device: torch.device, settings: dict[str, Any]) -> Any:
    """Return DensePose with random weights, recorded."""
    from benchmarks.densepose.crowd import BenchDensePose
    from inference_service.filters.loading import load

    path = _checkpoint()
    wanted = {"weights": path, "max_people": 1, **SCALE.settings, **settings}
    return recorded(load(BenchDensePose, device, wanted, path.parent))


@cache
def _checkpoint() -> Path:
    from benchmarks.densepose.crowd import write_checkpoint

    folder = Path(tempfile.mkdtemp(prefix="first_gpu"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_checkpoint(folder / "people.pkl")
    return folder / "people.pkl"


def applied(
    made: Any, device: torch.device, size: tuple[int, int], seed: int, count: int = 1, mode: str = "default"
) -> torch.Tensor:
    """Return what a loaded filter makes of noise; `mode` "error" raises where it waits for the GPU."""
    from inference_service.filters.base import Item

    generator = torch.Generator().manual_seed(seed)
    width, height = size
    shape = (count, height * 3 // 2, width) if made.works_on == "i420" else (count, height, width, 3)
    batch = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    if made.works_on != "i420":
        batch = batch.permute(0, 3, 1, 2)
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


def measured(
    device: torch.device, what: str, settings: dict[str, Any], *, is_fused: bool = True
) -> Iterator[Row]:
    """Measure DensePose with one camera and with sixteen, each with a new frame waiting at any time."""
    from inference_service.engine.measuring import Bench
    from inference_service.engine.memory_cameras import Load
    from inference_service.filters.vision.networks import fusing

    if not is_fused:
        # For as long as this process lasts: the last measurement of a step.
        fusing.can_fuse = lambda value: False
    path = _checkpoint()
    point = EntryPoint("densepose", "benchmarks.densepose.crowd:BenchDensePose", "p2pcamera.filters")
    chosen = {"densepose": {"weights": str(path), "max_people": 1, **SCALE.settings, **settings}}
    with Bench(("densepose",), device, {"densepose": point}, chosen, path.parent) as bench:
        lacks = f"; {bench.lacks()}" if bench.lacks() else ""
        yield (
            f"{what}: serves",
            f"after {bench.loaded_s:.1f} s; recorded after {bench.recorded_s:.1f} s{lacks}",
        )
        for cameras in SCALE.cameras:
            load = Load(cameras, {"min_score": 0.05}, SCALE.sizes[0], None, SCALE.seconds, SCALE.seconds / 2)
            got = bench.measure(load)
            yield (
                f"{what}: {cameras} cameras",
                f"{got.per_second:.1f} frames/s, p95 {got.p95_ms:.1f} ms, {got.memory_mib:.0f} MiB, "
                f"GPU busy {_busy(got):.0f} %, CPU {got.cpu_ms * got.per_second / 10:.0f} %"
                + (f", FAILED {dict(got.failures)}" if got.failures else ""),
            )
    free(device)


def _busy(got: Any) -> float:
    """Return the share of time, in %, for which the device computes; what lacks to 100 is idle (issue A1)."""
    from inference_service.engine.engine import COMPUTING

    return float(sum(got.stages_ms.get(stage, 0.0) for stage in COMPUTING) * got.per_second / 10)
