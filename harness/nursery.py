"""Services that are forked from a process which has done their imports, since tests start a hundred of them.

An import of torch and of a worker takes 3 s of CPU, that of the signaling service more than 1 s, a fork some
milliseconds. A forked service is a process of its own, with a session, a log and an environment of its own.
It runs the same `__main__` as `python -m`, which some tests still start: the launcher's and the commands'.

The first half is the test's; `python -m harness.nursery FD` is the process that forks. A request is a line of
JSON, its answer a line with the process id, and later comes a line for each process that has ended. Several
processes of a run share the imports (shared_nursery.py).
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from harness import shared_nursery
from signaling_service.hidden_secrets import without_secrets

MODULES = ("harness.light_worker", "inference_service", "signaling_service")
"""What can be forked: `python -m` with one of these."""
_IMPORTS = (
    *("harness.light_worker", "inference_service.filters.registry", "inference_service.process", "uvicorn"),
    *("signaling_service.http.app", "signaling_service.http.connections", "signaling_service.http.ending"),
    *("signaling_service.processes.front", "signaling_service.service"),
)
_START_S = 60.0


class Forked:
    """A process that was forked, with what this project's tests use of `subprocess.Popen`."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it has ended, or None; below zero, the signal that ended it."""
        if self.returncode is None:
            self.returncode = self._nursery.ended(self.pid)
        return self.returncode

    def wait(self) -> int:
        """Return when it has ended, how."""
        while (code := self.poll()) is None:
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Nursery:
    """`start` for each service, `close` at the end; the imports are done at the first start."""

    def __init__(self) -> None:
        self._line, self._its = socket.socketpair()
        self._has_begun = False
        self._server: subprocess.Popen[bytes] | None = None
        self._said = b""
        self._pids: list[int] = []
        self._ended: dict[int, int] = {}

    def can_start(self, argv: Sequence[str]) -> bool:
        """Tell whether this command is one that can be forked."""
        return list(argv[:2]) == [sys.executable, "-m"] and argv[2] in MODULES

    def start(self, argv: Sequence[str], env: Mapping[str, str], log: Path) -> Forked:
        """Start a service whose output goes to the end of `log`; waits for the imports.

        Raises RuntimeError where it is closed, or the process that forks has ended or says nothing.
        """
        if self._line.fileno() < 0:
            raise RuntimeError("the nursery is closed")
        if not self._has_begun:
            self._begin()
        # A service with a secret in its arguments would start itself once more, with all imports.
        arguments, secrets = without_secrets(argv[3:])
        request = {"module": argv[2], "arguments": arguments, "env": {**env, **secrets}, "log": str(log)}
        self._line.sendall(json.dumps(request).encode() + b"\n")
        until_s = time.monotonic() + _START_S
        while not self._pids:
            if time.monotonic() > until_s:
                raise RuntimeError("the process that forks the services says nothing")
            self._hear(0.5)
        return Forked(self, self._pids.pop())

    def ended(self, pid: int) -> int | None:
        """Return how a process has ended, or None."""
        self._hear(0)
        return self._ended.get(pid)

    def close(self) -> None:
        """End the process that forks; the services go on."""
        self._line.close()
        self._its.close()
        if self._server is not None:
            self._server.wait()

    def _begin(self) -> None:
        self._has_begun = True
        with self._its:
            if address := os.environ.get(shared_nursery.VARIABLE):
                self._line.close()
                self._line = socket.socket(socket.AF_UNIX)
                self._line.connect(address)
            else:
                self._server = shared_nursery.start(self._its)

    def _hear(self, within_s: float) -> None:
        self._line.settimeout(within_s)
        with suppress(BlockingIOError, TimeoutError):
            said = self._line.recv(65_536)
            if not said:
                raise RuntimeError("the process that forks the services has ended")
            *lines, self._said = (self._said + said).split(b"\n")
            for line in map(json.loads, lines):
                if "code" in line:
                    self._ended[line["pid"]] = line["code"]
                else:
                    self._pids.append(line["pid"])


def _serve(line: socket.socket) -> dict[str, object] | None:
    """Fork for each request until the test is gone; in a forked process, return the request."""
    waking, wake = socket.socketpair()
    wake.setblocking(False)
    waking.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    for one in (line, waking):
        selector.register(one, selectors.EVENT_READ)
    said = b""
    while True:
        for key, _ in selector.select():
            if key.fileobj is waking:
                waking.recv(4096)
                _tell_ends(line)
                continue
            got = line.recv(65_536)
            if not got:
                return None
            *requests, said = (said + got).split(b"\n")
            for request in requests:
                if (pid := os.fork()) == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    selector.close()
                    for end in (line, waking, wake):
                        end.close()
                    return dict(json.loads(request))
                line.sendall(json.dumps({"pid": pid}).encode() + b"\n")


def _tell_ends(line: socket.socket) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0] != 0:
            code = os.waitstatus_to_exitcode(ended[1])
            line.sendall(json.dumps({"pid": ended[0], "code": code}).encode() + b"\n")


def _become(request: Mapping[str, object]) -> None:
    """Be the service of a request, as `python -m` would be."""
    env, module = dict(request["env"]), str(request["module"])  # type: ignore[call-overload]
    os.setsid()
    with Path(os.devnull).open("rb") as nothing, Path(str(request["log"])).open("ab") as log:
        os.dup2(nothing.fileno(), 0)
        for standard in (1, 2):
            os.dup2(log.fileno(), standard)
    sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(env)
    folders = [one for one in env.get("PYTHONPATH", "").split(os.pathsep) if one and one not in sys.path]
    sys.path[1:1] = folders
    sys.argv = [module, *request["arguments"]]  # type: ignore[misc]
    ending = Ending()
    atexit.register(ending.leave)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        ending.code = end.code
        raise
    ending.code = 0


class Ending:
    """The end of a forked service: it leaves torch as it is, since taking it down costs 0.3 s of CPU.

    An error that no code tells of is left to Python.
    """

    def __init__(self) -> None:
        self.code: object = self

    def leave(self) -> None:
        """End the process with its code, once its threads have ended."""
        code = 0 if self.code is None else self.code
        if isinstance(code, int):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def main() -> None:
    """Import what services need, then fork them."""
    # Ctrl-C reaches the whole group, and ending is the test's to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    given = socket.socket(fileno=int(sys.argv[1]))
    for name in _IMPORTS:
        import_module(name)
    # Frozen, so that no service's garbage collector writes into the memory that they share.
    gc.collect()
    gc.freeze()
    listens = given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    line = shared_nursery.accepted(given) if listens else given
    if line is not None and (request := _serve(line)):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _become(request)


if __name__ == "__main__":
    main()
