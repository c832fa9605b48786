"""A network namespace for each process of a test run, since tests change the network that they are in.

One takes a cable away, one drops all UDP, one gives the host another address. A call connects by any address
that it finds. So in one namespace such a test would cut the calls of the tests that run beside it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

_SCRIPT = Path(__file__).resolve().parents[1] / "tests" / "in_namespace.sh"
_OWN = Path("/proc/self/ns/net")
_CLONE_NEWNET = 0x40000000
"""From linux/sched.h."""


def begin() -> None:
    """Move to a new namespace with the interfaces that `tests/in_namespace.sh` makes.

    That is the calling thread's, and that of all threads and processes that it starts from then on. Sockets
    stay where they were made. Raises OSError where the system forbids it.
    """
    _call("unshare", _CLONE_NEWNET)
    subprocess.run(["sh", _SCRIPT, "--inside", "true"], check=True)


def join(line: socket.socket) -> None:
    """Move this thread to the namespace of the process at the other end of a Unix socket; raises OSError."""
    if sys.platform != "linux":
        return
    credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, _, _ = struct.unpack("3i", credentials)
    its = Path(f"/proc/{pid}/ns/net")
    if its.readlink() == _OWN.readlink():
        return  # Without a namespace nobody has the right to move.
    with its.open("rb") as network:
        _call("setns", network.fileno(), _CLONE_NEWNET)


def _call(name: str, *arguments: int) -> None:
    # Python has both from 3.12 on.
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
