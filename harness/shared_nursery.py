"""One nursery's imports for all processes of a test run, which are 4 s of CPU.

The process that starts the others has a `SharedNursery`, and names its address to them by the environment.
The nursery of each is then a fork of that one, with a line of its own, in the network of that process.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from harness import own_network

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = "P2PCAMERA_NURSERY"
"""The path of the socket at which forks of the one nursery are given."""


class SharedNursery:
    """Does the imports as soon as it is made, and gives forks at `address` until `close`."""

    def __init__(self, environ: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start it, with `environ` besides the variables of this process."""
        self._folder = tempfile.TemporaryDirectory(prefix="p2p")
        self.address = f"{self._folder.name}/nursery"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen()
            self._server = start(listener, environ, stdin=subprocess.PIPE)

    def close(self) -> None:
        """End it; its forks go on."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()
        self._folder.cleanup()


def start(
    line: socket.socket, environ: Mapping[str, str] = MappingProxyType({}), stdin: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a process that forks services, or itself where `line` listens."""
    argv = [sys.executable, "-m", "harness.nursery", str(line.fileno())]
    # As services are started: one thread each, that does not spin.
    threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    env = {**os.environ, **threads, **environ}
    return subprocess.Popen(argv, cwd=ROOT, env=env, stdin=stdin, pass_fds=[line.fileno()])


def accepted(listener: socket.socket) -> socket.socket | None:
    """Fork for each process that connects, and return its line there; None at the end of standard input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with selectors.DefaultSelector() as selector:
        for one in (listener, sys.stdin):
            selector.register(one, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    return None
                line, _ = listener.accept()
                if os.fork() == 0:
                    listener.close()
                    own_network.join(line)
                    return line
                line.close()
