"""The article's loop and this worker on one GPU, with the same model, weights and pictures.

    python -m benchmarks.gpu [--seconds 3] [--cameras 1,4,8,16,32] [--people 1,4] [--out FOLDER]

Checks first (benchmarks/densepose/checks.py), then times: frames a second, age of a frame from received to
result, memory, ms per stage. Weights are random, the number of people is fixed by construction
(benchmarks/densepose/crowd.py). Needs neither network nor services; on a machine without detectron2 see
benchmarks/densepose/pack.py. `--steps` times each step of the optimisation by itself. `--table` is what the
GPU carries of each filter, and nothing else (benchmarks/gpu_table.py). With `--device cpu` it shows that
everything runs, and no speed.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import torch

from benchmarks import gpu_table
from benchmarks.densepose.absent import stand_in
from harness import early_torch

SIZE = (640, 480)
STEPS: dict[str, dict[str, Any]] = {
    "single precision": {"precision": "float32", "cuda_graphs": False},
    "half precision, folded, channels last": {"precision": "float16", "cuda_graphs": False},
    "and CUDA graphs": {"precision": "float16", "cuda_graphs": True},
    "and compiled backbone and decoder": {"precision": "float16", "cuda_graphs": True, "compile": True},
}
STEP_CAMERAS = 16
GOAL = "goal on one H100: 480 frames/s (16 cameras at 30 fps, p95 under 50 ms), 20 times the article's loop"


def main() -> int:
    arguments = _parser().parse_args()
    absent = stand_in()
    remark = early_torch.record_with_it()
    device = torch.device(arguments.device)
    if device.type == "cuda":
        # Filters are called from this thread by the checks.
        torch.cuda.set_device(device)
    report = _Report(arguments.out, "gpu_table" if arguments.table else "gpu")
    report.say(
        f"python {platform.python_version()}, torch {torch.__version__}, "
        f"{torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'}"
        + (f", standing in for {', '.join(absent)}" if absent else "")
        + (f", {remark}" if remark else "")
    )
    if arguments.table:
        _table(device, arguments, report)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        from benchmarks.densepose.crowd import write_checkpoint

        weights = Path(folder) / "people.pkl"
        write_checkpoint(weights)
        from benchmarks.densepose.checks import check_all

        are_held = arguments.no_checks or check_all(device, weights, report.say)
        for people in arguments.people:
            try:
                _compare(device, weights, people, arguments, report)
            except Exception as exc:
                report.say(f"{people} people: {type(exc).__name__}: {exc}")
                are_held = False
            _free(device)
        if arguments.steps:
            _steps(device, weights, arguments, report)
    report.say(GOAL)
    return 0 if are_held else 1


def _table(device: torch.device, arguments: argparse.Namespace, report: _Report) -> None:
    sizes = [gpu_table.size_of(text) for text in arguments.sizes.split(",")]
    filters = arguments.filters.split(",") if arguments.filters else (*gpu_table.FILTERS, gpu_table.ARTICLE)
    for text, row in gpu_table.table(device, filters, sizes, arguments.seconds, arguments.limit):
        report.say(text)
        if row is not None:
            report.keep(**asdict(row))


def _compare(
    device: torch.device, weights: Path, people: int, arguments: argparse.Namespace, report: _Report
) -> None:
    from benchmarks.densepose.article import Article
    from inference_service.engine.memory_cameras import Load, drawn

    pictures = drawn(SIZE)
    article = Article(weights, people, str(device), arguments.article_short_side)
    times_ms = article.frame_times_ms(pictures, SIZE, arguments.seconds)
    article_fps = 1e3 / statistics.mean(times_ms)
    del article
    _free(device)
    report.say(f"\n{people} people a picture; the article's loop: {article_fps:.1f} frames/s")
    report.keep(what="article", people=people, per_second=article_fps, p50_ms=statistics.median(times_ms))
    largest = max(arguments.cameras)
    settings = {"max_people": people, "warm_batch": min(64, largest)}
    with _bench(device, weights, settings, largest) as bench:
        for cameras in arguments.cameras:
            for fps in (30.0, None):
                load = Load(cameras, {"min_score": 0.05}, SIZE, fps, arguments.seconds, arguments.warm_up)
                measured = bench.measure(load)
                rate = "at 30 fps" if fps else "at most  "
                report.say(
                    f"{cameras:3d} cameras {rate} {measured.per_second:8.1f} frames/s "
                    f"({measured.per_second / article_fps:5.1f} x)  p50 {measured.p50_ms:6.1f}  "
                    f"p95 {measured.p95_ms:6.1f} ms  batches of {measured.batch_size:4.1f}  "
                    f"{measured.memory_mib:6.0f} MiB  "
                    + "  ".join(f"{stage} {ms:.3f}" for stage, ms in measured.stages_ms.items())
                    + (f"  FAILED {dict(measured.failures)}" if measured.failures else "")
                )
                report.keep(what="worker", people=people, cameras=cameras, fps=fps, **asdict(measured))


def _steps(device: torch.device, weights: Path, arguments: argparse.Namespace, report: _Report) -> None:
    from inference_service.engine.memory_cameras import Load

    report.say(f"\nsteps, {STEP_CAMERAS} cameras, 1 person, a new frame waiting at any time")
    for name, settings in STEPS.items():
        try:
            with _bench(device, weights, {"max_people": 1, **settings}, STEP_CAMERAS) as bench:
                load = Load(
                    STEP_CAMERAS, {"min_score": 0.05}, SIZE, None, arguments.seconds, arguments.warm_up
                )
                measured = bench.measure(load)
        except Exception as exc:
            report.say(f"  {name}: {type(exc).__name__}: {exc}")
            continue
        finally:
            _free(device)
        report.say(f"  {name}: {measured.per_second:.1f} frames/s, {measured.memory_mib:.0f} MiB")
        report.keep(what="step", name=name, **asdict(measured))


def _free(device: torch.device) -> None:
    """Let go of an engine: it holds itself by cycles, and its graphs a few GB."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _bench(device: torch.device, weights: Path, settings: dict[str, Any], max_batch: int) -> Any:
    from inference_service.engine.measuring import Bench

    point = EntryPoint("densepose", "benchmarks.densepose.crowd:BenchDensePose", "p2pcamera.filters")
    chosen = {"densepose": {"weights": str(weights), **settings}}
    return Bench(("densepose",), device, {"densepose": point}, chosen, weights.parent, max_batch)


class _Report:
    """Lines for the reader as they come, and all figures in one file."""

    def __init__(self, folder: Path | None, name: str) -> None:
        self._folder = folder
        self._name = name
        self._lines: list[str] = []
        self._figures: list[dict[str, Any]] = []

    def say(self, line: str) -> None:
        self._lines.append(line)
        print(line, flush=True)
        self._write()

    def keep(self, **figures: Any) -> None:
        self._figures.append(figures)
        self._write()

    def _write(self) -> None:
        # Each time: a machine may be taken away in the middle.
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / f"{self._name}.txt").write_text("\n".join(self._lines) + "\n")
            (self._folder / f"{self._name}.json").write_text(json.dumps(self._figures, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--cameras", type=_numbers, default=[1, 4, 8, 16, 32])
    parser.add_argument("--people", type=_numbers, default=[1, 4])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--warm-up", type=float, default=1.5, help="seconds before it")
    parser.add_argument("--article-short-side", type=int, default=800)
    parser.add_argument(
        "--steps", action="store_true", help="also time each step of the optimisation by itself"
    )
    parser.add_argument("--table", action="store_true", help="only what the GPU carries of each filter")
    parser.add_argument("--filters", help="of the table; default: all, and the article's loop")
    parser.add_argument("--sizes", default="640x480,1280x720", help="of the table")
    parser.add_argument(
        "--limit", type=float, default=gpu_table.LIMIT_S, help="seconds for a filter and size"
    )
    parser.add_argument("--no-checks", action="store_true", help="only measure")
    parser.add_argument("--out", type=Path, help="folder for gpu.txt and gpu.json, or gpu_table.*")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


if __name__ == "__main__":
    sys.exit(main())
