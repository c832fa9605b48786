"""All instruments of the signaling service, with their units."""

from __future__ import annotations

import asyncio
import platform
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.wire import BOUNDS_S, PROTOCOL_VERSION

_LATENCY_BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)


STAGES = ("decode", "transport", "wait", "batch", "filter", "encode")
"""Of a frame's way through this service and its worker; `filter` is a part of `batch`."""
OUTCOMES = ("answered", "full", "no_worker", "cannot_run", "no_media_process", "ports_taken", "internal")
"""Counted from 0 on: Prometheus sees no increase where a count appears as 1, and misses a first refusal."""
MAX_CODES = 32
OTHER = "other"
"""In place of what a worker says once it has said so many different codes."""


class Metrics:
    """One set of instruments for one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._codes: set[str] = set()
        self.sessions = Gauge("p2pcamera_sessions", "Open sessions", registry=self.registry)
        self.sessions_connected = Gauge(
            "p2pcamera_sessions_connected", "Sessions whose connection is up", registry=self.registry
        )
        self.cores_busy = Gauge(
            "p2pcamera_cores_busy", "Cores that this process has in use", registry=self.registry
        )
        self.loop_late = Gauge(
            "p2pcamera_event_loop_late_seconds",
            "A tenth of the event loop's wake-ups were later than this",
            registry=self.registry,
        )
        self.tasks = Gauge("p2pcamera_tasks", "Tasks of this process's event loop", registry=self.registry)
        self.tasks.set_function(_tasks)
        self.room = Gauge(
            "p2pcamera_room", "Sessions that would be taken beside those open", registry=self.registry
        )
        self.streams = Gauge("p2pcamera_streams", "Published pictures", registry=self.registry)
        self.viewers = Gauge("p2pcamera_viewers", "Viewers of published pictures", registry=self.registry)
        self.workers = Gauge("p2pcamera_workers", "Live workers", registry=self.registry)
        self.offers = Counter("p2pcamera_offers", "Offers by outcome", ["outcome"], registry=self.registry)
        for outcome in OUTCOMES:
            self.offers.labels(outcome)
        self.sessions_ended = Counter(
            "p2pcamera_sessions_ended", "Sessions that ended, by reason", ["reason"], registry=self.registry
        )
        self.reconnects = Counter(
            "p2pcamera_reconnects", "Offers that took up a lost call again", registry=self.registry
        )
        self.frames_received = Counter(
            "p2pcamera_frames_received", "Camera frames decoded", registry=self.registry
        )
        self.frames_sent = Counter(
            "p2pcamera_frames_sent", "Camera frames given to a worker", registry=self.registry
        )
        self.frames_without_worker = Counter(
            "p2pcamera_frames_without_worker",
            "Camera frames that no worker could take",
            registry=self.registry,
        )
        self.frames_returned = Counter(
            "p2pcamera_frames_returned",
            "Frames given to the encoder, by what they show",
            ["shows"],
            registry=self.registry,
        )
        self.results_dropped = Counter(
            "p2pcamera_results_dropped", "Results not shown, by reason", ["reason"], registry=self.registry
        )
        self.results_failed = Counter(
            "p2pcamera_results_failed",
            "Errors that workers answered, by code",
            ["code"],
            registry=self.registry,
        )
        self.wire_errors = Counter(
            "p2pcamera_wire_errors",
            "Messages from workers that were dropped, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.latency = Histogram(
            "p2pcamera_result_latency_seconds",
            "From decoder to result, on this service's clock",
            buckets=_LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.stage = Histogram(
            "p2pcamera_stage_seconds",
            "How long a frame takes in each stage of its way",
            ["stage"],
            buckets=BOUNDS_S,
            registry=self.registry,
        )
        self._stages = {stage: self.stage.labels(stage) for stage in STAGES}
        self.media_bytes = Counter(
            "p2pcamera_media_bytes",
            "Bytes of media packets from pages (in) and to them (out)",
            ["way"],
            registry=self.registry,
        )
        self.media_packets = Counter(
            "p2pcamera_media_packets", "Media packets from and to pages", ["way"], registry=self.registry
        )
        self.media_packets_lost = Counter(
            "p2pcamera_media_packets_lost",
            "Media packets that did not arrive, repeated ones too",
            ["way"],
            registry=self.registry,
        )
        self.round_trip = Histogram(
            "p2pcamera_round_trip_seconds",
            "To the page and back, of each call every two seconds",
            buckets=_LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.encoders = Gauge(
            "p2pcamera_encoders", "Sessions by the encoder they use", ["encoder"], registry=self.registry
        )
        build = Gauge("p2pcamera_build_info", "1; versions are labels", _VERSIONS, registry=self.registry)
        build.labels(**_versions()).set(1)

    def note_stage(self, stage: str, took_s: float) -> None:
        """Count how long one of STAGES took for one frame."""
        self._stages[stage].observe(took_s)

    def note_failed(self, code: str) -> None:
        """Count an error that a worker answered; the code is its own word."""
        if code not in self._codes:
            if len(self._codes) >= MAX_CODES:
                code = OTHER
            self._codes.add(code)
        self.results_failed.labels(code).inc()


_VERSIONS = ("p2pcamera", "protocol", "python", "aiortc", "av")


def _versions() -> dict[str, str]:
    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    own = {"protocol": str(PROTOCOL_VERSION), "python": platform.python_version()}
    return own | {package: installed(package) for package in ("p2pcamera", "aiortc", "av")}


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0  # Nobody asks from outside the loop but tests.
