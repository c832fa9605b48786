from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from harness import services
from harness.udp_ports import claim_udp_ports


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
def free_udp_ports() -> Iterator[Callable[[int], range]]:
    """Find so many UDP ports of 127.0.0.1 in a row, which no other test gets before this one's end."""
    with ExitStack() as claims:
        yield lambda count: claim_udp_ports(count, claims)
