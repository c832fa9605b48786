from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness import services
from harness.services import ROOT

pytestmark = pytest.mark.namespace

MINE = Path("/proc/self/ns/net")
MOVED = """
import socket
from pathlib import Path
from harness import own_network
from harness.namespaces import HERE

own_network.begin()
HERE.run("ip", "address", "add", "10.76.0.1/24", "dev", "p2pcamera0")
for address in ("10.76.0.1", "10.77.0.1", "127.0.0.1"):
    socket.socket(type=socket.SOCK_DGRAM).bind((address, 0))
print(Path("/proc/self/ns/net").readlink())
"""


def test_a_process_that_has_moved_changes_a_network_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", MOVED], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() != str(MINE.readlink())
    with socket.socket(type=socket.SOCK_DGRAM) as here, pytest.raises(OSError, match="assign"):
        here.bind(("10.76.0.1", 0))


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="needs a run of several processes")
def test_each_process_of_a_run_has_a_network_of_its_own() -> None:
    assert MINE.readlink() != Path(f"/proc/{os.getppid()}/ns/net").readlink()


def test_services_are_in_the_network_of_the_process_that_starts_them(tmp_path: Path) -> None:
    argv = [
        sys.executable,
        "-m",
        "harness.light_worker",
        "--signaling",
        f"ipc://{tmp_path}/r",
        "--filters",
        "invert",
    ]
    assert services.nursery is not None
    started = services.nursery.start(argv, os.environ, tmp_path / "log")
    its = Path(f"/proc/{started.pid}/ns/net").readlink()
    started.send_signal(9)
    started.wait()
    assert its == MINE.readlink()
