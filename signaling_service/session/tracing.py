"""One frame in so many of a session, followed from its receipt to its return, as the spans of one trace.

    frame                 from the frame's last packet to the encoded picture
      decode
      link                from the lane to the result; the worker's own spans are below this one
      hold                until the sender takes the result
      encode

A frame that is not shown ends where its way ended, and its span says why.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.traces import Traces, context_of, end
from shared.wire import ResultHeader, ResultKind
from signaling_service.media.frame import CameraFrame
from signaling_service.workers.choice import Choice

if TYPE_CHECKING:
    from opentelemetry.trace import Span

MAX_OPEN = 8
"""Frames of one session that are on their way; an older one that nobody has answered is ended."""


@dataclass(slots=True)
class _Way:
    """How far a frame has come."""

    frame: Span
    link: Span
    worker: str = ""
    answered_ns: int | None = None


class Tracing:
    """Of one session. Event loop only."""

    def __init__(self, traces: Traces | None, every: int, session: str) -> None:
        """One frame in `every` is followed; none without `traces`."""
        self._traces = traces
        self._every = every
        self._session = session
        self._frames = 0
        self._decode_s = 0.0
        self._ways: dict[int, _Way] = {}
        """By `captured_ns`, which comes back with the result; the oldest first."""
        self._encoding: tuple[_Way, int] | None = None

    def note_stage(self, stage: str, took_s: float) -> None:
        """Note what LatencyWindow tells: that a frame was decoded just now, or encoded."""
        if self._traces is None:
            return
        if stage == "decode":
            self._decode_s = took_s
        elif stage == "encode" and self._encoding is not None:
            way, taken_ns = self._encoding
            self._encoding = None
            now_ns = time.monotonic_ns()
            self._traces.add("encode", taken_ns, now_ns, parent=way.frame)
            end(way.frame, now_ns, outcome="shown")

    def begin(self, frame: CameraFrame, choice: Choice) -> bytes:
        """Return what the frame carries to its worker; nothing where it is not followed."""
        if self._traces is None:
            return b""
        decode_s, self._decode_s = self._decode_s, 0.0
        self._frames += 1
        if self._frames % self._every:
            return b""
        arrived_ns = frame.captured_ns - int(decode_s * 1e9)
        told: dict[str, str | int] = {
            "p2pcamera.session": self._session,
            "p2pcamera.filters": ",".join(choice.filters),
            "p2pcamera.width": frame.width,
            "p2pcamera.height": frame.height,
        }
        span = self._traces.begin("frame", arrived_ns, told=told)
        if decode_s:
            self._traces.add("decode", arrived_ns, frame.captured_ns, parent=span)
        link = self._traces.begin("link", frame.captured_ns, parent=span, is_call=True)
        self._ways[frame.captured_ns] = _Way(span, link)
        if len(self._ways) > MAX_OPEN:
            self._end(next(iter(self._ways)), "not_answered")
        return context_of(link)

    def note_sent(self, frame: CameraFrame, worker: str | None) -> None:
        """Note which worker has the frame; None: none could take it."""
        if (way := self._ways.get(frame.captured_ns)) is None:
            return
        if worker is None:
            self._end(frame.captured_ns, "no_worker")
        else:
            way.worker = worker

    def note_result(self, header: ResultHeader, *, is_taken: bool) -> None:
        """Note what a worker has answered, and whether the picture will be shown if no newer one comes."""
        way = self._ways.get(header.captured_ns)
        # Another worker may have had a copy, as a probe.
        if way is None or way.worker != header.worker or way.answered_ns is not None:
            return
        way.answered_ns = time.monotonic_ns()
        end(
            way.link,
            way.answered_ns,
            worker=header.worker,
            wait_ms=header.wait_ms,
            batch_ms=header.batch_ms,
            filter_ms=header.filter_ms,
        )
        if header.kind is not ResultKind.FRAME:
            self._end(header.captured_ns, header.code or header.kind.value)
        elif not is_taken:
            self._end(header.captured_ns, "not_shown")

    def note_taken(self, header: ResultHeader) -> None:
        """Note that the sender takes this picture, and will encode it."""
        if not self._ways:
            return
        now_ns = time.monotonic_ns()
        # What was captured before it cannot be shown any more.
        for captured_ns in [one for one in self._ways if one < header.captured_ns]:
            self._end(captured_ns, "replaced")
        if (way := self._ways.pop(header.captured_ns, None)) is not None:
            assert self._traces is not None
            if way.answered_ns is None:
                end(way.link, now_ns)
            else:
                self._traces.add("hold", way.answered_ns, now_ns, parent=way.frame)
            self._leave("not_encoded")
            self._encoding = way, now_ns

    def close(self) -> None:
        """End what is still on its way."""
        for captured_ns in list(self._ways):
            self._end(captured_ns, "session_ended")
        self._leave("session_ended")

    def _end(self, captured_ns: int, outcome: str) -> None:
        if (way := self._ways.pop(captured_ns, None)) is not None:
            now_ns = time.monotonic_ns()
            if way.answered_ns is None:
                end(way.link, now_ns)
            end(way.frame, now_ns, outcome=outcome)

    def _leave(self, outcome: str) -> None:
        if self._encoding is not None:
            end(self._encoding[0].frame, time.monotonic_ns(), outcome=outcome)
            self._encoding = None
