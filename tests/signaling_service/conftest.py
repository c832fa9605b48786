from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from harness import services


@pytest.fixture
def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody has at this moment."""
    return services.free_port()


@pytest.fixture
def results() -> Iterator[str]:
    """An endpoint for results, in a folder for this test's sockets alone."""
    # Not below tmp_path, which can be longer than a socket's path may be.
    with tempfile.TemporaryDirectory(prefix="p2p") as folder:
        yield f"ipc://{folder}/results.ipc"


@pytest.fixture
def free_udp_ports() -> Callable[[int], range]:
    """Find so many UDP ports of 127.0.0.1 in a row that nobody has at this moment."""

    def find(count: int) -> range:
        for first in range(43_000, 60_000, count):
            ports = range(first, first + count)
            with ExitStack() as stack:
                try:
                    for port in ports:
                        probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                        probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return ports
        raise AssertionError(f"no {count} free ports in a row")

    return find
