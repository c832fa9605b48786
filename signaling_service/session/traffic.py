"""What passes between one session and the workers: frames to them, results and errors back."""

from __future__ import annotations

import time

from shared.errors import WireError
from shared.wire import ResultHeader, ResultKind
from signaling_service.media.frame import CameraFrame
from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.session.control import Control
from signaling_service.session.statistics import Statistics
from signaling_service.session.surroundings import Surroundings
from signaling_service.session.tracing import Tracing
from signaling_service.session.wish import Wish
from signaling_service.streams.publication import Publication
from signaling_service.workers.lane import Lane
from signaling_service.workers.results import Result

FILTER_FAILED = "filter_failed"
"""A worker's code for a filter that could not be loaded."""
BAD_PARAMS = "bad_params"
"""A worker's code for parameters that the filter's own model refuses."""


class Traffic:
    """Sends a session's frames, and hands what workers answer to the track, the page and the metrics."""

    def __init__(
        self,
        around: Surroundings,
        lane: Lane,
        wish: Wish,
        returned: ReturnedTrack,
        statistics: Statistics,
        tracing: Tracing,
        control: Control,
        publication: Publication,
    ) -> None:
        self._workers = around.workers
        self._metrics = around.metrics
        self._lane = lane
        self._wish = wish
        self._returned = returned
        self._statistics = statistics
        self._tracing = tracing
        self._control = control
        self._publication = publication

    def follow_workers(self) -> None:
        """Note that the table of workers has changed."""
        self._wish.follow_workers()
        # A worker whose filter fails to load gets no frame any more that it could answer so.
        if trouble := self._wish.trouble:
            self._control.tell_error(FILTER_FAILED, f"filter {trouble['filter']!r} {trouble['text']}")

    def on_camera_frame(self, frame: CameraFrame) -> None:
        """Send a decoded frame to a worker, if one serves what the session wants."""
        self._statistics.frames_in += 1
        self._statistics.latency.note_decoded(frame.pts)
        self._metrics.frames_received.inc()
        self._returned.offer_raw(frame)
        choice = self._wish.choice
        worker = self._lane.send(frame, choice, self._tracing.begin(frame, choice))
        self._tracing.note_sent(frame, worker)
        if worker is None:
            self._metrics.frames_without_worker.inc()
        else:
            self._metrics.frames_sent.inc()

    def on_result(self, result: Result) -> None:
        """Take what a worker answers; what the lane did not ask for is dropped."""
        header = result.header
        if not self._lane.note_result(header):
            self._metrics.results_dropped.labels("not_asked").inc()
            return
        self._workers.note_answer(header.worker)
        is_taken = header.kind is ResultKind.FRAME and self._returned.offer_result(result)
        self._tracing.note_result(header, is_taken=is_taken)
        if is_taken:
            self._note_shown(header)
        elif header.kind is ResultKind.ERROR:
            self._pass_on_error(header)
        elif header.kind is ResultKind.PROGRESS and not self._wish.is_served:
            # A worker that is only being probed says nothing of interest to the page.
            self._control.tell_progress(self._wish.loading, header.text, header.fraction)

    def _note_shown(self, header: ResultHeader) -> None:
        self._wish.note_shown()
        latency_s = time.monotonic() - header.captured_ns / 1e9
        self._metrics.latency.observe(latency_s)
        self._statistics.latency.add(header, latency_s)
        self._publication.note_latency(latency_s)
        try:
            self._statistics.remarks.note(header.data)
        except WireError as exc:
            self._metrics.wire_errors.labels(exc.reason).inc()

    def _pass_on_error(self, header: ResultHeader) -> None:
        self._metrics.note_failed(header.code[:32])
        if header.code != BAD_PARAMS:
            self._control.tell_error(header.code, header.text)
        elif header.generation == self._wish.choice.generation:
            is_left = self._wish.go_back()
            self._control.tell_refused(header.code, header.text, header.field, is_left=is_left)
