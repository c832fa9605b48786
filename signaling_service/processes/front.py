"""The front of several media processes: one port for HTTP, one table of workers, sessions dealt out evenly.

    browser ── HTTP ──> front ── pipe ──> media process 0 ── frames ──> workers
                          ▲       └─────> media process 1 ── frames ──>    │
                          └───────────────── status ───────────────────────┤
                                          media processes <── results ─────┘

Media goes by UDP to the process that has the session, and each process has a SUB of its own, named in
`reply_to`: the front carries no frame. Workers announce themselves to the front, which passes each status on.
"""

from __future__ import annotations

import asyncio
import logging
import time

import zmq
from prometheus_client import generate_latest

from shared.wire import StatusHeader
from signaling_service.config import Settings
from signaling_service.cores import usable_cores
from signaling_service.draining import kept
from signaling_service.errors import NoMediaProcess
from signaling_service.metrics import Metrics
from signaling_service.processes.dealt_sessions import DealtSessions
from signaling_service.processes.exposition import merged
from signaling_service.processes.kept_process import KeptProcess
from signaling_service.processes.nursery import Nursery
from signaling_service.workers.collector import WorkerCollector
from signaling_service.workers.results import ResultListener
from signaling_service.workers.table import Workers

logger = logging.getLogger(__name__)

METRICS_LIMIT_S = 2.0


class Front:
    """The parts of the front: `open` before the first request, `close` after the last."""

    def __init__(self, settings: Settings, nursery: Nursery) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.workers = Workers(self.metrics)
        self.metrics.registry.register(WorkerCollector(self.workers))
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._listener = ResultListener(
            self._context, settings.results_bind, self.metrics, self._on_status, settings.keys
        )
        cores = usable_cores() / settings.processes
        self.processes = [
            KeptProcess(place, cores, settings, nursery, self._introduce_workers, self._on_session)
            for place in range(settings.processes)
        ]
        self.sessions = DealtSessions(settings, self.processes, self.workers, self.metrics)
        self.metrics.room.set_function(self.sessions.room)
        self._nursery = nursery
        self._running: list[asyncio.Task[None]] = []

    def bind(self) -> None:
        """Take the endpoint for status; raises ResultsNotBound. `open` does it too."""
        self._listener.bind()

    async def open(self) -> None:
        """Start the media processes; returns when one serves, or each has failed once."""
        self._listener.start(asyncio.get_running_loop())
        running = [self.workers.run(), *(process.run() for process in self.processes)]
        self._running = [asyncio.create_task(work) for work in running]
        # Pages that have lost their service wait for the first one: the others come while it serves.
        tries = [asyncio.create_task(process.has_tried.wait()) for process in self.processes]
        for tried in asyncio.as_completed(tries):
            await tried
            if any(process.is_ready for process in self.processes):
                break
        for task in tries:
            task.cancel()

    async def drain(self, hurry: asyncio.Event) -> None:
        """As Service has it; the media processes hear of workers by their own sockets from now on."""
        limit_s = self.settings.drain_seconds
        self.sessions.refuse_from_now_on()
        self._listener.close()
        for process in self.processes:
            process.drain(limit_s)
        have_moved = await kept(self.sessions.have_ended(), time.monotonic() + limit_s, hurry)
        logger.info("the service has drained" if have_moved else "sessions are left")

    async def close(self) -> None:
        """End the media processes and with them all sessions."""
        self.sessions.refuse_from_now_on()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._nursery.close()
        self._listener.close()
        self._context.destroy(linger=0)

    async def exposition(self) -> bytes:
        """Return the instruments of all processes, each sample with its process, and the table of workers."""
        texts = await asyncio.gather(*(self._metrics_of(process) for process in self.processes))
        return merged(generate_latest(self.metrics.registry), texts)

    async def _metrics_of(self, process: KeptProcess) -> bytes:
        try:
            return bytes(await process.call("metrics", None, METRICS_LIMIT_S))
        except NoMediaProcess:
            return b""

    def _on_status(self, status: StatusHeader) -> None:
        self.workers.update(status)
        for process in self.processes:
            process.tell_status(status)

    def _on_session(self, what: str, name: str) -> None:
        self.sessions.on_session(what, name)

    def _introduce_workers(self, process: KeptProcess) -> None:
        for worker in self.workers.live():
            process.tell_status(worker.status)
