"""Where media processes come from: the front's side of the fork server (fork_server.py).

An import of the service takes a second of CPU, a fork of it some milliseconds. So the imports happen once, in
the front, and the fork server is a fork of it. It is made before the front has threads or sockets: neither
would survive a fork in good order. One that is lost later is replaced by a process that imports for itself.
Memory that nobody writes is shared.

`multiprocessing` has a fork server too. A front that is killed would leave that one's folder in /tmp. And a
front that is process 1 would not see the end of media processes whose fork server died before.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Protocol

from signaling_service.processes import fork_server
from signaling_service.processes.fork_server import ANSWER

IMPORT_LIMIT_S = 300.0
"""The fork server's imports take more than a second of CPU, and on a very busy host a minute."""


class Child:
    """A media process that was forked; its parent is the fork server, or whoever inherits it from that."""

    def __init__(self, pid: int, life: socket.socket) -> None:
        """`life` reaches its end when the process does: the process alone has the other end."""
        self.pid = pid
        self._life = life

    def kill(self) -> None:
        """End the process at once, where it has not ended."""
        # The id of one that has ended may be another's by now.
        if not self._has_ended():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Look after it no more; it goes on, if it has not ended."""
        self._life.close()

    async def wait(self) -> None:
        """Return when the process has ended."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._life, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._life)

    def _has_ended(self) -> bool:
        try:
            return self._life.recv(1, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False


class Server(Protocol):
    """The fork server's process, by what `subprocess.Popen` and a fork have in common."""

    def poll(self) -> int | None: ...
    def send_signal(self, number: int) -> None: ...
    def wait(self) -> int: ...


class ForkedServer:
    """A fork server that is a fork of this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return how it has ended, or None; below zero, the signal that ended it."""
        return self._ended(os.WNOHANG)

    def send_signal(self, number: int) -> None:
        """Send a signal, where it has not ended."""
        # Until it is waited for, its id is nobody else's.
        if self._code is None:
            os.kill(self.pid, number)

    def wait(self) -> int:
        """Return when it has ended, how."""
        code = self._ended(0)
        assert code is not None
        return code

    def _ended(self, options: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code


class Nursery:
    """`fork` or `prepare` as early as can be, `start` for each process, `close` after the last."""

    def __init__(self) -> None:
        self._server: Server | None = None
        self._requests: socket.socket | None = None
        self._importing: asyncio.Task[bytes] | None = None
        self._turn = asyncio.Lock()

    def fork(self) -> None:
        """Have a fork server that is a fork of this process, and raise SystemExit in it when it has served.

        The imports have to be done, and neither a thread nor an event loop may run.
        """
        # What waits to be written would be written by both.
        sys.stdout.flush()
        sys.stderr.flush()
        self._requests, its = socket.socketpair()
        self._requests.setblocking(False)
        if pid := os.fork():
            its.close()
            self._server = ForkedServer(pid)
            return
        # The front's end of the stream has to be the front's alone.
        self._requests.close()
        fork_server.serve(its)
        raise SystemExit(0)

    def prepare(self) -> None:
        """Have a fork server, which does its imports from now on; returns at once."""
        if self._server is not None and self._server.poll() is None:
            return
        self.close()
        self._requests, its = socket.socketpair()
        self._requests.setblocking(False)
        with its:
            argv = [sys.executable, "-m", f"{__package__}.fork_server", str(its.fileno())]
            self._server = subprocess.Popen(argv, pass_fds=[its.fileno()])  # noqa: S603 - our own

    async def start(self, end: socket.socket) -> Child:
        """Start a media process with this end of its pipe; raises OSError where none can be started.

        It waits until the fork server has done its imports, which go on where the caller is cancelled
        meanwhile. If it is cancelled after that, the process may yet start: it ends when its pipe does.
        """
        own, its = socket.socketpair()
        try:
            with its:
                async with self._turn:
                    pid = await self._fork([end.fileno(), its.fileno()])
        except BaseException:
            own.close()
            raise
        return Child(pid, own)

    def close(self) -> None:
        """End the fork server; its processes go on."""
        if self._importing is not None:
            self._importing.cancel()
            self._importing = None
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        if self._server is not None:
            self._server.send_signal(signal.SIGKILL)
            self._server.wait()
            self._server = None

    async def _fork(self, descriptors: list[int]) -> int:
        self.prepare()
        await self._has_imported()
        assert self._requests is not None
        try:
            socket.send_fds(self._requests, [b"f"], descriptors)
            said = await self._hear(self._requests)
        except BaseException:
            # The next request must not get this one's answer.
            self.close()
            raise
        (pid,) = ANSWER.unpack(said)
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return int(pid)

    async def _has_imported(self) -> None:
        """Wait for the fork server's first word; one that is only slow would not be faster begun anew."""
        assert self._requests is not None
        if self._importing is None:
            hearing = asyncio.wait_for(self._hear(self._requests), IMPORT_LIMIT_S)
            self._importing = asyncio.create_task(hearing)
        try:
            await asyncio.shield(self._importing)
        except OSError:
            self.close()
            raise

    async def _hear(self, requests: socket.socket) -> bytes:
        said = await asyncio.get_running_loop().sock_recv(requests, ANSWER.size)
        if len(said) != ANSWER.size:
            raise OSError("the fork server has ended")
        return said
