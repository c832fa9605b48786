"""UDP ports of 127.0.0.1 in a row, claimed until the end of a test."""

from __future__ import annotations

import socket
from contextlib import ExitStack

_PORTS = range(20_000, 32_000)
"""Below those that Linux gives to whoever asks for any port: 32768 and more."""


def claim_udp_ports(count: int, claims: ExitStack) -> range:
    """Return ports that nobody has, and that no other caller on this network gets before `claims` is closed.

    Raises RuntimeError where there are none.
    """
    for first in range(_PORTS.start, _PORTS.stop - count + 1, count):
        ports = range(first, first + count)
        with ExitStack() as ours, ExitStack() as probes:
            try:
                for port in ports:
                    # The name ends with its socket, and holds for all processes of the network namespace.
                    claim = ours.enter_context(socket.socket(socket.AF_UNIX))
                    claim.bind(f"\0p2pcamera-test-port-{port}")
                    probe = probes.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            claims.push(ours.pop_all())
            return ports
    raise RuntimeError(f"no {count} free ports in a row")
