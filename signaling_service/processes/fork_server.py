"""The fork server: has imported what a media process needs, and forks one for each request.

    python -m signaling_service.processes.fork_server FD

The first one is a fork of the front (nursery.py). Those that replace it are started so.

FD is this end of a pair of stream sockets; only nursery.py has the other one. The first word is the server's:
an answer of 0, when its imports are done. A request is one byte with two descriptors: the media process's end
of its pipe, and a socket that it holds as long as it lives. The answer is its process id, as i64 in this
host's byte order, or an errno below zero. The server leaves when the other end is closed. Its media processes
go on.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import struct
import sys
from contextlib import suppress

ANSWER = struct.Struct("q")


def main() -> None:
    """Import, then serve."""
    # Ctrl-C reaches the whole group, and ending is the front's to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()
    from signaling_service.processes import media_process  # noqa: F401 - each child has it then

    # Frozen, so that no child's garbage collector writes into the memory that they share.
    gc.collect()
    gc.freeze()
    gc.enable()
    serve(requests)


def serve(requests: socket.socket) -> None:
    """Serve the front until it is gone; in a forked process, be a media process instead."""
    from signaling_service.processes import media_process

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Nobody waits for the processes here: who has the other socket sees their end.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    pipe = None
    # A front that was killed may have left the last word unread.
    with suppress(ConnectionError):
        pipe = _fork_until_gone(requests)
    if pipe is not None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        media_process.run(pipe)


def _fork_until_gone(requests: socket.socket) -> socket.socket | None:
    """Fork for each request; return None when the front is gone, and its end of the pipe in a fork."""
    requests.sendall(ANSWER.pack(0))
    while True:
        said, descriptors, _, _ = socket.recv_fds(requests, 1, 2)
        if not said:
            return None
        try:
            pid = os.fork()
        except OSError as exc:
            pid = -(exc.errno or 1)
        if pid == 0:
            requests.close()
            return socket.socket(fileno=descriptors[0])
        for descriptor in descriptors:
            os.close(descriptor)
        requests.sendall(ANSWER.pack(pid))


if __name__ == "__main__":
    main()
