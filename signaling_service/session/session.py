"""One browser's session: negotiate, run, close. Owns its connection, camera, lane and returned track."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from aiortc import RTCPeerConnection
from aiortc.rtcrtpreceiver import RemoteStreamTrack

from signaling_service.access.caller import Caller, both
from signaling_service.errors import PictureTooLarge, SessionTimeOver, SignalingError, TakenOver
from signaling_service.rtc.camera import Camera
from signaling_service.rtc.closing import CLOSE_LIMIT_S, Closing, close_connection
from signaling_service.rtc.outage import Outage
from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.rtc.silence import Silence
from signaling_service.session.changes import Changes
from signaling_service.session.control import Control
from signaling_service.session.data_feed import DataFeed
from signaling_service.session.latency import LatencyWindow
from signaling_service.session.measuring import Measuring
from signaling_service.session.negotiation import Negotiation
from signaling_service.session.statistics import Statistics
from signaling_service.session.surroundings import Surroundings
from signaling_service.session.tracing import Tracing
from signaling_service.session.traffic import Traffic
from signaling_service.session.wish import Wish
from signaling_service.streams.publication import Publication
from signaling_service.workers.choice import Choice
from signaling_service.workers.lane import Lane

logger = logging.getLogger(__name__)

CONNECT_LIMIT_S = 10.0
"""As long as the shim waits for a picture."""
SILENCE_LIMIT_S = 5.0
TELL_LIMIT_S = 2.0

Value = TypeVar("Value")


class Session:
    """One peer connection and what hangs on it. Event loop only."""

    def __init__(
        self,
        id_: bytes,
        around: Surroundings,
        choice: Choice,
        outage: Outage,
        caller: Caller,
        on_connected: Callable[[Session], SignalingError | None],
        on_end: Callable[[Session], None],
        *,
        takes_sound: bool = False,
    ) -> None:
        """`on_connected` may return why there is no place for the session after all.

        A session that is to publish takes sound, and need not return the picture.
        """
        self.id = id_
        self.connected_s: float | None = None
        self._around = around
        self._caller = caller
        self._on_connected = on_connected
        self._on_end = on_end
        # Events of others reach it too, in whose tasks no session is set.
        self._log = logging.LoggerAdapter(logger, {"session": self.name})
        self._pc = RTCPeerConnection(around.rtc())
        self._returned = ReturnedTrack(around.metrics, around.card, Outage.CLOSED)
        self._measuring = Measuring(self._pc, around.metrics)
        self.publication = Publication()
        self.publication.on_taken_over = self._on_taken_over
        self._returned.audience = self.publication
        self._tracing = Tracing(around.traces, around.trace_every, self.name)
        self._returned.on_taken = self._tracing.note_taken
        self._statistics = Statistics(self._returned, LatencyWindow(self._note_stage))
        allowed = both(around.allowed, caller.grant.filters)
        loop = asyncio.get_running_loop()
        self._lane = Lane(around.context, id_, around.listener.reply_to, around.keys, loop=loop)
        self.wish = Wish(choice, outage, around.workers, self._lane, self._returned, allowed=allowed)
        self._negotiation = Negotiation(
            self._pc,
            around.terms.within(caller.grant.max_width, caller.grant.max_height),
            self._returned,
            self._statistics.latency,
            self._on_too_large,
            self.publication,
            takes_sound=takes_sound,
            is_local=caller.is_on_loopback,
        )
        self.changes = Changes(
            self.wish, self.publication, around.streams, caller, lambda: not self.is_connecting
        )
        self._control = Control(self.name, self.wish, self._statistics, self.publication, self.changes.make)
        self._data = DataFeed(around.metrics)
        self._lane.wants_data = lambda: self._data.is_wanted or self._statistics.remarks.is_wanted()
        self._returned.on_data = self._data.tell
        self._traffic = Traffic(
            around,
            self._lane,
            self.wish,
            self._returned,
            self._statistics,
            self._tracing,
            self._control,
            self.publication,
        )
        self._returned.on_showing = self._control.tell_showing
        self._camera: Camera | None = None
        self._is_refused = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled: asyncio.Future[None] = loop.create_future()  # Connected, or ended before.
        self._end: asyncio.Future[str] = loop.create_future()
        self._closing = Closing(self._close)

    @property
    def name(self) -> str:
        """The id as callers and logs see it."""
        return self.id.hex()

    @property
    def is_connecting(self) -> bool:
        return self.connected_s is None

    @property
    def is_ending(self) -> bool:
        return self._closing.has_begun

    async def open(self, offer_sdp: str) -> str:
        """Answer the offer and begin; raises what Negotiation.answer raises, or OfferGivenUp.

        The caller closes the session after an error.
        """
        self._pc.on("track", self._on_track)
        self._pc.on("datachannel", self._control.attach)
        self._pc.on("datachannel", self._data.attach)
        self._pc.on("connectionstatechange", self._on_connection_state)
        answer_sdp = await self._closing.first(self._negotiation.answer(offer_sdp))
        self._around.listener.subscribe(self.id, self._traffic.on_result)
        self._around.workers.add_listener(self._traffic.follow_workers)
        self._traffic.follow_workers()
        if not self._negotiation.sends_back:
            # It is sent no packets that could name a picture. Its own camera's do.
            its_own = self._negotiation.camera_timestamp_of
            self._returned.on_data = lambda header, _: self._data.tell(header, its_own(header.pts))
            self._start(self._show())
        self._start(self._run())
        self._start(self._control.run())
        return answer_sdp

    async def add_candidates(self, fragment: str, tags: Collection[str] | None) -> str | None:
        """Add trickled candidates, or restart ICE; see Answering.add_candidates."""
        return await self._negotiation.add_candidates(fragment, tags)

    def drain(self, until_s: float) -> None:
        """Tell the page to move to another service, and have results come to where the listener has stepped.

        `until_s`: when the session ends otherwise; monotonic clock.
        """
        self._lane.reply_to = self._around.listener.reply_to
        self._control.tell_draining(until_s)

    def end(self, reason: str) -> None:
        """Begin to close for this reason; only the first one counts."""
        if not self.is_ending:
            self._log.info(
                "the session ended: %s (%d frames in, %d out)",
                reason,
                self._statistics.frames_in,
                self._statistics.frames_out,
            )
            self._around.metrics.sessions_ended.labels(reason.replace(" ", "_")).inc()
            self._closing.begin()

    async def close(self, reason: str) -> None:
        """End for this reason and return when everything is freed; safe to call twice."""
        self.end(reason)
        await self._closing.wait()

    async def _run(self) -> None:
        """Wait for the connection, with a limit, then for a reason to end."""
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                await self._settled
        except TimeoutError:
            self.end("never connected")
        else:
            self.end(await self._end)

    # Events of the connection

    def _on_track(self, track: RemoteStreamTrack) -> None:
        if track.kind == "video" and self._camera is None:
            self._camera = Camera(track, self._traffic.on_camera_frame, self._around.max_fps)
            self._start(self._watch_camera(self._camera))

    def _on_connection_state(self) -> None:
        state = self._pc.connectionState
        if state == "connected" and self.connected_s is None and not self.is_ending:
            self.connected_s = time.monotonic()
            _resolve(self._settled, None)
            self._around.metrics.sessions_connected.inc()
            self._start(self._watch_silence())
            self._start(self._measuring.run())
            self._log.info("the session is connected")
            if (refusal := self._on_connected(self)) is not None:
                self.refuse(refusal)
                return
            self.changes.begin_publishing()
            if (limit_s := self._caller.grant.max_session_s) is not None:
                self._start(self._watch_time(limit_s))
        elif state in ("failed", "closed"):
            self._finish(f"connection {state}")

    def _on_taken_over(self) -> None:
        if self._negotiation.sends_back:
            self._start(self._control.tell_taken_over(TELL_LIMIT_S))
        else:
            self.refuse(TakenOver())

    async def _watch_camera(self, camera: Camera) -> None:
        await camera.run()
        self._finish("camera ended")

    async def _show(self) -> None:
        """Do what a sender does of one that gets nothing back: take each picture when it is due."""
        while True:
            await self._returned.recv()

    async def _watch_silence(self) -> None:
        await Silence(self._pc).lasts(SILENCE_LIMIT_S)
        self._finish("page fell silent")

    async def _watch_time(self, limit_s: float) -> None:
        await asyncio.sleep(limit_s)
        self.refuse(SessionTimeOver())

    def _note_stage(self, stage: str, took_s: float) -> None:
        self._around.metrics.note_stage(stage, took_s)
        self._tracing.note_stage(stage, took_s)

    def _on_too_large(self, why: str) -> None:
        self.refuse(PictureTooLarge(why))

    def refuse(self, error: SignalingError) -> None:
        """Tell the page why its session ends, and end it; only the first reason counts."""
        if not self._is_refused:
            self._is_refused = True
            self._log.warning("the session is ended: %s", error)
            self._start(self._refuse(error))

    async def _refuse(self, error: SignalingError) -> None:
        await self._control.tell_end(error, TELL_LIMIT_S)
        self._finish(error.code.replace("_", " "))

    def _finish(self, reason: str) -> None:
        _resolve(self._end, reason)
        _resolve(self._settled, None)

    # Tasks, and the end

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("the session has failed: %r", error, exc_info=error)
            self.end("internal error")

    async def _close(self) -> None:
        around = self._around
        around.workers.remove_listener(self._traffic.follow_workers)
        around.listener.unsubscribe(self.id)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=CLOSE_LIMIT_S)
        self._returned.stop()
        self.publication.close()
        self._lane.close()
        self._tracing.close()
        if self.connected_s is not None:
            await self._measuring.end()
        await close_connection(self._pc)
        if self.connected_s is not None:
            around.metrics.sessions_connected.dec()
        self._on_end(self)


def _resolve(future: asyncio.Future[Value], value: Value) -> None:
    if not future.done():
        future.set_result(value)
