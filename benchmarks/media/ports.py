"""CPU time of a call by how its datagrams travel: as aiortc has it, a port for each call, one for all.

    sh tests/in_namespace.sh python -m benchmarks.media.ports [--sessions 2] [--seconds 20] [--rounds 3]
    sh tests/in_namespace.sh python -m benchmarks.media.ports --before FOLDER --sessions 10

With --before an older tree of this project and this one take turns, with as many calls each, so that all of
them find room on a small machine. Otherwise three services run side by side, so whatever else the machine
does hits them alike. H264 at 640x480 and 30 fps, without a filter. Prints a line of JSON per round: CPU ms of
each media process per frame that came back, and what share of aiortc's, or of the older tree's, that is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks.load_client.findings import Run
from harness.services import ROOT, Process, Services

UDP_PORT = 20_200
AS_BEFORE = """
import sys
from signaling_service import __main__
from signaling_service.rtc import aiortc_patches, packets
aiortc_patches.bind_ice = lambda ports: None
packets.Leaving.take_over = packets.Arriving.take_over = lambda self: None
sys.exit(__main__.main())
"""
"""Leaves asyncio's transports in place, and aiortc's way from them to its receiver and from its sender."""
OLDER = """
import runpy, sys
sys.path.insert(0, {folder!r})
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""
"""Runs a module of an older tree. Its worker is its own: an older service may refuse a newer status."""
WORKER = "harness.light_worker"
ARRANGEMENTS: dict[str, list[str]] = {
    "aiortc": [sys.executable, "-c", AS_BEFORE],
    "own ports": [sys.executable, "-m", "signaling_service"],
    "one port": [sys.executable, "-m", "signaling_service", "--udp-port", str(UDP_PORT)],
}


async def compare(before: Path, sessions: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Measure an older tree, and then this one."""
    service, worker = (
        [sys.executable, "-c", OLDER.format(folder=str(before), module=module)]
        for module in ("signaling_service", WORKER)
    )
    turns = [
        await measure({"before": service}, sessions, seconds, folder, worker),
        await measure({"now": ARRANGEMENTS["own ports"]}, sessions, seconds, folder),
    ]
    cost = {name: ms for turn in turns for name, ms in turn["cpu_ms_per_frame"].items()}
    fps = {name: one for turn in turns for name, one in turn["slowest_fps"].items()}
    share = round(cost["now"] / cost["before"], 3)
    return {"sessions": sessions, "cpu_ms_per_frame": cost, "of_before": share, "slowest_fps": fps}


async def measure(
    arrangements: Mapping[str, list[str]],
    sessions: int,
    seconds: float,
    folder: Path,
    worker: Sequence[str] = (sys.executable, "-m", WORKER),
) -> dict[str, Any]:
    """Measure these command lines side by side."""
    async with AsyncExitStack() as stack:
        started = {}
        for name, argv in arrangements.items():
            (own := folder / name).mkdir(exist_ok=True)
            services = await stack.enter_async_context(Services(own))
            flags = ["--host", "127.0.0.1", "--port", str(services.port), "--processes", "1"]
            flags += ["--results-bind", services.results, "--max-sessions", "64"]
            services.signaling = Process("signaling", [*argv, *flags], own / "signaling.log")
            services.signaling.start()
            services.add_worker([*worker, "--signaling", services.results, "--filters", "passthrough"])
            started[name] = services
        for services in started.values():
            await services.ready({"passthrough": 1})
        await asyncio.to_thread(_encode_once, folder)
        runs = await asyncio.gather(
            *(_held(services, sessions, seconds, folder) for services in started.values())
        )
    cost = {name: run.cpu_ms_per_frame() for name, run in zip(started, runs, strict=True)}
    return {
        "sessions": sessions,
        "cpu_ms_per_frame": {name: round(one, 3) for name, one in cost.items()},
        "of_aiortc": {name: round(one / cost["aiortc"], 3) for name, one in cost.items() if "aiortc" in cost},
        "slowest_fps": {name: round(run.slowest_fps, 1) for name, run in zip(started, runs, strict=True)},
        "sockets": {name: sum(run.udp_sockets.values()) for name, run in zip(started, runs, strict=True)},
    }


def _encode_once(folder: Path) -> None:
    from benchmarks.load_client import replay

    if not (folder / "H264.loop").exists():
        replay.encode("H264").save(folder / "H264.loop")


async def _held(services: Services, sessions: int, seconds: float, folder: Path) -> Run:
    assert services.signaling is not None
    argv = [sys.executable, "-m", "benchmarks.load_client", "--url", services.url, "--codec", "H264"]
    argv += ["--sessions", str(sessions), "--seconds", str(seconds), "--loop", str(folder / "H264.loop")]
    argv += ["--body", '{"filter": "passthrough"}', "--watch", f"media={services.signaling.pid}"]
    client = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    out, _ = await client.communicate()
    if client.returncode:
        raise SystemExit(services.output())
    return Run.from_json(out.decode())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=2, help="of each service")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=Path, help="an older tree, to be compared with this one")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="p2p") as folder:
        for _ in range(flags.rounds):
            wanted = flags.sessions, flags.seconds, Path(folder)
            if flags.before:
                result = asyncio.run(compare(flags.before.resolve(), *wanted))
            else:
                result = asyncio.run(measure(ARRANGEMENTS, *wanted))
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
