"""One media process as the front keeps it: started, called, and started again when it is gone."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, NoReturn

from shared import endpoints
from shared.endpoints import Endpoint
from shared.wire import StatusHeader, pack_status
from signaling_service.config import Settings
from signaling_service.errors import NoMediaProcess, SignalingError
from signaling_service.processes.nursery import Child, Nursery
from signaling_service.processes.pipe import Pipe

logger = logging.getLogger(__name__)

START_LIMIT_S = 30.0
MOST_DOUBLINGS = 3
"""After each failure the limit is doubled, up to so many times: the host may be only very busy."""
END_LIMIT_S = 2.0
HANG_LIMIT_S = 10.0
"""A media process says its load twice a second; after so long without a word it is killed."""
SILENT_S = 1.5
"""After so long without a word it gets new sessions only where no other process takes them."""
WATCH_EVERY_S = 1.0
CALL_LIMIT_S = 5.0
RESTART_AFTER_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses before a process that keeps dying is started again; one that lived for a minute begins anew."""
LIVED_S = 60.0


class KeptProcess:
    """One media process as the front sees it: started, called, started again when it is gone."""

    def __init__(
        self,
        place: int,
        cores: float,
        settings: Settings,
        nursery: Nursery,
        on_ready: Callable[[KeptProcess], None],
        on_session: Callable[[str, str], None],
    ) -> None:
        """`on_session` is told of each session, and of each viewer, that is `connected` or has `ended`."""
        self.place = place
        self.sessions: set[str] = set()
        self.viewers: set[str] = set()
        self.room = 0
        self.busy_cores = 0.0
        self.is_ready = False
        self.has_tried = asyncio.Event()
        """Set when the first start has succeeded or failed."""
        self._cores = cores
        self._settings = settings
        self._nursery = nursery
        self._on_ready = on_ready
        self._on_session = on_session
        self._is_draining = False
        self._failures = 0
        self.pid: int | None = None
        self._pipe: Pipe | None = None
        self._heard_s = 0.0

    @property
    def load(self) -> tuple[int, float]:
        """What decides who gets the next session: how many it has, then how busy its cores are."""
        return len(self.sessions), self.busy_cores

    @property
    def is_silent(self) -> bool:
        """Has not said its load for a while: it hangs, or the front itself stood still."""
        return time.monotonic() - self._heard_s > SILENT_S

    @property
    def _start_limit_s(self) -> float:
        return START_LIMIT_S * 2.0 ** min(self._failures, MOST_DOUBLINGS)

    async def run(self) -> None:
        """Keep a process alive until cancelled; one that drains is not started again."""
        while not self._is_draining:
            ready_s = float("inf")
            try:
                async with self._started() as (process, reading):
                    ready_s = time.monotonic()
                    # One that was still starting when the others were told has what a successor needs.
                    if not self._is_draining:
                        await self._watch(process, reading)
            except (SignalingError, OSError) as exc:
                logger.error("media process %d did not start: %s", self.place, exc)
            self.has_tried.set()
            self._failures = 0 if time.monotonic() - ready_s > LIVED_S else self._failures + 1
            await asyncio.sleep(RESTART_AFTER_S[min(self._failures, len(RESTART_AFTER_S) - 1)])

    async def call(self, name: str, value: Any, limit_s: float = CALL_LIMIT_S) -> Any:
        """Ask the process; raises what it refuses with, NoMediaProcess when it is away."""
        if self._pipe is None or not self.is_ready:
            raise NoMediaProcess
        return await self._pipe.call(name, value, limit_s)

    def tell_status(self, status: StatusHeader) -> None:
        if self._pipe is not None and self.is_ready:
            self._pipe.tell("status", pack_status(status))

    def drain(self, limit_s: float) -> None:
        """Have the process tell its pages to move, and free what a successor needs."""
        self._is_draining = True
        if self._pipe is not None and self.is_ready:
            self._pipe.tell("drain", limit_s)

    def tell_given_up(self, session_id: str, *, is_full: bool) -> None:
        """Have the process end a session: there is no place for it, or a newer offer has its turn."""
        if self._pipe is not None and self.is_ready:
            self._pipe.tell("give_up", [session_id, is_full])

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[tuple[Child, asyncio.Task[None]]]:
        own, its = socket.socketpair()
        try:
            with its:
                async with asyncio.timeout(self._start_limit_s):
                    process = await self._nursery.start(its)
        except BaseException:
            own.close()
            raise
        self.pid = process.pid
        self._pipe = Pipe(own, _serves_nothing, self._on_notice)
        await self._pipe.open()
        reading = asyncio.create_task(self._pipe.run())
        try:
            await self._begin()
            yield process, reading
        finally:
            self.is_ready = False
            self._pipe = None
            for session_id in (*self.sessions, *self.viewers):
                self._on_session("ended", session_id)
            self.sessions.clear()
            self.viewers.clear()
            # It ends by itself once its end of the pipe is closed, with its pages told.
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            try:
                async with asyncio.timeout(END_LIMIT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
            finally:
                process.close()

    async def _begin(self) -> None:
        assert self._pipe is not None
        value = {
            "place": self.place,
            "cores": self._cores,
            "settings": self._settings.model_dump(mode="json"),
            "results_bind": str(own_endpoint(self._settings.results_bind, self.place)),
        }
        reply_to = await self._pipe.call("start", value, self._start_limit_s)
        self._heard_s = time.monotonic()
        self.room = 1
        self.is_ready = True
        self.has_tried.set()
        logger.info("media process %d is ready, results go to %s", self.place, reply_to)
        self._on_ready(self)

    async def _watch(self, process: Child, reading: asyncio.Task[None]) -> None:
        """Return when the process has ended, hangs, or cannot be understood."""
        while not reading.done():
            began_s = time.monotonic()
            await asyncio.wait([reading], timeout=WATCH_EVERY_S)
            # A front that stood still has heard nothing, whoever spoke: that time does not count.
            self._heard_s += max(0.0, time.monotonic() - began_s - WATCH_EVERY_S)
            if time.monotonic() - self._heard_s > HANG_LIMIT_S:
                logger.error("media process %d hangs", self.place)
                process.kill()
                break
        sessions = len(self.sessions)
        logger.error("media process %d is lost, and %d sessions with it", self.place, sessions)

    def _on_notice(self, name: str, value: Any) -> None:
        self._heard_s = time.monotonic()
        if name == "load":
            self.room, self.busy_cores = value
            return
        if name == "ended":
            self.sessions.discard(value)
            self.viewers.discard(value)
        self._on_session(name, value)


def own_endpoint(results_bind: str, place: int) -> Endpoint:
    """Return where a media process binds its SUB: in the same folder, or on the same host.

    Ports follow the front's, so that a firewall can know them. Of the loopback nobody beyond this host
    needs to know one: any free one will do.
    """
    front = endpoints.parse(results_bind)
    if front.transport == "ipc":
        path = PurePosixPath(front.host)
        return replace(front, host=str(path.with_name(f"{path.stem}-{place}{path.suffix}")))
    return replace(front, port=0 if front.is_loopback_only else front.port + 1 + place)


async def _serves_nothing(name: str, value: Any) -> NoReturn:
    raise AssertionError(name)
