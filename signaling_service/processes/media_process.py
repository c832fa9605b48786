"""One of several media processes: its sessions, and a pipe to the front that started it.

Forked by fork_server.py alone.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from contextlib import suppress
from typing import Any

from prometheus_client import generate_latest

from shared.wire import unpack_status
from signaling_service.access.caller import Caller
from signaling_service.config import Settings
from signaling_service.errors import ServiceFull, SignalingError
from signaling_service.logs import configure_logs
from signaling_service.processes.pipe import Pipe
from signaling_service.service import Service, Share
from signaling_service.session.requests import Change, Offer
from signaling_service.sockets.fixed_port import MediaPortNotTaken
from signaling_service.workers.results import ResultsNotBound

logger = logging.getLogger(__name__)

LOAD_EVERY_S = 0.5


class MediaProcess:
    """What the front may ask for; the first call is `start`."""

    def __init__(self, front: socket.socket) -> None:
        self._pipe = Pipe(front, self._serve, self._on_notice)
        self._service: Service | None = None
        self._draining: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until the front is gone or SIGTERM comes; then end all sessions."""
        await self._pipe.open()
        serving = asyncio.create_task(self._pipe.run())
        telling = asyncio.create_task(self._keep_telling_load())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
        try:
            with suppress(asyncio.CancelledError):
                await serving
        finally:
            telling.cancel()
            if self._draining is not None:
                self._draining.cancel()
                await asyncio.gather(self._draining, return_exceptions=True)
            if self._service is not None:
                await self._service.close()

    async def _serve(self, name: str, value: Any) -> Any:
        if name == "start":
            return await self._start(**value)
        assert self._service is not None
        sessions = self._service.sessions
        if name == "open":
            offer, caller = Offer.model_validate(value["offer"]), Caller.from_map(value["caller"])
            return (await sessions.open(offer, caller, bytes.fromhex(value["session"]))).as_map()
        if name == "watch":
            caller, id_ = Caller.from_map(value["caller"]), bytes.fromhex(value["session"])
            return (await sessions.watch(value["name"], value["sdp"], caller, id_)).answer_sdp
        if name == "change":
            change, caller = Change.model_validate(value["change"]), Caller.from_map(value["caller"])
            return (await sessions.change(value["session"], change, caller)).as_map()
        if name == "add_candidates":
            return await sessions.add_candidates(
                value["session"], value["fragment"], value["subject"], value["tags"]
            )
        if name == "close":
            return await sessions.close(value["session"], value["subject"])
        if name == "metrics":
            return generate_latest(self._service.metrics.registry)
        raise AssertionError(name)

    async def _start(self, place: int, cores: float, settings: dict[str, Any], results_bind: str) -> str:
        own = Settings.model_validate(settings)
        configure_logs(own.log_level, own.log_format, f"media-{place}")
        service = Service(own, Share(results_bind, cores, self._tell_session, place=place))
        try:
            service.bind()
        except (ResultsNotBound, MediaPortNotTaken) as exc:
            raise SignalingError(str(exc)) from exc
        await service.open()
        self._service = service
        gc.collect()
        gc.freeze()
        return service.listener.reply_to

    def _on_notice(self, name: str, value: Any) -> None:
        if self._service is None:
            return
        if name == "status":
            self._service.workers.update(unpack_status(value))
        elif name == "drain":
            # The front decides when it is over: it closes the pipe.
            draining = self._service.drain(asyncio.Event(), value)
            self._draining = asyncio.get_running_loop().create_task(draining)
        else:
            assert name == "give_up"
            session_id, is_full = value
            limit = self._service.settings.max_sessions
            self._service.sessions.give_up(session_id, ServiceFull(limit) if is_full else None)

    async def _keep_telling_load(self) -> None:
        while True:
            await asyncio.sleep(LOAD_EVERY_S)
            self._tell_load()

    def _tell_session(self, what: str, name: str) -> None:
        self._pipe.tell(what, name)
        # At once: the front refuses by the last word.
        self._tell_load()

    def _tell_load(self) -> None:
        if (service := self._service) is not None:
            self._pipe.tell("load", [service.sessions.room(), service.load.busy_cores])


def run(front: socket.socket) -> None:
    """Serve the front at the other end of the pipe (pipe.py), until that end is closed."""
    # Ctrl-C reaches the whole group; the front ends this process when its own calls are done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(MediaProcess(front).run())
