"""Frames in, results out: everything of a worker but its sockets.

Threads: the loop takes frames and begins batches, the finisher waits for them and hands their results on, the
loader loads filters, the watchdog looks on. They share the mailbox, the flight, the gauge and the registry.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import torch

from inference_service.device import context
from inference_service.device.memory import of_device
from inference_service.engine import answers
from inference_service.engine.admission import Admission
from inference_service.engine.answers import Result
from inference_service.engine.batcher import Batcher, Ready
from inference_service.engine.flight import Flight
from inference_service.engine.gauge import LoopGauge
from inference_service.engine.health import Health
from inference_service.engine.mailbox import Mailbox, Received
from inference_service.engine.params import KeptParams
from inference_service.engine.pipeline import Pipeline
from inference_service.engine.under_way import Running
from inference_service.engine.watchdog import Watchdog
from inference_service.errors import FrameLate
from inference_service.filters.registry import Registry
from inference_service.filters.room import IDLE_S, Space
from inference_service.metrics import Metrics
from shared.wire import FrameHeader

logger = logging.getLogger(__name__)

COMPUTING = ("to_rgb", "filter", "to_i420")
"""The stages during which a batch has the device for itself."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator bounds."""

    max_batch: int
    max_wait_ms: float
    hang_s: float
    filter_memory_mb: int | None = None
    """Of all loaded filters together, in MiB; None: what the device has."""
    load_hang_s: float = 600


Explain = Callable[[BaseException], str]
"""Words for an exception of a filter, in a line, for pages too: for its author, who develops it."""


Traced = Callable[[Received, int, int, Mapping[str, float]], None]
"""Takes a frame, when its batch began and ended (monotonic ns), and the ms of the batch's stages."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Whom the engine tells; each is called in one of its threads and must be quick."""

    results: Callable[[Sequence[Result]], None]
    changed: Callable[[], None]
    """A filter's state has changed."""
    failed: Callable[[], None]
    """The loop has failed, or filters have failed too often: this process should be replaced."""
    hung: Callable[[], None]
    """A batch does not end: this process cannot even end itself in good order."""
    begun: Callable[[Sequence[bytes]], None] = lambda sessions: None
    """A batch with a frame of each of these has begun: for benchmarks."""
    finished: Callable[[int, Mapping[str, float]], None] = lambda frames, stages_ms: None
    """A batch of so many frames is finished, with its stages' ms: for benchmarks."""
    traced: Traced | None = None
    """Told of each frame with the context of a trace, when its result has been handed on."""


class Engine:
    """`open`, then `mailbox.put` for each frame, then `drain`."""

    def __init__(
        self,
        worker: str,
        device: torch.device,
        points: Mapping[str, EntryPoint],
        filter_settings: Mapping[str, Mapping[str, Any]],
        weights_dir: Path,
        limits: Limits,
        outputs: Outputs,
        explain: Explain | None = None,
    ) -> None:
        """With `explain` pages hear of exceptions in its words, and no number of failures ends the engine.

        Without it they hear that a filter failed, and the log has the rest.
        """
        self.metrics = Metrics()
        self.mailbox = Mailbox(self.metrics)
        self.gauge = LoopGauge(time.monotonic_ns())
        self._worker = worker
        self._device = device
        self._limits = limits
        self._outputs = outputs
        self._is_draining = False
        self._kept = KeptParams()
        self._health = Health(self._give_up if explain is None else lambda: None)
        self._pipeline = Pipeline(
            device,
            worker,
            self.metrics,
            self._health,
            self._make_room,
            explain,
            lambda one: self.registry.spoiled(one),
        )
        self.registry = Registry(
            points,
            device,
            filter_settings,
            weights_dir,
            self._pipeline.warm,
            outputs.changed,
            _space(device, limits),
            self._pipeline.forget_filter,
            lambda kind: self.metrics.fallbacks.update([kind]),
            self._health.broke,
            explain,
        )
        self._admission = Admission(self.registry, self._kept, worker, self.metrics)
        self._batcher = Batcher(limits.max_batch, limits.max_wait_ms, self.metrics)
        self._flight = Flight(time.monotonic)
        self._watchdog = Watchdog(
            self.gauge, limits.hang_s, outputs.hung, lambda: self.registry.relieve(limits.load_hang_s)
        )
        # Never more than `flight.MOST` batches, and the end; one more is being packed.
        self._begun: queue.SimpleQueue[tuple[list[Ready], Running, float] | None] = queue.SimpleQueue()
        self._loop = threading.Thread(target=self._run, name="loop", daemon=True)
        self._finisher = threading.Thread(target=self._finish, name="finisher", daemon=True)

    @property
    def is_draining(self) -> bool:
        """No new batch begins."""
        return self._is_draining

    @property
    def is_running(self) -> bool:
        """Its threads take frames, and hand results on."""
        return self._loop.is_alive() and self._finisher.is_alive()

    def open(self, filters: Sequence[str]) -> None:
        """Start all threads; `filters` are loaded in theirs."""
        self.registry.open(filters)
        self._loop.start()
        self._finisher.start()
        self._watchdog.open()

    def saw(self, header: FrameHeader) -> None:
        """Remember what a frame brings, also of one that a newer one is about to replace; any thread.

        Raises WireError.
        """
        self._kept.keep(header)

    def stop(self) -> None:
        """Begin no batch after the present one."""
        self._is_draining = True
        self.mailbox.close()

    def drain(self) -> None:
        """Stop, and return when the results of the last batch were handed on."""
        self.stop()
        self._loop.join()
        self._finisher.join()
        self._watchdog.close()
        self.registry.close()

    def _run(self) -> None:
        try:
            context.enter(self._device)
            while not self._is_draining:
                self._turn()
        except BaseException:  # A filter may even call sys.exit.
            logger.exception("the inference loop has failed")
            self._outputs.failed()
        finally:
            self._begun.put(None)

    def _turn(self) -> None:
        if self._batcher.is_empty:
            self.mailbox.wait()
        # Frames are taken last, so that they are the newest there are.
        self._flight.wait()
        for received in self.mailbox.take():
            admitted = self._admission.admit(received)
            if isinstance(admitted, Ready):
                is_suspect = self._pipeline.is_suspect(received.header.session)
                self._batcher.add(replace(admitted, is_suspect=True) if is_suspect else admitted)
                continue
            self._batcher.discard(received.header.session)
            if isinstance(admitted, Result):
                self._outputs.results([admitted])
        if self._is_draining:
            return
        for ready in self._batcher.late(time.monotonic_ns()):
            self._answer_late(ready)
        if batch := self._batcher.next(self._pipeline.most_frames):
            self.gauge.begin(time.monotonic_ns())
            self._outputs.begun([ready.received.header.session for ready in batch])
            self.registry.begin(batch[0].chain)
            began_s = time.monotonic()
            running = self._pipeline.start(batch)
            self._flight.take_off(len(batch), began_s)
            self._begun.put((batch, running, began_s))

    def _answer_late(self, ready: Ready) -> None:
        late = FrameLate(self._limits.max_wait_ms)
        self.metrics.count_answer(late.code)
        self._outputs.results([answers.error(ready.received.header, self._worker, late)])

    def _finish(self) -> None:
        context.enter(self._device)
        while (begun := self._begun.get()) is not None:
            batch, running, began_s = begun
            try:
                ended_ns = self._finish_one(len(batch), running)
                self._tell_traced(batch, int(began_s * 1e9), ended_ns, running.stages_ms)
            except Exception:
                # And on to the next, since the loop waits for each of its batches to end.
                logger.exception("finishing a batch has failed")
                self._outputs.failed()
            finally:
                self.registry.end(batch[0].chain)
                # Lest the last batch keeps what its filters hold until there is another one.
                del begun, batch, running

    def _finish_one(self, frames: int, running: Running) -> int:
        """Hand the results of a batch on; returns when it ended, on the monotonic clock in ns."""
        running.arrive()
        is_gpu = self._device.type == "cuda"
        if is_gpu:
            # Before the results are packed, since the device is free from here on.
            self._land(running)
        try:
            made = running.finish()
        finally:
            ended_ns = time.monotonic_ns()
            self.gauge.end(frames, ended_ns)
            if not is_gpu:
                # The loop's thread may have begun the next one, but not the one after it.
                self._flight.land(0.0, time.monotonic())
        self._outputs.results(made)
        for stage, took_ms in running.stages_ms.items():
            self.metrics.note_stage(stage, took_ms / 1e3)
        self._outputs.finished(frames, running.stages_ms)
        return ended_ns

    def _tell_traced(
        self, batch: Sequence[Ready], began_ns: int, ended_ns: int, stages_ms: Mapping[str, float]
    ) -> None:
        if (traced := self._outputs.traced) is not None:
            for ready in batch:
                if ready.received.header.trace:
                    traced(ready.received, began_ns, ended_ns, stages_ms)

    def _land(self, running: Running) -> None:
        computing_ms = sum(running.stages_ms.get(stage, 0.0) for stage in COMPUTING)
        self._flight.land(computing_ms / 1e3, time.monotonic())

    def _make_room(self) -> None:
        self.registry.make_room()

    def _give_up(self) -> None:
        logger.critical("this worker leaves: filters have failed too often in a row, or its GPU is broken")
        self._outputs.failed()


def _space(device: torch.device, limits: Limits) -> Space:
    limit_mb = limits.filter_memory_mb
    # Twice what a frame may wait, since one that has waited for longer is dropped.
    idle_s = max(IDLE_S, 2 * limits.max_wait_ms / 1e3)
    return Space(of_device(device), None if limit_mb is None else limit_mb << 20, idle_s)
