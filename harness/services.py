"""Both services as separate processes on free ports of this host."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from harness.deadline import eventually
from harness.nursery import Forked, Nursery

ROOT = Path(__file__).resolve().parents[1]

START_S = 45.0
"""Longest start of a service; importing torch takes most of it when two cores are busy."""
STOP_S = 10.0
_LOG_TAIL = 6000

nursery: Nursery | None = None
"""Forks the services, where a run of tests has set it (tests/conftest.py)."""


def in_namespace() -> bool:
    """Tell whether `tests/in_namespace.sh` gave this process a network of its own."""
    return os.environ.get("P2PCAMERA_TEST_NAMESPACE") == "1"


def free_port() -> int:
    """Return a TCP port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A child process with its output in a file; `kill` and `start` may follow each other."""

    def __init__(
        self, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.log = name, log
        self._argv, self._env = argv, {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        if (folders := os.environ.get("PYTHONPATH")) and env and "PYTHONPATH" in env:
            self._env["PYTHONPATH"] = os.pathsep.join((env["PYTHONPATH"], folders))
        self._child: subprocess.Popen[bytes] | Forked | None = None

    @property
    def pid(self) -> int:
        """Process id; only while started."""
        assert self._child is not None
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it, again after it has ended; in a session of its own, as a terminal would."""
        assert not self.is_running
        if nursery is not None and nursery.can_start(self._argv):
            self._child = nursery.start(self._argv, self._env, self.log)
            return
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self._argv, cwd=ROOT, env=self._env, stdout=log, stderr=log, start_new_session=True
            )

    def signal(self, number: int) -> None:
        """Send a signal to the process itself."""
        assert self._child is not None
        self._child.send_signal(number)

    def interrupt(self) -> None:
        """Do what Ctrl-C does: SIGINT to the whole group."""
        os.killpg(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it without a chance to say anything."""
        self.signal(signal.SIGKILL)
        assert self._child is not None
        self._child.wait()

    async def ended(self, within_s: float = STOP_S) -> int:
        """Return the exit status; raises AssertionError when it takes longer."""
        child = self._child
        assert child is not None
        await eventually(lambda: child.poll() is not None, within_s, f"{self.name} ends")
        code = child.poll()
        assert code is not None
        return code

    async def stop(self, within_s: float = STOP_S) -> int | None:
        """End it with SIGTERM, or with SIGKILL when that takes too long; None when it was not running."""
        if not self.is_running:
            return None
        self.signal(signal.SIGTERM)
        try:
            return await self.ended(within_s)
        finally:
            if self.is_running:
                self.kill()

    def output(self) -> str:
        """Return what it has said so far, the last part when that is long."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:] if self.log.exists() else ""


class Services:
    """One signaling service and its workers; use as `async with`."""

    def __init__(
        self, folder: Path, *, certificate: tuple[Path, Path] | None = None, results: str = ""
    ) -> None:
        """`results` is the endpoint for results where it is not to be a Unix socket of its own."""
        self._folder = folder
        self.port = free_port()
        # Not in `folder`, whose path can be longer than a socket's may be.
        self._sockets = tempfile.TemporaryDirectory(prefix="p2p")
        self.sockets = Path(self._sockets.name)
        self.results = results or f"ipc://{self.sockets}/results.ipc"
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._tls: list[str] = []
        if certificate:
            self._tls = ["--ssl-certfile", str(certificate[0]), "--ssl-keyfile", str(certificate[1])]
        self.signaling: Process | None = None
        self.workers: list[Process] = []
        # Idle connections are given up before the service does it, which would be in the middle of a call.
        limits = httpx.Limits(keepalive_expiry=2.0)
        self.http = httpx.AsyncClient(
            base_url=self.url, verify=False, trust_env=False, timeout=10, limits=limits
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.http.aclose()
        for process in filter(None, [*self.workers, self.signaling]):
            await process.stop()
        self._sockets.cleanup()

    def start_signaling(self, *flags: str, has_limit: bool = True, drains_s: float = 0) -> Process:
        """Start the signaling service; it listens once `ready` returns.

        By default it ends at once when it is stopped: most tests do not move calls.
        """
        argv = [sys.executable, "-m", "signaling_service", "--host", "127.0.0.1", "--port", str(self.port)]
        # By measured load a busy machine would refuse calls that a test is not about.
        limit = ["--max-sessions", "20"] if has_limit else []
        argv += ["--results-bind", self.results, "--drain-seconds", str(drains_s), *self._tls, *limit, *flags]
        if not in_namespace():
            argv += ["--ice-addresses", "127.0.0.1"]
        self.signaling = Process("signaling", argv, self._folder / "signaling.log")
        self.signaling.start()
        return self.signaling

    def start_worker(self, filters: str, *flags: str, env: Mapping[str, str] | None = None) -> Process:
        """Start one more worker with `filters` loaded, and with `busy_ms`."""
        # One thread each: workers share the cores with a browser and with one another.
        threads = {"OMP_NUM_THREADS": "1", **(env or {})}
        return self._start_worker(
            "inference_service", "--device", "cpu", "--test-params", "--filters", filters, *flags, env=threads
        )

    def start_light_worker(self, filters: str, *flags: str) -> Process:
        """Start one more worker without torch, for `invert` and `passthrough`: harness/light_worker.py."""
        return self._start_worker("harness.light_worker", "--test-params", "--filters", filters, *flags)

    def _start_worker(self, module: str, *flags: str, env: Mapping[str, str] | None = None) -> Process:
        return self.add_worker([sys.executable, "-m", module, "--signaling", self.results, *flags], env)

    def add_worker(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Process:
        """Start one more worker by its whole command line."""
        name = f"worker-{len(self.workers)}"
        worker = Process(name, argv, self._folder / f"{name}.log", env)
        worker.start()
        self.workers.append(worker)
        return worker

    async def start(self, filters: str, workers: int = 1) -> list[Process]:
        """Start the signaling service and so many workers, with `filters` loaded; wait until they serve."""
        return await self._start(self.start_worker, filters, workers)

    async def start_light(self, filters: str, workers: int = 1) -> list[Process]:
        """Do the same with workers without torch."""
        return await self._start(self.start_light_worker, filters, workers)

    async def _start(self, start: Callable[[str], Process], filters: str, workers: int) -> list[Process]:
        self.start_signaling()
        started = [start(filters) for _ in range(workers)]
        await self.ready(dict.fromkeys(filters.split(","), workers))
        return started

    def output(self) -> str:
        """Return what all of them have said."""
        processes = filter(None, [*self.workers, self.signaling])
        return "\n".join(f"--- {process.name} ---\n{process.output()}" for process in processes)

    async def filters(self) -> dict[str, dict[str, Any]]:
        """Return `GET /filters` by name; empty while nobody answers."""
        try:
            answer = await self.http.get("/filters")
        except httpx.TransportError:
            return {}
        return {one["name"]: one for one in answer.json()["filters"]}

    async def ready(self, workers: Mapping[str, int] | None = None) -> None:
        """Wait until sessions are taken, and each named filter is served by so many live workers."""

        async def is_ready() -> bool:
            self._check_alive()
            try:
                if (await self.http.get("/readyz")).status_code != 200:
                    return False
            except httpx.TransportError:
                return False
            served = await self.filters()
            wanted = (workers or {}).items()
            return all(
                name in served and served[name]["workers"] == count and served[name]["state"] == "loaded"
                for name, count in wanted
            )

        await eventually(is_ready, START_S, f"/readyz says 200 and /filters {workers}")

    async def answers(self) -> None:
        """Wait until the signaling service answers, with or without a worker."""

        async def is_there() -> bool:
            self._check_alive()
            try:
                return (await self.http.get("/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(is_there, START_S, "/healthz says 200")

    async def metric(self, name: str) -> float:
        """Return the sum of one of Prometheus' metrics over its labels; 0 where it does not show."""
        lines = (await self.http.get("/metrics")).text.splitlines()
        rows = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        return sum(float(value) for key, _, value in rows if key.partition("{")[0] == name)

    async def sessions(self) -> float:
        """Return how many sessions there are."""
        return await self.metric("p2pcamera_sessions")

    async def has_sessions(self, count: float, within_s: float) -> None:
        """Wait until there are so many sessions."""

        async def has() -> bool:
            return await self.sessions() == count

        await eventually(has, within_s, f"{count:g} sessions")

    def _check_alive(self) -> None:
        assert self.signaling is not None
        assert self.signaling.is_running, f"signaling ended:\n{self.signaling.output()}"
