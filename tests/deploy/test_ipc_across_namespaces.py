"""The arrangement of docker-compose.yml without Docker: a folder of sockets joins services without a network.

Signaling runs in the network of this test, as it has the host's in the compose file; each worker runs in an
empty network namespace of its own, without so much as a loopback interface. The second one has no torch.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import START_S, Process, free_port, in_namespace
from tests.deploy.compose import BASE, ROOT, RUN_DIR, load

NEW_NETWORK = ("unshare", "--user", "--map-root-user", "--net", "--")


@cache
def can_unshare() -> bool:
    try:
        return subprocess.run([*NEW_NETWORK, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = [
    pytest.mark.skipif(not can_unshare(), reason="unshare --user --net is not permitted here"),
    pytest.mark.asyncio(loop_scope="module"),
]


class Host:
    """What one compose project runs on one host; its run volume is a folder."""

    def __init__(self, run_dir: Path, logs: Path) -> None:
        self.run_dir, self._logs = run_dir, logs
        self.port = free_port()
        self.workers: list[Process] = []
        flags = [] if in_namespace() else ["--ice-addresses", "127.0.0.1"]
        argv = [sys.executable, "-m", "signaling_service", "--port", str(self.port), *flags]
        self.signaling = Process("signaling", argv, logs / "signaling.log", self._environment("signaling"))
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False)

    def start_worker(self) -> None:
        """Start one with the settings of the compose file."""
        environment = {
            **self._environment("inference"),
            "INFERENCE_DEVICE": "cpu",
            "INFERENCE_FILTERS": "passthrough,invert",
            "OMP_NUM_THREADS": "1",
        }
        self._start_worker(["-m", "inference_service"], environment)

    def start_light_worker(self) -> None:
        """Start one without torch, whose sockets are where the other's are."""
        results = f"ipc://{self.run_dir}/results.ipc"
        self._start_worker(
            ["-m", "harness.light_worker", "--signaling", results, "--filters", "passthrough,invert"], {}
        )

    def _start_worker(self, arguments: list[str], environment: dict[str, str]) -> None:
        name = f"worker-{len(self.workers)}"
        argv = [*NEW_NETWORK, sys.executable, *arguments]
        worker = Process(name, argv, self._logs / f"{name}.log", environment)
        worker.start()
        self.workers.append(worker)

    async def serving(self, workers: int) -> None:
        """Wait until `GET /filters` names so many workers that serve `invert`."""

        async def is_serving() -> bool:
            try:
                answer = await self.http.get("/filters")
            except httpx.TransportError:
                return False
            served = {one["name"]: one for one in answer.json()["filters"]}
            return (served["invert"]["workers"] if "invert" in served else 0) == workers

        await eventually(is_serving, START_S, f"/filters shows {workers} workers")

    def health(self, worker: Process) -> int:
        """Run the container's health check in the worker's namespace; return its exit status."""
        argv = ["nsenter", "--target", str(worker.pid), "--user", "--net", "--preserve-credentials", "--"]
        script = [sys.executable, str(ROOT / "deploy" / "inference_health.py"), str(self.run_dir)]
        return subprocess.run([*argv, *script]).returncode

    async def close(self) -> None:
        await self.http.aclose()
        processes = [*self.workers, self.signaling]
        ended = await asyncio.gather(*(process.stop() for process in processes), return_exceptions=True)
        for process in processes:
            print(f"--- {process.name} ---\n{process.output()}")
        assert not [one for one in ended if isinstance(one, BaseException)]

    def _environment(self, service: str) -> dict[str, str]:
        """Return what the compose file sets itself, with the folder in place of the volume."""
        variables = load(BASE)["services"][service]["environment"].items()
        return {
            name: value.replace(RUN_DIR, str(self.run_dir)) for name, value in variables if value is not None
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    """Signaling and two workers for all tests here."""
    # Not below tmp_path, which can be longer than a socket's path may be.
    with tempfile.TemporaryDirectory() as run_dir:
        host = Host(Path(run_dir), tmp_path_factory.mktemp("logs"))
        try:
            host.signaling.start()
            host.start_worker()
            host.start_light_worker()
            yield host
        finally:
            await host.close()


def network(process: Process) -> Path:
    return Path(f"/proc/{process.pid}/ns/net").readlink()


def sockets_with_addresses(process: Process) -> list[str]:
    """Return what the kernel lists of TCP and UDP in the network of a process."""
    found = []
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        head, *sockets = Path(f"/proc/{process.pid}/net/{protocol}").read_text().splitlines()
        assert "local_address" in head
        found += sockets
    return found


async def test_frames_go_round_between_namespaces_that_share_a_folder(host: Host) -> None:
    await host.serving(workers=2)
    assert len({network(process) for process in (host.signaling, *host.workers)}) == 3
    async with Peer(host.http, Picture(320, 240, mark=91), fps=20) as peer:
        await peer.call(filter="invert")
        readings = [one.reading for one in await peer.frames(20) if one.reading]
        assert {(reading.mark, reading.is_inverted) for reading in readings} == {(91, True)}


async def test_no_port_is_open_but_that_of_http_and_a_worker_s_metrics(host: Host) -> None:
    await host.serving(workers=2)
    listening = {
        one.laddr.port
        for one in psutil.Process(host.signaling.pid).net_connections("tcp")
        if one.status == psutil.CONN_LISTEN
    }
    assert listening == {host.port}
    assert sockets_with_addresses(host.signaling)
    # Its metrics, which no port of the host shows.
    worker, light = host.workers
    (own,) = sockets_with_addresses(worker)
    assert int(own.split()[1].partition(":")[2], 16) == 9101
    assert sockets_with_addresses(light) == []


async def test_signaling_that_was_killed_takes_its_socket_over_and_finds_the_workers_again(
    host: Host,
) -> None:
    await host.serving(workers=2)
    host.signaling.kill()
    assert list(host.run_dir.glob("results.ipc"))
    host.signaling.start()
    await host.serving(workers=2)


async def test_health_check_sees_its_own_worker_alone(host: Host) -> None:
    stopped, other = host.workers
    await host.serving(workers=2)
    assert [host.health(stopped), host.health(other)] == [0, 0]
    stopped.signal(signal.SIGSTOP)
    try:
        await host.serving(workers=1)
        assert [host.health(stopped), host.health(other)] == [1, 0]
    finally:
        stopped.signal(signal.SIGCONT)
