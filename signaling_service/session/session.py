"""One browser's session: negotiate, run, close. Owns its connection, camera, lane and returned track."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import zmq
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import OperationError
from aiortc.rtcrtpreceiver import RemoteStreamTrack

from shared.link_keys import LinkKeys
from shared.wire import ResultKind
from signaling_service.config import VideoCodec
from signaling_service.errors import SignalingError, UdpPortsTaken, UnusableOffer
from signaling_service.media.bitrate import BitrateProfile
from signaling_service.media.encoding import Encoding
from signaling_service.media.receive_estimate import ReceiveEstimate
from signaling_service.media.reception import Reception
from signaling_service.media.send_rate import SendRate
from signaling_service.metrics import Metrics
from signaling_service.rtc.aiortc_media import receive_through, send_at
from signaling_service.rtc.aiortc_patches import (
    encode_in,
    ice_connections,
    is_known,
    lacks_port,
    with_start_bitrate,
)
from signaling_service.rtc.camera import Camera
from signaling_service.rtc.candidates import PageCandidates, with_public_address
from signaling_service.rtc.card import Card
from signaling_service.rtc.returned_track import Outage, ReturnedTrack
from signaling_service.rtc.silence import Silence
from signaling_service.rtc.video_codecs import preferences
from signaling_service.session.control import Control
from signaling_service.session.latency import LatencyWindow
from signaling_service.session.wishes import Change
from signaling_service.workers.lane import CameraFrame, Choice, Lane
from signaling_service.workers.results import Result, ResultListener
from signaling_service.workers.table import Workers

logger = logging.getLogger(__name__)

CONNECT_LIMIT_S = 20.0
SILENCE_LIMIT_S = 5.0
CLOSE_LIMIT_S = 2.0
NEGOTIATE_LIMIT_S = 10.0
SERVED_S = 1.0
"""So long after a filtered frame a worker's progress is that of one that is only being tried."""
BAD_PARAMS = "bad_params"
"""What a worker says of parameters that the filter's own model refuses."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every session of a service uses and none owns."""

    context: zmq.Context[zmq.Socket[bytes]]
    keys: LinkKeys | None
    workers: Workers
    listener: ResultListener
    metrics: Metrics
    card: Card
    encoding: Encoding
    video_codecs: Sequence[VideoCodec]
    """Those that a session may use, the preferred one first."""
    rtc: Callable[[], RTCConfiguration]
    """Made for each session, since credentials of a TURN server may end."""
    public_ip: str | None
    """Announced in place of this host's own IPv4 addresses."""
    bitrates: BitrateProfile


class Session:
    """One peer connection and what hangs on it. Event loop only."""

    def __init__(
        self,
        id_: bytes,
        around: Surroundings,
        choice: Choice,
        outage: Outage,
        on_end: Callable[[Session], None],
    ) -> None:
        self.id = id_
        self.choice = choice
        self.connected_s: float | None = None
        self.latency = LatencyWindow()
        self.frames_in = 0
        self._around = around
        self._on_end = on_end
        self._wished_outage = outage
        self._good: Choice | None = None
        """The last choice of which a frame was shown."""
        self._served_s = float("-inf")
        self._pc = RTCPeerConnection(around.rtc())
        self._returned = ReturnedTrack(around.metrics, around.card, Outage.CLOSED)
        self._choose(choice)
        self._lane = Lane(around.context, id_, around.listener.reply_to, around.keys)
        self._control = Control(self)
        self._camera: Camera | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self._settled: asyncio.Future[None] = loop.create_future()  # Connected, or ended before.
        self._end: asyncio.Future[str] = loop.create_future()
        self._closing: asyncio.Task[None] | None = None
        self._candidates = PageCandidates()

    @property
    def name(self) -> str:
        """The id as callers and logs see it."""
        return self.id.hex()

    @property
    def is_connecting(self) -> bool:
        return self.connected_s is None

    @property
    def is_private(self) -> bool:
        """The filters hide what the camera sees, so that no raw frame may leave, whatever the page wishes."""
        return self._around.workers.is_private(self.choice.filters)

    @property
    def outage(self) -> Outage:
        """The policy that holds now: what the page wishes, and `closed` with a private filter."""
        return self._returned.outage

    @property
    def showing(self) -> str:
        """What the returned track shows: `waiting`, `live`, `card` or `raw`."""
        return self._returned.showing.value

    @property
    def frames_out(self) -> int:
        return self._returned.frames_returned

    # Negotiate

    async def answer(self, offer_sdp: str) -> str:
        """Answer the offer and begin; raises UnusableOffer and leaves the closing to the caller."""
        self._pc.on("track", self._on_track)
        self._pc.on("datachannel", self._control.attach)
        self._pc.on("connectionstatechange", self._on_connection_state)
        try:
            async with asyncio.timeout(NEGOTIATE_LIMIT_S):
                sdp = await self._negotiate(offer_sdp)
        except SignalingError:
            raise
        except TimeoutError as exc:
            raise UnusableOffer("the offer could not be answered in time") from exc
        except Exception as exc:  # aiortc's parser raises whatever the text happens to break.
            raise UnusableOffer(f"the SDP cannot be used ({type(exc).__name__})") from exc
        around = self._around
        around.listener.subscribe(self.id, self._on_result)
        around.workers.add_listener(self._on_workers)
        self._connect_lane()
        self._start(self._run())
        self._start(self._control.run())
        return sdp

    async def _negotiate(self, offer_sdp: str) -> str:
        offer = RTCSessionDescription(sdp=self._candidates.from_offer(offer_sdp), type="offer")
        # Ahead of the offer, whose first video section takes this one, so that codecs are chosen by our
        # order.
        self._pc.addTransceiver("video").setCodecPreferences(preferences(self._around.video_codecs))
        try:
            await self._pc.setRemoteDescription(offer)
        except OperationError as exc:
            if "video" not in str(exc):
                raise
            chosen = " or ".join(name.upper() for name in self._around.video_codecs)
            raise UnusableOffer(f"the offer has no video codec of this service ({chosen})") from exc
        transceivers = self._pc.getTransceivers()
        video = next((t for t in transceivers if t.kind == "video" and t.receiver.track is not None), None)
        if video is None:
            raise UnusableOffer("the offer sends no video")
        if video._offerDirection != "sendrecv":
            raise UnusableOffer("the video section must send and receive (sendrecv)")
        video.direction = "sendrecv"
        video.sender.replaceTrack(self._returned)
        bitrates = self._around.bitrates
        if is_known():
            reception = Reception(ReceiveEstimate(bitrates))
            receive_through(video.receiver, reception, self.latency.note_arrived)
            send_at(video.sender, SendRate(bitrates), self._returned, self.latency.note_encoded)
        encode_in(video.sender, self._around.encoding.executor)
        for other in transceivers:
            if other is not video:
                other.direction = "inactive"
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        if any(map(lacks_port, ice_connections(self._pc))):
            raise UdpPortsTaken
        sdp = with_start_bitrate(self._pc.localDescription.sdp, bitrates.start)
        public_ip = self._around.public_ip
        return sdp if public_ip is None else with_public_address(sdp, public_ip)

    async def add_candidates(self, fragment: str) -> None:
        """Add trickled candidates (RFC 8840 section 9); raises UnusableCandidates before any is added."""
        mids = {transceiver.mid for transceiver in self._pc.getTransceivers()}
        if self._pc.sctp is not None:
            mids.add(self._pc.sctp.mid)
        candidates, is_end = self._candidates.from_fragment(fragment, mids)
        for candidate in candidates:
            await self._pc.addIceCandidate(candidate)
        if is_end:
            await self._pc.addIceCandidate(None)

    # Run

    async def _run(self) -> None:
        """The session's life: connecting, with a limit, then until something ends it."""
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                await self._settled
        except TimeoutError:
            self.end("never connected")
        else:
            self.end(await self._end)

    def end(self, reason: str) -> None:
        """Begin to close for this reason; only the first one counts."""
        if self._closing is None:
            logger.info(
                "session %s ended: %s (%d frames in, %d out)",
                self.name,
                reason,
                self.frames_in,
                self.frames_out,
            )
            self._around.metrics.sessions_ended.labels(reason.replace(" ", "_")).inc()
            self._closing = asyncio.get_running_loop().create_task(self._close())

    async def close(self, reason: str) -> None:
        """End for this reason and return when everything is freed; safe to call twice."""
        self.end(reason)
        assert self._closing is not None
        await asyncio.shield(self._closing)

    async def change(self, change: Change) -> int | None:
        """Take another filter, parameters or outage policy; raises what Workers.check_choice raises.

        Returns when no frame of the old choice can leave any more, with what `ReturnedTrack.settled` returns.
        """
        filters = self.choice.filters if change.filter is None else tuple(change.filter)
        params: dict[str, Any] = change.params or {}
        is_other = change.filter is not None or change.params is not None
        if is_other:
            self._around.workers.check_choice(filters, params)
        if change.outage is not None:
            self._wished_outage = change.outage
        if not is_other:
            self._obey_outage()
            return None
        self._choose(Choice.of(filters, params, self.choice.generation + 1))
        self._connect_lane()
        return await self._returned.settled()

    def _choose(self, choice: Choice) -> None:
        self.choice = choice
        self._served_s = float("-inf")
        self._obey_outage()
        self._returned.begin_generation(choice.generation, is_private=self.is_private)

    def _obey_outage(self) -> None:
        self._returned.set_outage(Outage.CLOSED if self.is_private else self._wished_outage)

    def _go_back(self) -> bool:
        """Leave a choice whose parameters a worker has refused; returns whether there is another one.

        The last that gave a frame, unless that showed what the present filters hide: then, as where there is
        none, these filters with their defaults.
        """
        workers, now = self._around.workers, self.choice
        last = self._good
        if last is None or (self.is_private and not workers.is_private(last.filters)):
            last = Choice.of(now.filters, {}, 0)
        if (last.filters, last.params_id) == (now.filters, now.params_id):
            return False
        self._choose(replace(last, generation=now.generation + 1))
        self._connect_lane()
        return True

    def _on_workers(self) -> None:
        # What is private may have become known.
        self._obey_outage()
        self._connect_lane()

    def _connect_lane(self) -> None:
        workers = self._around.workers
        filters = self.choice.filters
        self._lane.set_workers(
            workers.live(filters), filters=filters, keeps_state=workers.keeps_state(filters)
        )

    # What comes from aiortc, the camera and the workers

    def _on_track(self, track: RemoteStreamTrack) -> None:
        if track.kind == "video" and self._camera is None:
            self._camera = Camera(track, self._on_camera_frame)
            self._start(self._watch_camera(self._camera))

    async def _watch_camera(self, camera: Camera) -> None:
        await camera.run()
        self._finish("camera ended")

    async def _watch_silence(self) -> None:
        await Silence(self._pc).lasts(SILENCE_LIMIT_S)
        self._finish("page fell silent")

    def _on_camera_frame(self, frame: CameraFrame) -> None:
        self.frames_in += 1
        self.latency.note_decoded(frame.pts)
        metrics = self._around.metrics
        metrics.frames_received.inc()
        self._returned.offer_raw(frame)
        if self._lane.send(frame, self.choice) is None:
            metrics.frames_without_worker.inc()
        else:
            metrics.frames_sent.inc()

    def _on_result(self, result: Result) -> None:
        header = result.header
        self._lane.note_result(header)
        if header.kind is ResultKind.FRAME:
            if self._returned.offer_result(result):
                self._good, self._served_s = self.choice, time.monotonic()
                latency_s = time.monotonic() - header.captured_ns / 1e9
                self._around.metrics.latency.observe(latency_s)
                self.latency.add(header, latency_s)
        elif header.kind is ResultKind.ERROR:
            self._around.metrics.results_failed.labels(header.code[:32]).inc()
            if header.code != BAD_PARAMS:
                self._control.tell_error(header.code, header.text)
            elif header.generation == self.choice.generation:
                self._control.tell_refused(header.code, header.text, header.field, is_left=self._go_back())
        elif header.kind is ResultKind.PROGRESS and time.monotonic() - self._served_s > SERVED_S:
            self._control.tell_progress(header.text, header.fraction)

    def _on_connection_state(self) -> None:
        state = self._pc.connectionState
        if state == "connected" and self.connected_s is None:
            self.connected_s = time.monotonic()
            _resolve(self._settled, None)
            self._around.metrics.sessions_connected.inc()
            self._start(self._watch_silence())
            logger.info("session %s connected", self.name)
        elif state in ("failed", "closed"):
            self._finish(f"connection {state}")

    def _finish(self, reason: str) -> None:
        _resolve(self._end, reason)
        _resolve(self._settled, None)

    # Close

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("session %s: %r", self.name, error, exc_info=error)
            self.end("internal error")

    async def _close(self) -> None:
        around = self._around
        around.workers.remove_listener(self._on_workers)
        around.listener.unsubscribe(self.id)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=CLOSE_LIMIT_S)
        self._returned.stop()
        self._lane.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await self._pc.close()
        self._pc.remove_all_listeners()
        if self.connected_s is not None:
            around.metrics.sessions_connected.dec()
        self._on_end(self)


def _resolve(future: asyncio.Future[Value], value: Value) -> None:
    if not future.done():
        future.set_result(value)
