"""A worker: an engine behind sockets. Open, run, drain.

The receiver's thread puts frames into the engine's mailbox, the publisher's sends its results and the status.
"""

from __future__ import annotations

import logging
import platform
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, version
from pathlib import Path

import torch

from inference_service.config import Settings
from inference_service.device.choice import Device
from inference_service.device.kernels import twin
from inference_service.engine.answers import Result
from inference_service.engine.engine import Engine, Explain, Limits, Outputs
from inference_service.errors import HttpPortNotTaken
from inference_service.link.http_server import HttpServer
from inference_service.link.publisher import Publisher
from inference_service.link.receiver import Receiver
from inference_service.link.spans import Spans
from inference_service.metrics import Metrics
from shared import binding, endpoints
from shared.traces import Traces, open_traces
from shared.wire import (
    DATA_VERSION,
    PROTOCOL_VERSION,
    TRACES_VERSION,
    FrameHeader,
    LoopState,
    StatusHeader,
)

logger = logging.getLogger(__name__)


class Worker:
    """Composes the parts; `open`, then `drain`, which returns when the last result is out."""

    def __init__(
        self,
        settings: Settings,
        device: Device,
        points: Mapping[str, EntryPoint],
        on_failure: Callable[[], None],
        on_hang: Callable[[], None],
        explain: Explain | None = None,
        traces: Traces | None = None,
    ) -> None:
        """`on_failure` and `on_hang` are called in threads of the engine; see `engine.Outputs`.

        `explain` is that of `Engine`. Without `traces` the settings choose. Raises TracesUnusable.
        """
        self.id = secrets.token_hex(8)
        self.frames_endpoint = ""
        self._settings = settings
        self._device = device
        self._on_failure = on_failure
        if traces is None and settings.traces:
            traces = open_traces("inference", self.id)
        self._traces = traces
        if settings.no_kernels:
            twin.switch_off()
        self._versions = _versions(makes_spans=traces is not None)
        self._engine = Engine(
            self.id,
            device.torch,
            points,
            settings.filter_settings,
            settings.weights_dir,
            Limits(
                settings.max_batch,
                settings.max_wait_ms,
                settings.hang_s,
                settings.filter_memory_mb,
                settings.load_hang_s,
            ),
            Outputs(
                self._publish,
                self._announce,
                self._leave,
                on_hang,
                traced=None if traces is None else Spans(traces).add,
            ),
            explain,
        )
        self._publisher = Publisher(
            [endpoints.parse(text) for text in settings.signaling], self._status, self.metrics, settings.keys
        )
        self._receiver = Receiver(self._engine.mailbox, self.metrics, self._on_frame, settings.keys)
        self._http = (
            None
            if settings.http_port is None
            else HttpServer(
                settings.http_host, settings.http_port, self._status, lambda: self._engine.is_running
            )
        )
        self.http_port = settings.http_port

    @property
    def metrics(self) -> Metrics:
        """All counters of this worker."""
        return self._engine.metrics

    def renew(self, before: Callable[[], object]) -> None:
        """Load every plug-in anew that is loaded or has failed; see `Registry.renew`."""
        self._engine.registry.renew(before)

    def open(self) -> None:
        """Bind, start all threads, and say so to the signaling services.

        Raises BindError or HttpPortNotTaken.
        """
        frames = self._settings.frames
        if frames.startswith("ipc://") and "*" in frames.rpartition("/")[2]:
            binding.sweep(Path(frames.removeprefix("ipc://")))
        bound = self._receiver.open(_with_id(frames, self.id))
        self.frames_endpoint = self._advertised(bound)
        if self._http is not None:
            try:
                self.http_port = self._http.open()
            except HttpPortNotTaken:
                self._receiver.close()
                raise
        self._engine.open(self._settings.filters)
        self._publisher.open()
        logger.info(
            "the worker is on %s, frames at %s, filters %s",
            self._device.label,
            self.frames_endpoint,
            ",".join(self._settings.filters) or "none",
        )

    def drain(self) -> None:
        """Say so, finish the present batch, publish its results, end."""
        logger.info("the worker drains")
        self._engine.stop()
        self._publisher.announce()
        self._engine.drain()
        self._publisher.close()
        self._receiver.close()
        if self._traces is not None:
            self._traces.close()
        if self._http is not None:
            self._http.close()
        logger.info("the worker has drained: %s", self.metrics.line() or "no frame came")

    def _publish(self, made: Sequence[Result]) -> None:
        self._publisher.publish(made)

    def _announce(self) -> None:
        self._publisher.announce()

    def _leave(self) -> None:
        # At once, so that no more frames come while the owner gets round to draining.
        self._engine.stop()
        self._publisher.announce()
        self._on_failure()

    def _on_frame(self, header: FrameHeader) -> None:
        self._engine.saw(header)
        self._publisher.saw(header)

    def _status(self) -> StatusHeader:
        now_ns = time.monotonic_ns()
        registry = self._engine.registry
        reading = self._engine.gauge.read(now_ns)
        state, since_ns = LoopState.IDLE, reading.since_ns
        if reading.in_batch:
            state = LoopState.BATCH
        elif (loading_since_ns := registry.loading_since_ns) is not None:
            state, since_ns = LoopState.LOADING, loading_since_ns
        return StatusHeader(
            worker=self.id,
            frames_endpoint=self.frames_endpoint,
            device=self._device.label[:128],
            filters=registry.statuses(),
            busy=reading.busy,
            batch_size=reading.batch_size,
            loop_state=state,
            loop_state_ms=max(0.0, (now_ns - since_ns) / 1e6),
            loop_usual_ms=reading.usual_ms,
            draining=self._engine.is_draining,
            versions=self._versions,
            totals=self.metrics.totals(),
        )

    def _advertised(self, bound: str) -> str:
        wish = _with_id(self._settings.frames_advertise or self._settings.frames, self.id)
        # Not `bound` as it is: libzmq writes an IPv4 address as [::ffff:127.0.0.1].
        return wish[:-1] + bound.rpartition(":")[2] if wish.endswith(":*") else wish


def _with_id(endpoint: str, worker_id: str) -> str:
    return endpoint.replace("*", worker_id) if endpoint.startswith("ipc://") else endpoint


def _versions(*, makes_spans: bool) -> dict[str, str]:
    try:
        own = version("p2pcamera")
    except PackageNotFoundError:
        own = "not installed"
    return {
        "p2pcamera": own,
        "protocol": str(PROTOCOL_VERSION),
        # Frames may ask it for data, by a field that older workers refuse.
        DATA_VERSION: "1",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        **({TRACES_VERSION: "1"} if makes_spans else {}),
    }
