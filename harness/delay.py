"""A router in which every packet waits for so long, where the system has no netem.

    python -m harness.delay INTERFACE DELAY_MS

makes a TUN device, says `ready`, and writes every IP packet that it reads from it back to it DELAY_MS later.
It ends with its standard input. Needs /dev/net/tun and, in its network namespace, CAP_NET_ADMIN.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.namespaces import Network

MOST = 4096
"""Packets that wait at most: 150 ms of 300 Mbit/s in packets of 1,400 bytes."""
_ROOT = Path(__file__).resolve().parents[1]
_DEVICE, _TABLE = "delay0", "89"
_A_TURN = 64
_LONGEST_PACKET = 65_535
_READY = "ready\n"
# linux/if_tun.h
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


class Line:
    """Packets that wait, each for the same time; one that finds it full is dropped.

    `now_s` is a rising clock.
    """

    def __init__(self, delay_s: float, most: int = MOST) -> None:
        self._delay_s, self._most = delay_s, most
        self._waiting: deque[tuple[float, bytes]] = deque()

    def put(self, packet: bytes, now_s: float) -> None:
        """Let a packet wait."""
        if len(self._waiting) < self._most:
            self._waiting.append((now_s + self._delay_s, packet))

    def take(self, now_s: float) -> bytes | None:
        """Return the next packet whose time has come, in the order in which they came."""
        return self._waiting.popleft()[1] if self._waiting and self._waiting[0][0] <= now_s else None

    def wait_s(self, now_s: float) -> float | None:
        """Return how long it is until the next packet's time; None: none waits."""
        return max(self._waiting[0][0] - now_s, 0.0) if self._waiting else None


@contextmanager
def delayed(router: Network, interfaces: Sequence[str], delay_ms: float) -> Iterator[None]:
    """Let each packet that a router forwards from these interfaces wait for so long; one router, one delay.

    Packets for the router itself do not wait. The router must not change addresses: its connection tracking
    would see each packet twice.
    """
    argv = [sys.executable, "-m", "harness.delay", _DEVICE, str(delay_ms)]
    with subprocess.Popen(
        router.command(*argv), cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == _READY, "no TUN device: is there a /dev/net/tun?"
        # Leaving the block closes its standard input, with which it ends.
        with _led_through(router, interfaces):
            yield


@contextmanager
def _led_through(router: Network, interfaces: Sequence[str]) -> Iterator[None]:
    """Route what comes from these interfaces into the device; what comes from there goes its usual way."""
    # Packets come from the device with addresses that do not lie behind it.
    for where in ("all", _DEVICE):
        router.run("sh", "-c", f"echo 0 > /proc/sys/net/ipv4/conf/{where}/rp_filter")
    router.run("ip", "link", "set", "dev", _DEVICE, "addrgenmode", "none")
    router.run("ip", "link", "set", "dev", _DEVICE, "up")
    rules = [(version, name) for version in ("-4", "-6") for name in interfaces]
    for version in ("-4", "-6"):
        router.run("ip", version, "route", "add", "default", "dev", _DEVICE, "table", _TABLE)
    for version, name in rules:
        router.run("ip", version, "rule", "add", "iif", name, "lookup", _TABLE)
    try:
        yield
    finally:
        for version, name in rules:
            router.run("ip", version, "rule", "del", "iif", name, "lookup", _TABLE)


def _open(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return device


def _carry(device: int, end: int, line: Line) -> None:
    """Carry packets until `end` can be read."""
    while True:
        readable, _, _ = select.select([device, end], [], [], line.wait_s(time.monotonic()))
        if end in readable:
            return
        if device in readable:
            _fill(line, device)
        while (packet := line.take(time.monotonic())) is not None:
            os.write(device, packet)


def _fill(line: Line, device: int) -> None:
    for _ in range(_A_TURN):
        try:
            line.put(os.read(device, _LONGEST_PACKET), time.monotonic())
        except BlockingIOError:
            return


def main() -> None:
    """Carry packets as the command line says."""
    name, delay_ms = sys.argv[1:]
    device = _open(name)
    sys.stdout.write(_READY)
    sys.stdout.flush()
    _carry(device, sys.stdin.fileno(), Line(float(delay_ms) / 1e3))


if __name__ == "__main__":
    main()
