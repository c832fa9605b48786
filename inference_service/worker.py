"""A worker: load, warm up, loop, drain.

Threads: the receiver drains frames, the loop filters, the publisher sends, the loader loads filters. They
share nothing but the receiver's map, the publisher's outbox and the registry's states.
"""

from __future__ import annotations

import logging
import platform
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, PackageNotFoundError, version

import torch

from inference_service.admission import Admission
from inference_service.batcher import Batcher, Ready
from inference_service.config import Settings
from inference_service.device import Device
from inference_service.filters.registry import Registry
from inference_service.gauge import LoopGauge
from inference_service.metrics import Metrics
from inference_service.params import KeptParams
from inference_service.pipeline import Pipeline
from inference_service.publisher import Publisher
from inference_service.receiver import Receiver
from inference_service.results import Result
from shared import endpoints
from shared.wire import PROTOCOL_VERSION, FrameHeader, LoopState, StatusHeader

logger = logging.getLogger(__name__)


class Worker:
    """Composes the parts; `open`, then `drain`, which returns when the last result is out."""

    def __init__(
        self,
        settings: Settings,
        device: Device,
        points: Mapping[str, EntryPoint],
        on_failure: Callable[[], None],
    ) -> None:
        """`on_failure` is called in the loop's thread where the loop ends by a fault."""
        self.id = secrets.token_hex(8)
        self.frames_endpoint = ""
        self.metrics = Metrics()
        self._settings = settings
        self._device = device
        self._on_failure = on_failure
        self._is_draining = False
        self._versions = _versions()
        self._gauge = LoopGauge(time.monotonic_ns())
        self._kept = KeptParams()
        self._pipeline = Pipeline(device.torch, self.id, self.metrics)
        self._publisher = Publisher(
            [endpoints.parse(text) for text in settings.signaling], self._status, self.metrics
        )
        self._registry = Registry(points, device.torch, self._pipeline.warm, self._publisher.announce)
        self._admission = Admission(self._registry, self._kept, self.id, self.metrics)
        self._batcher = Batcher(settings.max_batch, self.metrics)
        self._receiver = Receiver(self.metrics, self._on_frame)
        self._loop = threading.Thread(target=self._run, name="loop", daemon=True)

    def open(self) -> None:
        """Bind, start all threads, and say so to the signaling services. Raises zmq.ZMQError of the bind."""
        bound = self._receiver.open(_with_id(self._settings.frames_bind, self.id))
        self.frames_endpoint = self._advertised(bound)
        self._registry.open(self._settings.filters)
        self._loop.start()
        self._publisher.open()
        logger.info(
            "worker %s on %s, frames at %s, filters %s",
            self.id,
            self._device.label,
            self.frames_endpoint,
            ",".join(self._settings.filters) or "none",
        )

    def drain(self) -> None:
        """Say so, finish the present batch, publish its results, end."""
        logger.info("worker %s drains", self.id)
        self._is_draining = True
        self._publisher.announce()
        self._receiver.end_waiting()
        self._loop.join()
        self._registry.close()
        self._publisher.close()
        self._receiver.close()
        logger.info("worker %s has drained: %s", self.id, self.metrics.line() or "no frame came")

    def _run(self) -> None:
        try:
            while not self._is_draining:
                self._turn()
        except Exception:
            logger.exception("the inference loop has failed")
            self._on_failure()

    def _turn(self) -> None:
        for received in self._receiver.take(wait=self._batcher.is_empty):
            admitted = self._admission.admit(received)
            if isinstance(admitted, Ready):
                self._batcher.add(admitted)
                continue
            self._batcher.discard(received.header.session)
            if isinstance(admitted, Result):
                self._publisher.publish([admitted])
        if self._is_draining:
            return
        if batch := self._batcher.next(time.monotonic_ns()):
            self._gauge.begin(time.monotonic_ns())
            self._publisher.publish(self._pipeline.run(batch))
            self._gauge.end(len(batch), time.monotonic_ns())

    def _on_frame(self, header: FrameHeader) -> None:
        self._kept.keep(header)
        self._publisher.saw(header)

    def _status(self) -> StatusHeader:
        now_ns = time.monotonic_ns()
        reading = self._gauge.read(now_ns)
        state, since_ns = LoopState.IDLE, reading.since_ns
        if reading.in_batch:
            state = LoopState.BATCH
        elif (loading_since_ns := self._registry.loading_since_ns) is not None:
            state, since_ns = LoopState.LOADING, loading_since_ns
        return StatusHeader(
            worker=self.id,
            frames_endpoint=self.frames_endpoint,
            device=self._device.label[:128],
            filters=self._registry.statuses(),
            busy=reading.busy,
            batch_size=reading.batch_size,
            loop_state=state,
            loop_state_ms=max(0.0, (now_ns - since_ns) / 1e6),
            loop_usual_ms=reading.usual_ms,
            draining=self._is_draining,
            versions=self._versions,
        )

    def _advertised(self, bound: str) -> str:
        wish = _with_id(self._settings.frames_advertise or self._settings.frames_bind, self.id)
        # Not `bound` as it is: libzmq writes an IPv4 address as [::ffff:127.0.0.1].
        return wish[:-1] + bound.rpartition(":")[2] if wish.endswith(":*") else wish


def _with_id(endpoint: str, worker_id: str) -> str:
    return endpoint.replace("*", worker_id) if endpoint.startswith("ipc://") else endpoint


def _versions() -> dict[str, str]:
    try:
        own = version("p2pcamera")
    except PackageNotFoundError:
        own = "not installed"
    return {
        "p2pcamera": own,
        "protocol": str(PROTOCOL_VERSION),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }
