"""The parts of one media process: what its sessions share, opened and closed together."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import zmq
from aiortc import RTCConfiguration
from prometheus_client import generate_latest

from shared.heap import keep_large_blocks
from shared.traces import Traces, open_traces
from signaling_service.config import Settings
from signaling_service.cores import usable_cores
from signaling_service.draining import kept
from signaling_service.media.encoding import Encoding
from signaling_service.media.picture_size import Size
from signaling_service.metrics import Metrics
from signaling_service.rtc import aiortc_patches
from signaling_service.rtc.aiortc_patches import own_addresses
from signaling_service.rtc.answering import Terms
from signaling_service.rtc.card import Card
from signaling_service.rtc.ice_servers import ice_servers_for_aiortc
from signaling_service.sdp.candidates import LOOPBACK
from signaling_service.session.load import Load
from signaling_service.session.sessions import Limits, LocalSessions
from signaling_service.session.surroundings import Surroundings
from signaling_service.sockets.own_port import OwnPorts
from signaling_service.sockets.shared_port import SharedPort
from signaling_service.sockets.tcp_port import TcpPort
from signaling_service.streams.streams import Streams
from signaling_service.workers.collector import WorkerCollector
from signaling_service.workers.results import ResultListener, ResultsNotBound
from signaling_service.workers.table import Workers

logger = logging.getLogger(__name__)

MEET_S = 1.0
"""Workers find the second endpoint for results within this time: each frame names it."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several media processes has for its own."""

    results_bind: str
    cores: float
    """How many of them it may use up."""
    on_session: Callable[[str, str], None] = lambda what, name: None
    """Told of each session, and of each viewer, that is `connected` or has `ended`."""
    is_alone: bool = False
    place: int = 0
    """Which of them it is; its UDP port and its TCP port are so many behind the first one's."""


class Service:
    """`open` before the first session, `close` after the last."""

    def __init__(self, settings: Settings, share: Share | None = None, traces: Traces | None = None) -> None:
        """Without a share this process is the whole service. Without `traces` the settings choose.

        Raises TracesUnusable.
        """
        share = share or Share(settings.results_bind, usable_cores(), is_alone=True)
        self.settings = settings
        self.metrics = Metrics()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.workers = Workers(self.metrics)
        self.listener = ResultListener(
            self._context, share.results_bind, self.metrics, self.workers.update, settings.keys
        )
        # As many threads as cores: with more, frames that come together share the cores and are all late.
        self._encoding = Encoding(max(1, round(share.cores)), has_h264="h264" in settings.video_codecs)
        self._ports = _ports(settings, share.place)
        self._tcp = None if settings.tcp_port is None else TcpPort(settings.tcp_port + share.place)
        card = Card()
        terms = Terms(
            video_codecs=settings.video_codecs,
            bitrates=settings.bitrates,
            largest=Size(settings.max_width, settings.max_height),
            encoders=self._encoding.executor,
            public_addresses=settings.public_addresses,
            tcp=self._tcp,
            tells_loopback_alone=not (settings.public_ip or settings.ice_addresses),
        )
        self._streams = Streams(
            settings.bitrates,
            self._encoding.executor,
            card,
            self.metrics,
            settings.max_viewers,
            share.place,
            1 if share.is_alone else settings.processes,
        )
        if traces is None and settings.trace_every is not None:
            traces = open_traces("signaling", f"{socket.gethostname()}-{os.getpid()}")
        self._traces = traces
        around = Surroundings(
            context=self._context,
            keys=settings.keys,
            workers=self.workers,
            listener=self.listener,
            metrics=self.metrics,
            card=card,
            terms=terms,
            streams=self._streams,
            max_fps=settings.max_fps,
            allowed=settings.allowed,
            traces=traces,
            trace_every=settings.trace_every or 1,
            rtc=self._rtc_configuration,
        )
        self.load = Load(share.cores)
        self.sessions = LocalSessions(
            around,
            Limits(settings.default_filter, settings.max_sessions, settings.max_connecting_per_address),
            self.load,
            share.on_session,
        )
        if share.is_alone:
            # Of several processes each knows the same workers: the front shows them.
            self.metrics.registry.register(WorkerCollector(self.workers))
        self.metrics.cores_busy.set_function(lambda: self.load.busy_cores)
        self.metrics.loop_late.set_function(lambda: self.load.late_s)
        self.metrics.room.set_function(self.sessions.room)
        self._watching: list[asyncio.Task[None]] = []

    def bind(self) -> None:
        """Take the endpoint for results and the ports for media; `open` does it too.

        Raises ResultsNotBound or MediaPortNotTaken.
        """
        self.listener.bind()
        for ports in (self._ports, self._tcp):
            if isinstance(ports, (SharedPort, TcpPort)):
                ports.open([*(self.settings.ice_addresses or own_addresses()), LOOPBACK])

    async def open(self) -> None:
        keep_large_blocks()
        await self._encoding.open()
        self.bind()
        aiortc_patches.apply(self.settings.ice_addresses, self._encoding.nvenc)
        aiortc_patches.bind_ice(self._ports)
        if self._tcp is not None:
            self._tcp.start()
        self.listener.start(asyncio.get_running_loop())
        self._watching = [
            asyncio.create_task(self.workers.run()),
            asyncio.create_task(self.load.run(self.sessions.connected)),
        ]

    async def drain(self, hurry: asyncio.Event, limit_s: float | None = None) -> None:
        """Tell the pages to move to another service, and free what a successor needs.

        Returns when all have moved, when the limit has passed (by default that of the settings), or when
        `hurry` is set.
        """
        until_s = time.monotonic() + (self.settings.drain_seconds if limit_s is None else limit_s)
        try:
            self.listener.step_aside()
        except ResultsNotBound as exc:
            logger.warning("a successor has to wait for the last session: %s", exc)
        self.sessions.drain(until_s)
        making_way = asyncio.create_task(self._make_way())
        try:
            have_moved = await kept(self.sessions.have_ended(), until_s, hurry)
            logger.info("the service has drained" if have_moved else "sessions are left")
        finally:
            making_way.cancel()
            (fault,) = await asyncio.gather(making_way, return_exceptions=True)
            if isinstance(fault, Exception):
                logger.error("a successor has to wait for the last session: %r", fault, exc_info=fault)

    async def _make_way(self) -> None:
        # Sessions that were about to connect do so meanwhile.
        await asyncio.sleep(MEET_S)
        if not self.listener.make_way():
            logger.warning("the endpoint for results is free when the last session has ended")
        for ports in (self._ports, self._tcp):
            if isinstance(ports, (SharedPort, TcpPort)):
                ports.make_way()

    async def close(self) -> None:
        await self.sessions.close_all()
        self._streams.close()
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self._encoding.close()
        self.listener.close()
        self._context.destroy(linger=0)
        if self._traces is not None:
            await asyncio.to_thread(self._traces.close)
        for ports in (self._ports, self._tcp):
            if isinstance(ports, (SharedPort, TcpPort)):
                ports.close()

    async def exposition(self) -> bytes:
        """Return all instruments in Prometheus' text format."""
        return generate_latest(self.metrics.registry)

    def _rtc_configuration(self) -> RTCConfiguration:
        # Every page can reach a known public address, through its own relay if need be. So there is nothing
        # to ask a server, and nothing to wait for.
        servers = () if self.settings.public_ip else self.settings.ice_servers
        return RTCConfiguration(iceServers=ice_servers_for_aiortc(servers))


def _ports(settings: Settings, place: int) -> OwnPorts | SharedPort:
    if settings.udp_port is not None:
        return SharedPort(settings.udp_port + place)
    return OwnPorts() if settings.udp_ports is None else OwnPorts(settings.udp_ports)
