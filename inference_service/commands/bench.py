"""`python -m inference_service bench FILTER --cameras N --size 640x480`: what a filter costs here."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from inference_service import exit_codes
from inference_service.commands.chain import Chain, add_worker_flags, fail, prepare, worker_flags
from inference_service.engine.measuring import Bench, Measured
from inference_service.engine.memory_cameras import WARM_UP_S, Load
from inference_service.errors import SessionError
from inference_service.filters.installed import installed
from shared.frame import MAX_SIDE, MIN_SIDE, is_usable_size


def main(argv: Sequence[str]) -> int:
    """Measure and print; return 0. Exits with 1 or 2, and says why, where that cannot be done."""
    arguments = _parser().parse_args(argv)
    flags = worker_flags(arguments)
    chain = prepare(arguments.filter, arguments.params, flags)
    load = Load(
        cameras=arguments.cameras,
        params=chain.raw_params,
        size=arguments.size,
        fps=arguments.fps,
        seconds=arguments.seconds,
        warm_up_s=min(WARM_UP_S, arguments.seconds),
    )
    settings = chain.settings
    bench = Bench(
        chain.names,
        chain.device,
        installed(has_test_params=True),
        settings.filter_settings,
        settings.weights_dir,
        settings.max_batch,
    )
    try:
        with bench:
            measured = bench.measure(load)
    except SessionError as exc:
        fail(str(exc))
    if arguments.json:
        sys.stdout.write(json.dumps(asdict(measured)) + "\n")
    else:
        for line in _table(chain, load, measured):
            sys.stdout.write(f"{line}\n")
    return exit_codes.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m inference_service bench",
        description="What a filter costs here: cameras made of memory, on a worker's own engine.",
    )
    parser.add_argument("filter", metavar="FILTER", help="name of a filter, or several of a chain: a,b")
    parser.add_argument("--cameras", type=_count, default=1, metavar="N")
    parser.add_argument("--size", type=_size, default=(640, 480), metavar="WxH")
    parser.add_argument(
        "--fps", type=_positive, help="of each camera (default: each has a new frame waiting at any time)"
    )
    parser.add_argument(
        "--seconds", type=_positive, default=5.0, help="default: 5; before, it warms up as long, at most 2"
    )
    parser.add_argument("--params", default="{}", metavar="JSON", help="parameters, of a chain by name")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_worker_flags(parser)
    return parser


def _table(chain: Chain, load: Load, measured: Measured) -> Iterable[str]:
    width, height = load.size
    rate = f"{load.fps:g} fps each" if load.fps else "a new frame waiting at any time"
    names = ",".join(chain.names)
    yield f"{names} on {chain.device_label}: {load.cameras} cameras of {width}x{height}, {rate}"
    yield (
        f"throughput   {measured.per_second:8.1f} frames/s   "
        f"(cameras {measured.slowest:.1f} to {measured.fastest:.1f}, batches of {measured.batch_size:.1f}, "
        f"busy {measured.busy:.0%})"
    )
    yield f"frame        {measured.p50_ms:8.1f} ms p50   {measured.p95_ms:.1f} ms p95, received to result"
    for stage, ms in measured.stages_ms.items():
        yield f"  {stage:<10} {ms:8.3f} ms a frame"
    yield f"memory       {measured.memory_mib:8.0f} MiB at most"
    for code, count in measured.failures.items():
        yield f"failed       {count:8d} frames: {code}"


def _count(text: str) -> int:
    count = int(text) if text.isdecimal() else 0
    if not 1 <= count <= 512:
        raise argparse.ArgumentTypeError("expected 1 to 512 cameras")
    return count


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 10_000:
        raise argparse.ArgumentTypeError(f"expected a positive number, not {text}")
    return value


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not is_usable_size(*size):
        raise argparse.ArgumentTypeError(
            f"expected WIDTHxHEIGHT, both even and {MIN_SIDE} to {MAX_SIDE}, not {text}"
        )
    return size
