"""Where media processes come from: a fork server that has imported all they need.

The imports take more than a second of CPU, a fork some milliseconds. So the imports happen once, in a
process of their own, beside those of the front. Memory that nobody writes is shared.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import forkserver

PRELOADED = f"{__package__}.preloaded"

LOOK_EVERY_S = 0.05

_context = multiprocessing.get_context("forkserver")


def prepare() -> None:
    """Start the imports, and return at once. Needed by nobody: the first start does it otherwise."""
    _context.set_forkserver_preload([PRELOADED])
    forkserver.ensure_running()


class Child:
    """A process that was started here."""

    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def kill(self) -> None:
        """End the process at once, where it has not ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    async def wait(self) -> None:
        """Return when the process has ended."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        # It becomes readable when the process ends, or the server that has forked it.
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        while self._is_there():  # noqa: ASYNC110 - without that server nobody tells.
            await asyncio.sleep(LOOK_EVERY_S)
        self._process.join()

    def _is_there(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


async def start(run: Callable[[socket.socket], None], end: socket.socket) -> Child:
    """Start a process that does `run(end)` and then ends; raises OSError where none can be started.

    A process whose starter is cancelled is there for a moment longer: it ends when its pipe does.
    """
    _context.set_forkserver_preload([PRELOADED])
    process = _context.Process(target=run, args=(end,), daemon=True)
    # It waits for the imports, so it must not hold the event loop.
    await asyncio.to_thread(_start, process)
    return Child(process)


def _start(process: multiprocessing.process.BaseProcess) -> None:
    try:
        process.start()
    except EOFError as exc:
        raise OSError("the server that forks media processes has ended") from exc
