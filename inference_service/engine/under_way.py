"""A batch that has begun: the loop hands it to the finisher, which waits for its results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from inference_service.device.crossing import Arrived, Crossing
from inference_service.device.pictures import Pictures
from inference_service.engine.answers import Result, picture
from inference_service.engine.applying import FILTER
from inference_service.engine.batcher import Ready
from inference_service.engine.failures import Failures, names
from inference_service.engine.health import Health
from inference_service.engine.telling import Telling
from inference_service.errors import BadResult, FilterFailed, SessionError
from inference_service.filters.base import Filter
from inference_service.metrics import Metrics

OnSpoiled = Callable[[Filter], bool]
"""Hears of a filter that left values that are no numbers; tells whether that is being remedied."""


class Running(Protocol):
    """A batch that has begun."""

    def arrive(self) -> None:
        """Wait until the device is done with it; never raises."""

    def finish(self) -> list[Result]:
        """Return one result per frame, in their order, once it has arrived; never raises."""

    @property
    def stages_ms(self) -> dict[str, float]:
        """How long each stage took, once it has arrived; empty where nothing was computed."""


class Finished:
    """A batch that was over before anybody waited for it."""

    def __init__(self, results: list[Result]) -> None:
        self._results = results
        self.stages_ms: dict[str, float] = {}

    def arrive(self) -> None:
        pass

    def finish(self) -> list[Result]:
        return self._results


class Begun:
    """A batch on the device, or on its way to or from it."""

    def __init__(
        self,
        batch: Sequence[Ready],
        pictures: Pictures,
        crossing: Crossing,
        started_ns: int,
        worker: str,
        metrics: Metrics,
        health: Health,
        failures: Failures,
        telling: Telling,
        on_spoiled: OnSpoiled,
    ) -> None:
        """`started_ns` is the monotonic clock at which the batch began.

        `on_spoiled` is called for each spoiled picture.
        """
        self.stages_ms: dict[str, float] = {}
        self._batch = batch
        self._pictures = pictures
        self._crossing = crossing
        self._started_ns = started_ns
        self._worker = worker
        self._metrics = metrics
        self._health = health
        self._failures = failures
        self._telling = telling
        self._on_spoiled = on_spoiled
        self._arrived: Arrived | None = None
        self._error: Exception | None = None

    def arrive(self) -> None:
        try:
            if self._pictures.came is None:
                self._arrived = self._crossing.arrive()
            self.stages_ms = self._crossing.stages.totals_ms()
        except Exception as exc:
            # A GPU reports only now what went wrong on it, and then often keeps reporting it.
            self._error = exc

    def finish(self) -> list[Result]:
        try:
            if self._error is not None:
                raise self._error
            results = self._packed()
            self._crossing.close()
        except Exception as exc:
            return [self._failures.answer(ready, exc) for ready in self._batch]
        return results

    def _packed(self) -> list[Result]:
        if (came := self._pictures.came) is not None:
            finished, spoiled = came, [0] * len(came)
        else:
            assert self._arrived is not None
            finished = [memoryview(one).cast("B") for one in self._arrived.planes_i420]
            spoiled = self._arrived.spoiled.tolist()
        batch_ms = (time.monotonic_ns() - self._started_ns) / 1e6
        self._metrics.batches += 1
        self._metrics.note_stage("batch", batch_ms / 1e3)
        results = []
        for place, (ready, planes, number) in enumerate(zip(self._batch, finished, spoiled, strict=True)):
            if number:
                results.append(self._failures.answer(ready, self._spoiled_by(ready.chain[number - 1], ready)))
                continue
            self._metrics.frames_filtered += 1
            self._health.succeeded()
            header = ready.received.header
            wait_ms = max(0.0, (self._started_ns - ready.received.arrived_ns) / 1e6)
            self._metrics.note_stage("wait", wait_ms / 1e3)
            results.append(
                picture(
                    header,
                    self._worker,
                    planes,
                    data=self._telling.packed(place) if header.wants_data else b"",
                    wait_ms=wait_ms,
                    batch_ms=batch_ms,
                    filter_ms=self.stages_ms.get(FILTER, 0.0),
                )
            )
        return results

    def _spoiled_by(self, one: Filter, ready: Ready) -> SessionError:
        if self._on_spoiled(one):
            # In the worker's own words, so that it counts for nothing: the next instance may do better.
            return FilterFailed(one.name, "is made ready anew, since its numbers were not finite")
        return BadResult(names(ready.chain), "made values that are no numbers of this frame")
