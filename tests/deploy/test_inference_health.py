"""The health check of the inference container, as the container calls it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from harness.deadline import eventually
from harness.services import Process
from tests.deploy.compose import ROOT

LISTENER = """
import sys, zmq
socket = zmq.Context().socket(zmq.PULL)
socket.bind(sys.argv[1])
print("bound", flush=True)
socket.recv()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket's."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def check(folder: Path) -> int:
    return subprocess.run([sys.executable, ROOT / "deploy" / "inference_health.py", folder]).returncode


def test_worker_that_listens_is_healthy(folder: Path) -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as frames:
        frames.bind(f"ipc://{folder}/one.ipc")
        assert check(folder) == 0


def test_worker_that_listens_elsewhere_does_not_count(folder: Path) -> None:
    (folder / "mine").mkdir()
    with zmq.Context() as context, context.socket(zmq.PULL) as frames:
        frames.bind(f"ipc://{folder}/one.ipc")
        assert check(folder / "mine") == 1


def test_socket_file_that_a_dead_worker_left_does_not_count(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "one.ipc"))
        left.listen()
    assert (folder / "one.ipc").exists()
    assert check(folder) == 1


def test_listener_that_does_not_speak_zeromq_is_not_healthy(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "one.ipc"))
        silent.listen()
        assert check(folder) == 1


async def test_worker_that_is_stopped_is_not_healthy(folder: Path) -> None:
    argv = [sys.executable, "-c", LISTENER, f"ipc://{folder}/one.ipc"]
    worker = Process("listener", argv, folder / "listener.log")
    worker.start()
    try:
        await eventually(lambda: "bound" in worker.output(), 10, "the worker listens")
        assert check(folder) == 0
        worker.signal(signal.SIGSTOP)
        stat = Path(f"/proc/{worker.pid}/stat")
        await eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", 5, "it is stopped")
        assert check(folder) == 1
    finally:
        worker.kill()
