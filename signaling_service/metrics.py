"""All instruments of the signaling service, with their units."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY_BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)


class Metrics:
    """One set of instruments for one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
        self.filter_memory = Gauge(
            "p2pcamera_filter_memory_bytes",
            "What a loaded filter holds on its worker's device",
            ["worker", "filter"],
            registry=self.registry,
        )
        self.offers = Counter("p2pcamera_offers", "Offers by outcome", ["outcome"], registry=self.registry)
        self.sessions_ended = Counter(
            "p2pcamera_sessions_ended", "Sessions that ended, by reason", ["reason"], registry=self.registry
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


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0  # Nobody asks from outside the loop but tests.
