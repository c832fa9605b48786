"""Network namespaces beside the one that `tests/in_namespace.sh` made, and cables between them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Network:
    """A namespace; `pid` is a process that is in it, None for this one."""

    pid: int | None = None

    def command(self, *argv: str) -> list[str]:
        """Return the command line that runs `argv` in it."""
        return list(argv) if self.pid is None else ["nsenter", "--target", str(self.pid), "--net", *argv]

    def run(self, *argv: str) -> None:
        """Run a command in it; raises AssertionError with what it said when it fails."""
        done = subprocess.run(self.command(*argv), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"

    def can(self, *argv: str) -> bool:
        """Tell whether a command works in it."""
        try:
            return subprocess.run(self.command(*argv), capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False


HERE = Network()


@contextmanager
def network() -> Iterator[Network]:
    """Make a namespace with its loopback up; its cables go with it."""
    script = "ip link set lo up && echo ready && exec cat"
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        # Leaving the block closes its standard input, with which it ends.
        yield Network(holder.pid)


def cable(one: tuple[Network, str, str], other: tuple[Network, str, str]) -> None:
    """Connect two namespaces; each end is its namespace, its interface's name and its address with prefix.

    Datagrams that a sender hands over together are cut at its end, as a network card does: what loses or
    counts packets on the way meets each by itself.
    """
    (network_a, name_a, address_a), (network_b, name_b, address_b) = one, other
    network_a.run("ip", "link", "add", "dev", name_a, "type", "veth", "peer", "name", name_b)
    assert network_b.pid is not None
    network_a.run("ip", "link", "set", "dev", name_b, "netns", str(network_b.pid))
    for network, name, address in ((network_a, name_a, address_a), (network_b, name_b, address_b)):
        network.run("ip", "address", "add", address, "dev", name)
        network.run("ip", "link", "set", "dev", name, "gso_max_segs", "1")
        network.run("ip", "link", "set", "dev", name, "up")
