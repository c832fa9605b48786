"""Exit with 0 if this container's worker listens for frames and answers: the container's health check.

It finds the worker's own frames socket and reads the greeting that ZeroMQ sends to whoever connects
(ZMTP 3.1, RFC 37, section 3.2). So it proves that the process lives, has bound its endpoint and is
not stopped. It cannot see a hung batch: the signaling service does, by the worker's status, and takes
such a worker out of all lanes.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

TIMEOUT_S = 4.0
LISTENING = 0x10000
"""`__SO_ACCEPTCON`, in the flags column of /proc/net/unix."""


def listening_sockets(folder: Path, table: Path = Path("/proc/net/unix")) -> list[Path]:
    """Return the sockets in `folder` that a process of this network namespace listens on.

    Workers share the folder but not the namespace, so a container finds none but its own.
    """
    found = []
    for line in table.read_text().splitlines()[1:]:
        _, _, _, flags, _, _, _, *path = line.split(maxsplit=7)
        if path and int(flags, 16) & LISTENING and Path(path[0]).parent == folder:
            found.append(Path(path[0]))
    return found


def greets(path: Path) -> bool:
    """Whoever listens at `path` sends the signature of a ZMTP greeting within TIMEOUT_S."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(TIMEOUT_S)
        try:
            peer.connect(str(path))
            signature = peer.recv(10, socket.MSG_WAITALL)
        except OSError as exc:
            print(f"{path}: {exc}")
            return False
    return len(signature) == 10 and signature[0] == 0xFF and signature[9] == 0x7F


def is_healthy(folder: Path) -> bool:
    sockets = listening_sockets(folder)
    if not sockets:
        print(f"nobody listens in {folder}")
    return bool(sockets) and all(greets(path) for path in sockets)


if __name__ == "__main__":
    sys.exit(0 if is_healthy(Path(sys.argv[1])) else 1)
