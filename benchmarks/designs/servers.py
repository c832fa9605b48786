"""Starts what is compared, each as processes of its own that answer an offer at POST /offer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from benchmarks.watching import Watched
from harness.deadline import eventually
from harness.services import ROOT, Process, free_port, in_namespace

START_S = 40.0
MANY = 64
FASTRTC_PYTHON = ROOT / ".venv-fastrtc" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Design:
    """A server under test; `name` is how tables call it."""

    name: str
    title: str
    has_worker: bool = False
    keeps_pts: bool = True
    """Whether a result carries the pts of its own camera frame, so that it is known without decoding."""
    processes: int = 1
    is_staged: bool = False
    """Started by benchmarks/designs/staged_service.py."""


ARTICLE = Design("article", "the article's design", keeps_pts=False)
ECHO = Design("echo", "aiortc echo")
PATCHED_ECHO = Design("patched-echo", "aiortc echo, patched")
FASTRTC = Design("fastrtc", "fastrtc", keeps_pts=False)
SERVICE = Design("service", "this service", has_worker=True)
STAGED = Design("service-staged", "this service, staged", has_worker=True, is_staged=True)


def service_of(processes: int) -> Design:
    """Return the service with so many media processes."""
    return Design(f"service-{processes}", f"this service, {processes} processes", True, processes=processes)


@dataclass(frozen=True, slots=True)
class Load:
    """What the filter is to cost, and where processes may run."""

    filter: str = "invert"
    busy_ms: float = 0
    workers: int = 1
    max_batch: int | None = None
    media_core: int | None = None
    """The core that the media service alone may use; None leaves it all."""
    others_core: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    design: Design
    url: str
    watched: list[Watched]
    processes: list[Process]
    body: dict[str, Any] = field(default_factory=dict)
    """What an offer must say beside the SDP."""


class NotInstalled(Exception):
    """A design cannot be measured here; the text says why."""


@asynccontextmanager
async def running(design: Design, folder: Path, load: Load) -> AsyncIterator[Running]:
    """Start a design and wait until it serves; raises NotInstalled."""
    starting = _service(design, folder, load) if design.has_worker else _alone(design, folder, load)
    try:
        async with httpx.AsyncClient(base_url=starting.url, trust_env=False) as http:

            async def is_ready() -> bool:
                assert all(process.is_running for process in starting.processes), f"{design.name} ended"
                return await _is_ready(http, design, load)

            await eventually(is_ready, START_S, f"{design.name} answers")
        yield starting
    except Exception:
        print(_said(starting), file=sys.stderr)
        raise
    finally:
        for process in starting.processes:
            await process.stop()


@cache
def takes(flag: str, service: str = "signaling_service") -> bool:
    """Tell whether a service of this checkout has a flag."""
    argv = [sys.executable, "-m", service, "--help"]
    return flag in subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _alone(design: Design, folder: Path, load: Load) -> Running:
    port = free_port()
    argv = [sys.executable, "-m", "benchmarks.designs.echo"]
    if design is PATCHED_ECHO:
        argv += ["--patched"]
    elif design is ARTICLE:
        argv = [sys.executable, "-m", "benchmarks.designs.baseline", "--busy-ms", str(load.busy_ms)]
        argv += ["--invert"] if load.filter == "invert" else []
    elif design is FASTRTC:
        if not FASTRTC_PYTHON.exists():
            raise NotInstalled("not installed (make bench-fastrtc)")
        argv = [str(FASTRTC_PYTHON), "benchmarks/designs/fastrtc_server.py", "--busy-ms", str(load.busy_ms)]
    argv += ["--port", str(port), *_on_loopback()]
    process = Process(design.name, argv, folder / f"{design.name}.log")
    _start(process, load.media_core)
    return Running(design, f"http://127.0.0.1:{port}", [Watched("media", process.pid)], [process])


def _service(design: Design, folder: Path, load: Load) -> Running:
    port = free_port()
    results = f"ipc://{folder}/results-{port}.ipc"
    stages = folder / f"{design.name}-stages.json"
    argv = [sys.executable, "-m", "signaling_service"]
    if design.is_staged:
        argv = [sys.executable, "-m", "benchmarks.designs.staged_service", "--stages", str(stages)]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--results-bind", results]
    argv += ["--max-sessions", str(MANY), *_on_loopback()]
    if takes("--processes"):
        argv += ["--processes", str(design.processes)]
    elif design.processes > 1:
        raise NotInstalled("the service of this checkout has no --processes")
    media = Process(design.name, argv, folder / f"{design.name}.log")
    argv = [sys.executable, "-m", "inference_service", "--filters", load.filter, "--device", "cpu"]
    argv += ["--test-params"] if takes("--test-params", "inference_service") else []
    argv += ["--signaling", results]
    argv += [] if load.max_batch is None else ["--max-batch", str(load.max_batch)]
    # One thread each: workers share the cores with the service, the client, and one another.
    env = {"OMP_NUM_THREADS": "1"}
    names = [f"{design.name}-worker-{number}" for number in range(load.workers)]
    workers = [Process(name, argv, folder / f"{name}.log", env) for name in names]
    _start(media, load.media_core)
    for worker in workers:
        _start(worker, load.others_core)
    watched = [Watched("media", media.pid, stages if design.is_staged else None)]
    watched += [Watched("worker", worker.pid) for worker in workers]
    body = {"filter": load.filter, "params": {"busy_ms": load.busy_ms}}
    return Running(design, f"http://127.0.0.1:{port}", watched, [*workers, media], body)


def _start(process: Process, core: int | None) -> None:
    process.start()
    if core is not None:
        # Before it has any other thread; threads and children inherit it.
        os.sched_setaffinity(process.pid, {core})


def _on_loopback() -> list[str]:
    return [] if in_namespace() else ["--ice-addresses", "127.0.0.1"]


async def _is_ready(http: httpx.AsyncClient, design: Design, load: Load) -> bool:
    try:
        if (await http.get("/readyz")).status_code != 200:
            return False
        if not design.has_worker:
            return True
        served = {one["name"]: one for one in (await http.get("/filters")).json()["filters"]}
    except httpx.TransportError:
        return False
    one = served.get(load.filter)
    return one is not None and one["state"] == "loaded" and one["workers"] == load.workers


def _said(starting: Running) -> str:
    return "\n".join(f"--- {process.name} ---\n{process.output()}" for process in starting.processes)
