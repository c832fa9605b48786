"""One batch: colour -> the filters of its chain -> colour -> results.

A batch begins in the loop's thread and is finished in another one, so that on a GPU the next batch is under
way meanwhile. A batch that fails is halved and done again, until the frame that breaks the filter is alone.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import torch

from inference_service.device.colour import Colour
from inference_service.device.crossing import CpuCrossings, Crossing, Crossings, GpuCrossings
from inference_service.device.laps import Stages
from inference_service.device.memory import is_shortage
from inference_service.device.pictures import Pictures
from inference_service.engine.answers import Result, error, picture
from inference_service.engine.batcher import Ready
from inference_service.engine.health import Health
from inference_service.engine.states import States
from inference_service.errors import BadResult, FilterFailed
from inference_service.filters.base import Filter, Item
from inference_service.metrics import Metrics

logger = logging.getLogger(__name__)

WARM_SIZE = (640, 480)
LOG_FAILURES_EVERY_S = 10.0
SUSPECT_FOR_S = 5.0
"""For so long after a failure a session has batches of its own, else each batch would be halved anew."""
MAX_SUSPECTS = 1024
MOST_FOR_S = 60.0
"""After so long a batch may be larger again than what fitted: whoever took the memory may have gone."""
FILTER = "filter"
"""The stage of all filters of a chain; the others are `upload`, `to_rgb`, `to_i420`, `download`, and what
filters themselves call stages."""


class Running(Protocol):
    """A batch that has begun."""

    def finish(self) -> list[Result]:
        """Wait for it and return one result per frame, in their order; never raises."""

    @property
    def stages_ms(self) -> dict[str, float]:
        """How long each stage took, once it is finished; empty where nothing was computed."""


class Pipeline:
    """Filters batches on one device. `start` belongs to the loop's thread."""

    def __init__(
        self,
        device: torch.device,
        worker: str,
        metrics: Metrics,
        health: Health,
        on_shortage: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_shortage` is called, in the loop's thread, when a single frame does not fit into memory."""
        self.device = device
        self._on_shortage = on_shortage
        self.worker = worker
        self.metrics = metrics
        self.health = health
        self._most_frames = 0
        self._most_until_s = float("-inf")
        self._too_large_alone = 0
        self._suspects: OrderedDict[bytes, float] = OrderedDict()
        self._states = States()
        self._crossings = _crossings(device)
        self._warming: Crossings | None = None
        self._failure_logged_s = float("-inf")

    @property
    def most_frames(self) -> int | None:
        """The largest batch that has lately fitted into memory; None while none has been too large."""
        return self._most_frames if time.monotonic() < self._most_until_s else None

    def is_suspect(self, session: bytes) -> bool:
        """A filter has lately failed on this session's frames."""
        return time.monotonic() < self._suspects.get(session, 0.0)

    def start(self, batch: Sequence[Ready]) -> Running:
        """Begin a batch; never raises for what a filter does."""
        started_ns = time.monotonic_ns()
        self._states.forget_old(started_ns)
        try:
            return self._begin(batch, started_ns)
        except Exception as exc:
            is_too_large = is_shortage(exc)
            if len(batch) == 1:
                self._too_large_alone += is_too_large
                if is_too_large:
                    self._on_shortage()
                return _Finished([self.failed(batch[0], exc)])
        # Here, where the exception no longer holds what the batch has taken.
        if is_too_large:
            self._empty_cache()
        self.metrics.batches_split += 1
        too_large_alone = self._too_large_alone
        half = len(batch) // 2
        results = [result for part in (batch[:half], batch[half:]) for result in self.run(part)]
        # One frame that is too large by itself says nothing of how many others fit.
        if is_too_large and too_large_alone == self._too_large_alone:
            self._remember_most(len(batch) - half)
        return _Finished(results)

    def run(self, batch: Sequence[Ready]) -> list[Result]:
        """Begin and finish a batch at once."""
        return self.start(batch).finish()

    def forget_filter(self, name: str) -> None:
        """Let go of what a filter remembers; any thread."""
        self._states.forget_filter(name)

    def warm(self, one: Filter) -> None:
        """Run a filter once on a grey picture, with its conversions; raises what the filter raises."""
        width, height = WARM_SIZE
        planes = memoryview(bytes([128]) * (width * height * 3 // 2))
        # Streams of its own: the loop may be in the middle of a batch.
        self._warming = crossings = self._warming or _crossings(self.device)
        crossing = crossings.begin()
        item = Item(session=bytes(16), sequence=0, params=one.Params())
        with crossings.computing(), torch.inference_mode():
            pictures = Pictures([planes], WARM_SIZE, Colour(), self.device, crossing)
            spoiled = _apply(one, pictures, [item], crossing.stages)
            if pictures.came is None:
                crossing.download(pictures.i420(), spoiled)
                crossing.arrive()
        crossing.close()

    def failed(self, ready: Ready, exc: Exception) -> Result:
        """Return what the session of a frame is told of a failure, and count it; any thread."""
        header = ready.received.header
        for place, one in enumerate(ready.chain):
            # The state may be what broke the filter, or half written by it.
            self._states.forget((header.session, place, one.name))
        told = (
            exc
            if isinstance(exc, FilterFailed)
            else FilterFailed(_names(ready.chain), "failed on this frame")
        )
        now_s = time.monotonic()
        # What a filter tells a session in its own words is an answer, and no sign of a broken worker.
        if type(exc) is not FilterFailed:
            self.health.failed(now_s)
        self._suspects[header.session] = now_s + SUSPECT_FOR_S
        if len(self._suspects) > MAX_SUSPECTS:
            self._suspects.popitem(last=False)
        self.metrics.count_answer(told.code)
        if now_s - self._failure_logged_s >= LOG_FAILURES_EVERY_S:
            self._failure_logged_s = now_s
            logger.warning("session %s: %s", header.session.hex(), told, exc_info=exc)
        return error(header, self.worker, told)

    def _begin(self, batch: Sequence[Ready], started_ns: int) -> Running:
        header = batch[0].received.header
        crossing = self._crossings.begin()
        try:
            pictures = Pictures(
                [ready.received.planes for ready in batch],
                (header.width, header.height),
                batch[0].colour,
                self.device,
                crossing,
            )
            least_ms = 0.0
            spoiled: torch.Tensor | None = None
            with self._crossings.computing(), torch.inference_mode():
                for place, one in enumerate(batch[0].chain):
                    items = [self._item(ready, place, one, started_ns) for ready in batch]
                    newly = _apply(one, pictures, items, crossing.stages)
                    if newly is not None:
                        spoiled = newly if spoiled is None else spoiled | newly
                    least_ms = max(least_ms, one.least_batch_ms(items))
                if pictures.came is None:
                    crossing.download(pictures.i420(), spoiled)
        except Exception:
            crossing.close()
            raise
        _sleep_until(started_ns + int(least_ms * 1e6))
        return _Begun(self, batch, pictures, crossing, started_ns)

    def _item(self, ready: Ready, place: int, one: Filter, now_ns: int) -> Item:
        header = ready.received.header
        params = ready.params.models[place]
        if not one.keeps_state:
            return Item(session=header.session, sequence=header.sequence, params=params)
        size = (header.width, header.height)
        state = self._states.get((header.session, place, one.name), size, now_ns)
        return Item(session=header.session, sequence=header.sequence, params=params, state=state)

    def _empty_cache(self) -> None:
        if self.device.type == "cuda":
            # Refused while the loader records a graph; then the next failure tries again.
            with contextlib.suppress(RuntimeError):
                torch.cuda.empty_cache()

    def _remember_most(self, frames: int) -> None:
        if self.most_frames is None or frames < self._most_frames:
            self._most_frames = frames
            logger.warning("a batch did not fit into memory; for a while %d frames at most", frames)
        self._most_until_s = time.monotonic() + MOST_FOR_S


class _Finished:
    """A batch that was over before anyone waited for it."""

    def __init__(self, results: list[Result]) -> None:
        self._results = results
        self.stages_ms: dict[str, float] = {}

    def finish(self) -> list[Result]:
        return self._results


class _Begun:
    """A batch on the device, or on its way to and from it."""

    def __init__(
        self,
        pipeline: Pipeline,
        batch: Sequence[Ready],
        pictures: Pictures,
        crossing: Crossing,
        started_ns: int,
    ) -> None:
        self._pipeline = pipeline
        self._batch = batch
        self._pictures = pictures
        self._crossing = crossing
        self._started_ns = started_ns
        self.stages_ms: dict[str, float] = {}

    def finish(self) -> list[Result]:
        try:
            results = self._arrived()
            self._crossing.close()
        except Exception as exc:
            # A GPU says only now what went wrong on it, and then often goes on saying it.
            return [self._pipeline.failed(ready, exc) for ready in self._batch]
        return results

    def _arrived(self) -> list[Result]:
        if (came := self._pictures.came) is not None:
            finished, spoiled = came, [False] * len(came)
        else:
            arrived = self._crossing.arrive()
            finished = [memoryview(one).cast("B") for one in arrived.planes_i420]
            spoiled = arrived.spoiled.tolist()
        self.stages_ms = self._crossing.stages.totals_ms()
        batch_ms = (time.monotonic_ns() - self._started_ns) / 1e6
        metrics = self._pipeline.metrics
        metrics.batches += 1
        results = []
        for ready, planes, is_spoiled in zip(self._batch, finished, spoiled, strict=True):
            if is_spoiled:
                told = BadResult(_names(ready.chain), "made values that are no numbers of this frame")
                results.append(self._pipeline.failed(ready, told))
                continue
            metrics.frames_filtered += 1
            self._pipeline.health.succeeded()
            results.append(
                picture(
                    ready.received.header,
                    self._pipeline.worker,
                    planes,
                    wait_ms=max(0.0, (self._started_ns - ready.received.arrived_ns) / 1e6),
                    batch_ms=batch_ms,
                    filter_ms=self.stages_ms.get(FILTER, 0.0),
                )
            )
        return results


def _crossings(device: torch.device) -> Crossings:
    return GpuCrossings(device) if device.type == "cuda" else CpuCrossings()


def _apply(one: Filter, pictures: Pictures, items: Sequence[Item], stages: Stages) -> torch.Tensor | None:
    """Replace the pictures by the filter's; return which of them are spoiled, (N,) bool, None for none."""
    if not one.needs_pictures:
        batch = pictures.nothing()
        _check(one, _applied(one, batch, items, stages), batch)
        return None
    is_i420 = one.works_on == "i420"
    batch = pictures.i420() if is_i420 else pictures.rgb()
    result, spoiled = _levels(_check(one, _applied(one, batch, items, stages), batch))
    if is_i420:
        if result.data_ptr() != batch.data_ptr():
            # The filter's own memory perhaps, which it may write again before this has been sent.
            result = result.clone()
        pictures.replace_i420(result)
    else:
        pictures.replace_rgb(result)
    return spoiled


def _applied(one: Filter, batch: torch.Tensor, items: Sequence[Item], stages: Stages) -> object:
    with stages.of_filter(FILTER):
        return one.apply(batch, items)


def _check(one: Filter, result: object, batch: torch.Tensor) -> torch.Tensor:
    if not isinstance(result, torch.Tensor):
        raise BadResult(one.name, f"returned {type(result).__name__}, expected a tensor")
    for what, came, expected in (
        ("shape", tuple(result.shape), tuple(batch.shape)),
        ("device", result.device, batch.device),
    ):
        if came != expected:
            raise BadResult(one.name, f"returned a batch of {what} {came}, expected {expected}")
    if result.dtype != torch.uint8 and not result.is_floating_point():
        raise BadResult(one.name, f"returned a batch of type {result.dtype}, expected uint8 or floats")
    return result


def _levels(result: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return uint8 pictures, and for floating point (N,) bool: which have a NaN or an infinity."""
    if result.dtype == torch.uint8:
        return result, None
    spoiled = ~torch.isfinite(result).flatten(1).all(dim=1)
    return result.nan_to_num(0.0, 0.0, 0.0).round().clamp(0, 255).to(torch.uint8), spoiled


def _names(chain: Iterable[Filter]) -> str:
    return ", ".join(one.name for one in chain)


def _sleep_until(end_ns: int) -> None:
    while (left_ns := end_ns - time.monotonic_ns()) > 0:
        time.sleep(left_ns / 1e9)
