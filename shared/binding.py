"""Binds an endpoint so that nobody else's is taken from him.

libzmq removes whatever lies at an ipc path before it binds there: a second start on the same path made the
running service deaf for good. So a lock beside the path (`PATH.lock`) is taken first. It vanishes with its
process, also a killed one, and then what lies at the path is stale and may be replaced.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import zmq

from shared import endpoints, run_dir
from shared.errors import BindError, EndpointError, RunDirError

LOCK_SUFFIX = ".lock"


@dataclass(slots=True)
class Binding:
    """An endpoint that is ours; `release` after the socket is closed."""

    endpoint: str
    """With the port that was found for `*`."""
    _path: Path | None = None
    _lock_fd: int | None = None

    def release(self) -> None:
        """Remove the socket's file and its lock; safe to call twice."""
        if self._lock_fd is None or self._path is None:
            return
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
            _lock_path(self._path).unlink(missing_ok=True)
        os.close(self._lock_fd)
        self._lock_fd = None


def bind(socket: zmq.Socket[bytes], endpoint: str, environ: Mapping[str, str] | None = None) -> Binding:
    """Bind; raises BindError with a sentence. `environ` says where the user's own folder is (run_dir)."""
    try:
        parsed = endpoints.parse(endpoint)
    except EndpointError as exc:
        raise BindError(endpoint, str(exc)) from exc
    if parsed.transport == "tcp":
        _bind(socket, endpoint)
        return Binding(socket.getsockopt_string(zmq.LAST_ENDPOINT))
    path = Path(parsed.host)
    try:
        if path.parent == run_dir.run_dir(os.environ if environ is None else environ):
            run_dir.make(path.parent)
        lock_fd = _take_lock(path, endpoint)
    except RunDirError as exc:
        raise BindError(endpoint, str(exc)) from exc
    try:
        _check_free(path, endpoint)
        _bind(socket, endpoint)
        # libzmq leaves the mode to the umask.
        path.chmod(0o600)
    except BaseException:
        os.close(lock_fd)
        raise
    return Binding(endpoint, path, lock_fd)


def sweep(pattern: Path) -> None:
    """Remove sockets that killed processes left; `pattern` is a path with a `*` in its name.

    Of those that have a lock, which is how they are known to be ours; none that a process still holds.
    """
    for lock in pattern.parent.glob(pattern.name + LOCK_SUFFIX):
        path = lock.with_name(lock.name.removesuffix(LOCK_SUFFIX))
        with contextlib.suppress(OSError, BindError):
            lock_fd = _take_lock(path, str(path))
            try:
                _check_free(path, str(path))
                Binding("", path, lock_fd).release()
            except BindError:
                os.close(lock_fd)


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + LOCK_SUFFIX)


def _bind(socket: zmq.Socket[bytes], endpoint: str) -> None:
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as exc:
        raise BindError(endpoint, exc.strerror or str(exc)) from exc


def _take_lock(path: Path, endpoint: str) -> int:
    lock = _lock_path(path)
    while True:
        try:
            # Never through a link that someone else laid into a shared folder.
            lock_fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise BindError(endpoint, f"no lock {lock} ({exc.strerror})") from exc
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have removed the file between our opening and our locking it.
            if os.fstat(lock_fd).st_ino == lock.stat().st_ino:
                return lock_fd
        except BlockingIOError:
            os.close(lock_fd)
            raise BindError(endpoint, "another process has it; give this one a path of its own") from None
        except FileNotFoundError:
            pass
        os.close(lock_fd)


def _check_free(path: Path, endpoint: str) -> None:
    """Refuse to remove what is no socket."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise BindError(endpoint, "a file that is no socket lies there")
