"""The table that operators buy a GPU by: how many cameras of 30 fps each filter carries on it.

    python -m benchmarks.gpu --table [--sizes 640x480,1280x720] [--out FOLDER]

A number of cameras is carried where each keeps its 30 fps, and 95 of 100 frames are answered within 50 ms
from receipt. Beside it: frames a second at most, memory, watts, and how many cores of the host are busy. Each
filter runs in a process of its own with a limit of time. The article's loop is one more row.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import IO, Any

import torch

from benchmarks.densepose.absent import stand_in
from benchmarks.limited import Ended, ended
from harness import early_torch

FILTERS = (
    "densepose",
    "background",
    "face",
    "pose",
    "detection",
    "segmentation",
    "img2img",
    "ink",
    "makeup",
    "animal",
    "frame",
    "light",
    "grade",
)
ARTICLE = "the article's loop"
SIZES = ((640, 480), (1280, 720))
CAMERAS = (1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128)
FPS, MOST_P95_MS, LEAST_SHARE = 30.0, 50.0, 0.97
AT_MOST_CAMERAS = 16
LIMIT_S = 300.0
"""Of one filter at one size."""
TO_REACH = {"densepose": 700, "background": 2000, "detection": 900, "pose": 600, "face": 1500, "img2img": 150}
"""Frames a second at 640x480 on one H100 with one worker; issue 17 sets them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One filter at one size."""

    filter: str
    size: str
    cameras: int
    """That are carried; 0: not even one."""
    p95_ms: float
    """With so many."""
    per_second: float
    """Frames, where each camera has a new one waiting at any time."""
    memory_mib: float
    watts: float | None
    cores: float
    """Of the host, while the cameras are carried."""
    notes: str


def table(
    device: torch.device,
    filters: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    seconds: float,
    limit_s: float,
) -> Iterator[tuple[str, Row | None]]:
    """Give each line of the table, and its row where there is one."""
    columns = ["filter", "size", "cameras at 30 fps", "p95 ms", "frames/s at most", "to reach on an H100"]
    columns += ["GPU MiB", "watts", "cores of the host", "notes"]
    yield f"| {' | '.join(columns)} |", None
    yield "|---" * len(columns) + "|", None
    for name in filters:
        for width, height in sizes:
            size = f"{width}x{height}"
            argv = [sys.executable, "-m", "benchmarks.gpu_table", name, size, str(device), str(seconds)]
            came = ended(argv, limit_s)
            rows = [Row(**found) for found in _objects(came)]
            if rows:
                yield line(rows[-1]), rows[-1]
            else:
                yield f"| {name} | {size} | {came.how} {came.last} |".replace("\n", " "), None


def line(row: Row) -> str:
    """Return one line of the table."""
    to_reach = TO_REACH.get(row.filter, "") if row.size == "640x480" else ""
    watts = "" if row.watts is None else f"{row.watts:.0f}"
    return (
        f"| {row.filter} | {row.size} | {row.cameras} | {row.p95_ms:.1f} | {row.per_second:.1f} | {to_reach} "
        f"| {row.memory_mib:.0f} | {watts} | {row.cores:.1f} | {row.notes} |"
    )


def _objects(came: Ended) -> Iterator[dict[str, Any]]:
    for text in came.said.splitlines():
        if text.startswith("{"):
            yield json.loads(text)


def carried(
    bench: Any, size: tuple[int, int], pictures: Sequence[bytes], seconds: float
) -> Iterator[dict[str, Any]]:
    """Give what is known after each number of cameras: a process may be ended before the last."""
    from inference_service.engine.memory_cameras import Load

    most = bench.measure(Load(AT_MOST_CAMERAS, {}, size, None, seconds, 1.0, pictures))
    known: dict[str, Any] = {
        "cameras": 0,
        "p95_ms": 0.0,
        "per_second": most.per_second,
        "memory_mib": most.memory_mib,
        "watts": None,
        "cores": most.cpu_ms * most.per_second / 1e3,
    }
    yield known
    for cameras in CAMERAS:
        with Watts(bench.device) as watts:
            got = bench.measure(Load(cameras, {}, size, FPS, seconds, 1.0, pictures))
        is_kept = got.slowest >= LEAST_SHARE * FPS and got.p95_ms < MOST_P95_MS and not got.failures
        if not known["cameras"]:
            # Also where not even one camera is carried.
            known = known | {"p95_ms": got.p95_ms, "watts": watts.mean}
            yield known
        if not is_kept:
            return
        known = known | {
            "cameras": cameras,
            "p95_ms": got.p95_ms,
            "memory_mib": got.memory_mib,
            "watts": watts.mean,
            "cores": got.cpu_ms * got.per_second / 1e3,
        }
        yield known


class Watts:
    """What a GPU takes meanwhile, by nvidia-smi; `mean` is None where there is none."""

    def __init__(self, device: torch.device) -> None:
        self.mean: float | None = None
        self._device = device
        self._process: subprocess.Popen[str] | None = None
        self._file: IO[str] | None = None

    def __enter__(self) -> Watts:
        if self._device.type == "cuda":
            uuid = f"GPU-{torch.cuda.get_device_properties(self._device).uuid}"
            argv = ["nvidia-smi", "-i", uuid, "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
            self._file = tempfile.TemporaryFile("w+")
            try:
                self._process = subprocess.Popen(
                    [*argv, "-lms", "200"], stdout=self._file, stderr=subprocess.DEVNULL, text=True
                )
            except OSError:
                self._process = None
        return self

    def __exit__(self, *of: object) -> None:
        if self._process is not None and self._file is not None:
            self._process.terminate()
            self._process.wait()
            self._file.seek(0)
            self.mean = mean_of(self._file.read())
        if self._file is not None:
            self._file.close()


def mean_of(text: str) -> float | None:
    """Return the mean of the numbers in nvidia-smi's lines; one that knows none says `[N/A]`."""
    values = []
    for word in text.split():
        try:
            values.append(float(word))
        except ValueError:
            continue
    return statistics.mean(values) if values else None


@contextmanager
def _bench(name: str, device: torch.device, folder: Path) -> Iterator[tuple[Any, str]]:
    """Give the engine with a filter, and what to say of its weights."""
    from harness.random_weights import settings_with
    from inference_service.engine.measuring import Bench
    from inference_service.filters.installed import installed
    from inference_service.filters.loading import configured
    from inference_service.weights.folder import default_folder

    points: Mapping[str, EntryPoint] = installed()
    weights_dir = default_folder()
    if name == "densepose":
        from benchmarks.densepose.crowd import write_checkpoint

        write_checkpoint(folder / "people.pkl")
        points = {name: EntryPoint(name, "benchmarks.densepose.crowd:BenchDensePose", "p2pcamera.filters")}
        settings: dict[str, Any] = {"weights": str(folder / "people.pkl"), "max_people": 1}
        said = "random weights, one person"
    else:
        wanted = configured(points[name].load(), {}).needed_weights()
        is_there = all((weights_dir / file.name).exists() for file in wanted)
        settings = {} if is_there else settings_with(name, folder)
        said = "" if is_there else "random weights"
    with Bench((name,), device, points, {name: settings}, weights_dir) as bench:
        yield bench, said


def _one(name: str, size: tuple[int, int], device: torch.device, seconds: float) -> Iterator[Row]:
    pictures, shown = _pictures(size, is_dark=name == "light")
    with tempfile.TemporaryDirectory() as text:
        if name == ARTICLE:
            yield _article(Path(text), size, device, seconds, pictures)
            return
        with _bench(name, device, Path(text)) as (bench, said):
            took = f"serves after {bench.loaded_s:.0f} s, recorded after {bench.recorded_s:.0f} s"
            for known in carried(bench, size, pictures, seconds):
                notes = "; ".join(filter(None, (said, shown, took, bench.lacks())))
                yield Row(filter=name, size=f"{size[0]}x{size[1]}", notes=notes, **known)


def _article(
    folder: Path, size: tuple[int, int], device: torch.device, seconds: float, pictures: Sequence[bytes]
) -> Row:
    from benchmarks.densepose.article import Article
    from benchmarks.densepose.crowd import write_checkpoint

    write_checkpoint(folder / "people.pkl")
    article = Article(folder / "people.pkl", 1, str(device))
    with Watts(device) as watts:
        started_s, started_cpu_s = time.monotonic(), time.process_time()
        times_ms = sorted(article.frame_times_ms(pictures, size, seconds))
        cores = (time.process_time() - started_cpu_s) / (time.monotonic() - started_s)
    p95_ms = times_ms[min(len(times_ms) - 1, int(0.95 * len(times_ms)))]
    per_second = 1e3 / statistics.mean(times_ms)
    is_carried = p95_ms < MOST_P95_MS and per_second >= LEAST_SHARE * FPS
    is_gpu = device.type == "cuda"
    memory_mib = torch.cuda.max_memory_reserved(device) / (1 << 20) if is_gpu else 0.0
    notes = "random weights, one person; one camera, one frame at a time"
    return Row(
        ARTICLE,
        f"{size[0]}x{size[1]}",
        int(is_carried),
        p95_ms,
        per_second,
        memory_mib,
        watts.mean,
        cores,
        notes,
    )


def _pictures(size: tuple[int, int], *, is_dark: bool) -> tuple[list[bytes], str]:
    """Return pictures of a person, or drawn ones where the photograph's packages are not installed."""
    from inference_service.engine.memory_cameras import drawn

    try:
        from benchmarks.filters import packed
        from harness.photograph import dimmed, moving, read_astronaut

        photograph = read_astronaut(size)
        return [packed(one) for one in moving(dimmed(photograph, 3) if is_dark else photograph, 8)], ""
    except Exception:
        return drawn(size), "nobody in the pictures"


def size_of(text: str) -> tuple[int, int]:
    """Return (width, height) of a text as `640x480`."""
    width, height = (int(side) for side in text.split("x"))
    return width, height


def main() -> int:
    """Measure one filter at one size, and print its row as it grows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("filter", "size", "device"):
        parser.add_argument(name)
    parser.add_argument("seconds", type=float)
    given = parser.parse_args()
    stand_in()
    early_torch.record_with_it()
    size = size_of(given.size)
    device = torch.device(given.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    for row in _one(given.filter, size, device, given.seconds):
        print(json.dumps(asdict(row)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
