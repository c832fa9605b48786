"""The real process, at its start."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import aioice
import httpx
import pytest

from harness.deadline import eventually
from harness.services import Process
from shared import link_keys
from shared.log_lines import BURST, WINDOW_S
from signaling_service.http.listening import PortNotTaken, listen
from signaling_service.rtc import aiortc_patches
from tests.signaling_service.calling import page
from tests.signaling_service.making import WireWorker

COMMAND = [sys.executable, "-m", "signaling_service"]
END_S = 60.0
WEBSOCKET = {
    "connection": "upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def start(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a start that fails, to its end."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SIGNALING_")} | variables
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=END_S, env=environment
    )


def test_a_start_whose_port_is_taken_touches_no_socket_of_the_service_that_runs(
    free_port: int, results: str
) -> None:
    path = Path(results.removeprefix("ipc://"))
    with (
        socket.create_server(("127.0.0.1", free_port)),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as theirs,
    ):
        theirs.bind(str(path))
        inode = path.stat().st_ino
        ended = start("--port", str(free_port), "--results-bind", results)
        assert ended.returncode == 1
        assert f"cannot listen on 127.0.0.1, port {free_port}" in ended.stdout + ended.stderr
        assert "Traceback" not in ended.stdout + ended.stderr
        assert path.stat().st_ino == inode


@pytest.mark.parametrize("processes", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_with_other_code_of_aioice_it_does_not_start_and_says_what_to_do(
    tmp_path: Path, free_port: int, results: str, processes: str
) -> None:
    copied = tmp_path / "aioice"
    shutil.copytree(Path(str(aioice.__file__)).parent, copied)
    with (copied / "ice.py").open("a") as file:
        file.write("# changed\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    flags = ["--port", str(free_port), "--results-bind", results, "--processes", processes]
    ended = start(*flags, PYTHONPATH=path)
    assert ended.returncode == 1
    assert "pip install --force-reinstall aiortc==" in ended.stderr
    assert "aioice.ice" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("signaling_service", "aiortc", "signaling"),
        ("signaling_service", "pydantic", "signaling"),
        ("inference_service", "torch", "inference"),
    ],
)
def test_a_package_that_is_missing_is_one_line(module: str, package: str, extra: str) -> None:
    program = (
        f"import runpy, sys; sys.modules[{package!r}] = None; runpy.run_module({module!r}, None, '__main__')"
    )
    argv = [sys.executable, "-c", program, *(["--processes", "1"] if module == "signaling_service" else [])]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=END_S)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert f"package {package} is not installed" in line
    assert f"'p2pcamera[{extra}]'" in line


def test_two_sockets_cannot_listen_on_one_port(free_port: int) -> None:
    (first,) = listen("127.0.0.1", free_port)
    with first, pytest.raises(PortNotTaken, match=f"port {free_port}"):
        listen("127.0.0.1", free_port)
    for one in listen("localhost", free_port):
        one.close()


def test_the_ipv6_wildcard_answers_ipv4_too(free_port: int) -> None:
    made = listen("::", free_port)
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, free_port), timeout=5).close()
    with pytest.raises(PortNotTaken):
        listen("0.0.0.0", free_port)
    for one in made:
        one.close()
    for one in listen("[::1]", free_port):
        assert one.getsockname()[:2] == ("::1", free_port)
        one.close()


def test_half_requests_take_neither_the_port_nor_the_disk(
    free_port: int, results: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    command = ["prlimit", "--nofile=256", *COMMAND, "--port", str(free_port), "--results-bind", results]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as service:
        try:
            deadline_s = time.monotonic() + END_S
            while not alive(free_port):
                assert time.monotonic() < deadline_s, log.read_text()
                time.sleep(0.2)
            began_s = time.monotonic()
            half = [socket.create_connection(("127.0.0.1", free_port)) for _ in range(300)]
            for one in half:
                with contextlib.suppress(OSError):
                    one.sendall(b"POST /offer HTTP/1.1\r\nHost: localhost\r\n")
            assert alive(free_port)
            for one in half:
                one.close()
            windows = 1 + (time.monotonic() - began_s) // WINDOW_S
        finally:
            service.terminate()
    # In bytes it would depend on the length of Python's path, which each traceback has.
    assert log.read_text().count("out of system resource") <= BURST * windows


def alive(port: int) -> bool:
    """Return whether the service at this port answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_the_command_keys_makes_them_once(tmp_path: Path) -> None:
    made = start("keys", str(tmp_path / "keys"))
    assert (made.returncode, made.stderr) == (0, "")
    assert "worker.secret and service.public" in made.stdout
    link_keys.load(tmp_path / "keys", "service")
    again = start("keys", str(tmp_path / "keys"))
    assert again.returncode == 1
    assert "already" in again.stderr


async def test_at_every_level_the_log_names_no_caller_and_no_query(
    tmp_path: Path, free_port: int, results: str
) -> None:
    key = tmp_path / "key"
    key.write_text("of the callers")
    argv = [*COMMAND, "--port", str(free_port), "--results-bind", results, "--processes", "1"]
    argv += ["--log-level", "debug", "--log-format", "json", "--api-key-file", str(key)]
    argv += ["--ice-addresses", "127.0.0.1", "--max-sessions", "2"]
    process = Process("signaling", argv, tmp_path / "log")
    process.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port}", trust_env=False) as http:

            async def answers() -> bool:
                try:
                    return (await http.get("/healthz?secret-query")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(answers, END_S, "/healthz")
            # A connection of another protocol would have no bounds; it is answered by HTTP.
            assert (await http.get("/", headers=WEBSOCKET)).status_code == 200
            for token in ("of the callers", "secret-token"):
                await http.get("/filters?secret-query", headers={"authorization": f"Bearer {token}"})
                sdp = "v=0\r\na=secret-sdp"
                body = {"type": "offer", "sdp": sdp, "params": {"picture": "secret-picture"}}
                await http.post(
                    "/offer?secret-query", json=body, headers={"authorization": f"Bearer {token}"}
                )
            # And a call, of which aiortc and aioice would tell each check and packet.
            aiortc_patches.apply(("127.0.0.1",))
            http.headers["authorization"] = "Bearer of the callers"
            with WireWorker(results):

                async def is_ready() -> bool:
                    return (await http.get("/readyz")).status_code == 200

                await eventually(is_ready, END_S, "/readyz")
                async with page() as caller:
                    await caller.call(http)
                    caller.say({"type": "filter", "params": {"strength": "secret-picture"}})
                    await caller.has_heard("error")
                    await caller.shows(1)
                    session, answer = caller.answer["session"], caller.answer["sdp"]
                    assert (await http.delete(f"/sessions/{session}")).status_code == 200
    finally:
        await process.stop()
    said = process.log.read_text()
    assert all(json.loads(line)["message"] for line in said.splitlines())
    # Calls are counted, not logged.
    assert "/filters" not in said
    assert "startup complete" in said
    assert "raceback" not in said
    assert session in said
    assert answer.partition("a=ice-ufrag:")[2].split()[0] not in said
    assert "secret" not in said
    assert "of the callers" not in said
    assert "127.0.0.1" not in said.replace(f"127.0.0.1:{free_port}", "")
