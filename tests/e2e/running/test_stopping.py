"""Services that end, are restarted alone, or are started by `make run`'s launcher."""

from __future__ import annotations

import asyncio
import signal
import ssl
import stat
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import httpx
import psutil
import pytest

from harness.certificate import write_certificate
from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import START_S, Process, Services, free_port, in_namespace

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENDS_WITHIN_S = 3.0
LONGEST_GAP_S = 0.5
"""At 20 fps a frame comes each 0.05 s; a worker that is lost without a word costs a second."""


def launched(folder: Path, port: int, **variables: str) -> Process:
    """Start what `make run` starts, with its own folders."""
    env = {"PORT": str(port), "FILTER": "passthrough", "INFERENCE_DEVICE": "cpu", "TMPDIR": str(folder)}
    env |= {"XDG_DATA_HOME": str(folder), **variables}
    env |= {} if in_namespace() else {"SIGNALING_ICE_ADDRESSES": "127.0.0.1"}
    launcher = Process("launcher", [sys.executable, "-m", "deploy.launch"], folder / "launcher.log", env)
    launcher.start()
    return launcher


def made_key(folder: Path) -> tuple[Path, str]:
    """Return where the launcher has kept the key of its start, and the key."""
    (file,) = folder.glob("p2pcamera-*/key")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return file, file.read_text().strip()


async def handed_out(port: int, certificate: bytes) -> bool:
    """Whether a handshake with this port is given this certificate."""
    found = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    return ssl.PEM_cert_to_DER_cert(found) == certificate


async def test_ctrl_c_ends_both_services_within_three_seconds_in_the_middle_of_a_call(tmp_path: Path) -> None:
    port = free_port()
    # TMPDIR and so the socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="p2p") as folder:
        launcher = launched(Path(folder), port, HOST="0.0.0.0", TLS="selfsigned")
        try:
            url = f"https://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, trust_env=False, verify=False) as http:
                await eventually(
                    lambda: "p2pcamera is ready" in launcher.output(), 2 * START_S, "both are ready"
                )
                assert (await http.get("/filters")).status_code == 401
                key_file, key = made_key(Path(folder))
                http.headers["Authorization"] = f"Bearer {key}"
                async with Peer(http, Picture(320, 240), fps=20) as peer:
                    await peer.call()
                    await peer.frames(10)
                    services = psutil.Process(launcher.pid).children(recursive=True)
                    assert len(services) >= 2
                    assert not any(key in word for service in services for word in service.cmdline())
                    renewed, _ = write_certificate(Path(folder) / "p2pcamera" / "tls")
                    its = ssl.PEM_cert_to_DER_cert(renewed.read_text())
                    await eventually(
                        lambda: handed_out(port, its), START_S, "the renewed certificate is used"
                    )
                    await peer.frames(10)
                    launcher.interrupt()
                    assert await launcher.ended(ENDS_WITHIN_S) == 0
                    assert not any(service.is_running() for service in services)
            assert str(key_file) in launcher.output()
            assert key not in launcher.log.read_text()
            assert not key_file.parent.exists()
        finally:
            print(launcher.output())
            if launcher.is_running:
                launcher.kill()


async def test_make_run_takes_no_other_program_for_its_service(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        with tempfile.TemporaryDirectory(prefix="p2p") as folder:
            launcher = launched(Path(folder), port)
            assert await launcher.ended(START_S) == 1
            said = launcher.output()
    assert "ready" not in said
    assert f"port {port}" in said
    assert "PORT=" in said
    assert "Traceback" not in said


async def test_signaling_service_ends_on_sigterm_and_finds_its_worker_again_when_restarted_alone(
    services: Services,
) -> None:
    await services.start_light("passthrough")
    signaling = services.signaling
    assert signaling is not None
    async with Peer(services.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter="passthrough")
        await peer.frames(10)
        signaling.signal(signal.SIGTERM)
        # uvicorn ends as the signal would have ended it, once it has shut down.
        assert await signaling.ended(ENDS_WITHIN_S) == 0
        assert "Application shutdown complete" in signaling.output()
        await eventually(
            lambda: peer.connection.connectionState in ("closed", "failed"), 3, "the client is told"
        )

    signaling.start()
    await services.ready({"passthrough": 1})
    async with Peer(services.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter="passthrough")
        await peer.frames(10)


async def test_call_goes_on_without_a_gap_when_a_worker_drains_and_after_all_were_away(
    services: Services,
) -> None:
    first, second = await services.start("passthrough", workers=2)
    async with Peer(services.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter="passthrough")
        since_s = (await peer.frames(20))[-1].at_s
        first.signal(signal.SIGTERM)
        assert await first.ended() == 0
        await services.ready({"passthrough": 1})
        await peer.frames(20)
        times_s = [one.at_s for one in peer.readable(since_s)]
        assert max(later - earlier for earlier, later in pairwise(times_s)) < LONGEST_GAP_S

        assert await second.stop() == 0
        first.start()
        await peer.frames(10, within_s=START_S)
