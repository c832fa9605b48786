"""One batch: colour -> the filters of its chain -> colour -> results.

A batch that fails is done again one by one, so that a frame or a session that breaks a filter hurts itself
alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence

import torch

from inference_service.batcher import Ready
from inference_service.colour import Colour
from inference_service.device import Staging, Stopwatch, current
from inference_service.errors import FilterFailed
from inference_service.filters.base import Filter, Item
from inference_service.metrics import Metrics
from inference_service.pictures import Pictures
from inference_service.results import Result, error, picture
from inference_service.states import States

logger = logging.getLogger(__name__)

WARM_SIZE = (640, 480)
LOG_FAILURES_EVERY_S = 10.0


class Pipeline:
    """Filters batches on one device. `run` belongs to the loop's thread."""

    def __init__(self, device: torch.device, worker: str, metrics: Metrics) -> None:
        self._device = device
        self._worker = worker
        self._metrics = metrics
        self._states = States()
        self._staging = Staging(device) if device.type == "cuda" else None
        self._failure_logged_s = float("-inf")

    def run(self, batch: Sequence[Ready]) -> list[Result]:
        """Return one result per frame, in their order; never raises for what a filter does."""
        started_ns = time.monotonic_ns()
        self._states.forget_old(started_ns)
        try:
            results = self._filter(batch, started_ns)
        except Exception as exc:
            if len(batch) > 1:
                return [result for one in batch for result in self.run([one])]
            return [self._failed(batch[0], exc)]
        self._metrics.batches += 1
        self._metrics.frames_filtered += len(batch)
        return results

    def warm(self, one: Filter) -> None:
        """Run a filter once on a grey picture, with its conversions; raises what the filter raises."""
        width, height = WARM_SIZE
        planes = memoryview(bytes([128]) * (width * height * 3 // 2))
        # A staging area of its own: the loop may be in the middle of a batch.
        staging = Staging(self._device) if self._staging is not None else None
        pictures = Pictures([planes], WARM_SIZE, Colour(), self._device, staging)
        with current(self._device), torch.inference_mode():
            _apply(one, pictures, [Item(session=bytes(16), sequence=0, params=one.Params())])
            pictures.finished()

    def _filter(self, batch: Sequence[Ready], started_ns: int) -> list[Result]:
        header = batch[0].received.header
        size = (header.width, header.height)
        planes = [ready.received.planes for ready in batch]
        pictures = Pictures(planes, size, batch[0].colour, self._device, self._staging)
        least_ms = 0.0
        with current(self._device), torch.inference_mode():
            in_filters = Stopwatch(self._device)
            for place, one in enumerate(batch[0].chain):
                items = [self._item(ready, place, one, started_ns) for ready in batch]
                in_filters.start()
                _apply(one, pictures, items)
                in_filters.stop()
                least_ms = max(least_ms, one.least_batch_ms(items))
            finished = pictures.finished()
            filter_ms = in_filters.total_ms()
        _sleep_until(started_ns + int(least_ms * 1e6))
        batch_ms = (time.monotonic_ns() - started_ns) / 1e6
        return [
            picture(
                ready.received.header,
                self._worker,
                planes,
                wait_ms=max(0.0, (started_ns - ready.received.arrived_ns) / 1e6),
                batch_ms=batch_ms,
                filter_ms=filter_ms,
            )
            for ready, planes in zip(batch, finished, strict=True)
        ]

    def _item(self, ready: Ready, place: int, one: Filter, now_ns: int) -> Item:
        header = ready.received.header
        params = ready.params.models[place]
        if not one.keeps_state:
            return Item(session=header.session, sequence=header.sequence, params=params)
        size = (header.width, header.height)
        state = self._states.get((header.session, place, one.name), size, now_ns)
        return Item(session=header.session, sequence=header.sequence, params=params, state=state)

    def _failed(self, ready: Ready, exc: Exception) -> Result:
        header = ready.received.header
        for place, one in enumerate(ready.chain):
            # The state may be what broke the filter, or half written by it.
            self._states.forget((header.session, place, one.name))
        told = (
            exc
            if isinstance(exc, FilterFailed)
            else FilterFailed(_names(ready.chain), "failed on this frame")
        )
        self._metrics.answers[told.code] += 1
        now_s = time.monotonic()
        if now_s - self._failure_logged_s >= LOG_FAILURES_EVERY_S:
            self._failure_logged_s = now_s
            logger.warning("session %s: %s", header.session.hex(), told, exc_info=exc)
        return error(header, self._worker, told)


def _apply(one: Filter, pictures: Pictures, items: Sequence[Item]) -> None:
    if not one.needs_pictures:
        _check(one, one.apply(pictures.nothing(), items), pictures.nothing())
    elif one.works_on == "i420":
        batch = pictures.i420()
        pictures.replace_i420(_check(one, one.apply(batch, items), batch))
    else:
        batch = pictures.rgb()
        pictures.replace_rgb(_check(one, one.apply(batch, items), batch))


def _check(one: Filter, result: object, batch: torch.Tensor) -> torch.Tensor:
    if not isinstance(result, torch.Tensor):
        raise FilterFailed(one.name, f"returned {type(result).__name__}, expected a tensor")
    for what, came, expected in (
        ("shape", tuple(result.shape), tuple(batch.shape)),
        ("type", result.dtype, torch.uint8),
        ("device", result.device, batch.device),
    ):
        if came != expected:
            raise FilterFailed(one.name, f"returned a batch of {what} {came}, expected {expected}")
    return result


def _names(chain: Iterable[Filter]) -> str:
    return ", ".join(one.name for one in chain)


def _sleep_until(end_ns: int) -> None:
    while (left_ns := end_ns - time.monotonic_ns()) > 0:
        time.sleep(left_ns / 1e9)
