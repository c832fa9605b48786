"""One batch: colour -> the filters of its chain -> colour -> results.

The loop's thread begins a batch and another thread finishes it, so that on a GPU the next batch is under way
meanwhile. A batch that fails is halved and done again, until the frame that breaks the filter is alone.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch

from inference_service.device import captures, threads
from inference_service.device.colour import Colour
from inference_service.device.crossing import CpuCrossings, Crossings, GpuCrossings
from inference_service.device.memory import is_shortage
from inference_service.device.pictures import Pictures
from inference_service.engine import first_batch
from inference_service.engine.answers import Result
from inference_service.engine.applying import apply
from inference_service.engine.batcher import Ready
from inference_service.engine.failures import Failures
from inference_service.engine.health import Health
from inference_service.engine.states import States
from inference_service.engine.telling import Telling
from inference_service.engine.under_way import Begun, Finished, OnSpoiled, Running
from inference_service.errors import NotFinite
from inference_service.filters.base import Filter, Item
from inference_service.metrics import Metrics

logger = logging.getLogger(__name__)

WARM_SIZE = (640, 480)
MOST_FOR_S = 60.0
"""After this time a batch may be larger again than what has fitted: the memory may be free again."""


class Pipeline:
    """Filters batches on one device. `start` belongs to the loop's thread."""

    def __init__(
        self,
        device: torch.device,
        worker: str,
        metrics: Metrics,
        health: Health,
        on_shortage: Callable[[], None] = lambda: None,
        explain: Callable[[BaseException], str] | None = None,
        on_spoiled: OnSpoiled = lambda one: False,
    ) -> None:
        """`on_shortage` is called, in the loop's thread, when a single frame does not fit into memory.

        `explain` is that of `Failures`, `on_spoiled` that of `Begun`.
        """
        self._device = device
        self._worker = worker
        self._metrics = metrics
        self._health = health
        self._on_shortage = on_shortage
        self._on_spoiled = on_spoiled
        self._most_frames = 0
        self._most_until_s = float("-inf")
        self._too_large_alone = 0
        self._states = States()
        self._failures = Failures(worker, metrics, health, self._states, device, explain)
        self._crossings = _crossings(device)
        self._warming: Crossings | None = None

    @property
    def most_frames(self) -> int | None:
        """The largest batch that has lately fitted into memory; None while none has been too large."""
        return self._most_frames if time.monotonic() < self._most_until_s else None

    def is_suspect(self, session: bytes) -> bool:
        """A filter has lately failed on this session's frames."""
        return self._failures.is_suspect(session)

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
                return Finished([self._failures.answer(batch[0], exc)])
        # Here the exception no longer holds what the batch has taken.
        if is_too_large and self._device.type == "cuda":
            captures.give_back()
        self._metrics.batches_split += 1
        too_large_alone = self._too_large_alone
        half = len(batch) // 2
        results = [result for part in (batch[:half], batch[half:]) for result in self.run(part)]
        # One frame that is too large by itself says nothing of how many others fit.
        if is_too_large and too_large_alone == self._too_large_alone:
            self._remember_most(len(batch) - half)
        return Finished(results)

    def run(self, batch: Sequence[Ready]) -> list[Result]:
        """Begin and finish a batch at once."""
        running = self.start(batch)
        running.arrive()
        return running.finish()

    def forget_filter(self, name: str) -> None:
        """Let go of what a filter remembers; any thread."""
        self._states.forget_filter(name)

    def warm(self, one: Filter) -> None:
        """Run a filter once on noise, with its conversions, and look for an author's usual mistakes.

        Raises what the filter raises, BadResult for a mistake, and NotFinite where the picture is spoiled.
        """
        width, height = WARM_SIZE
        # The same each time. On grey a network's numbers stay small, and it finds nothing to go on with.
        planes = memoryview(np.random.default_rng(1).bytes(width * height * 3 // 2))
        # Streams of its own: the loop may be in the middle of a batch.
        self._warming = crossings = self._warming or _crossings(self._device)
        crossing = crossings.begin()
        item = Item(session=bytes(16), sequence=0, params=one.Params(), wants_data=True)
        telling = Telling()
        is_spoiled = False
        with crossings.computing(), torch.inference_mode():
            pictures = Pictures([planes], WARM_SIZE, Colour(), self._device, crossing)
            spoiled = apply(one, pictures, [item], crossing.stages, first_batch.check, telling)
            if pictures.came is None:
                crossing.download(pictures.i420(), None if spoiled is None else spoiled.to(torch.uint8))
                is_spoiled = bool(crossing.arrive().spoiled.any())
        crossing.close()
        if is_spoiled:
            raise NotFinite(f"{one.name} makes values that are no numbers")

    def _begin(self, batch: Sequence[Ready], started_ns: int) -> Running:
        header = batch[0].received.header
        crossing = self._crossings.begin()
        # A GPU's: the loader may be recording.
        turn = captures.TURNS.taken() if self._device.type == "cuda" else contextlib.nullcontext()
        try:
            pictures = Pictures(
                [ready.received.planes for ready in batch],
                (header.width, header.height),
                batch[0].colour,
                self._device,
                crossing,
            )
            least_ms = 0.0
            spoiled: torch.Tensor | None = None
            telling = Telling()
            chain = batch[0].chain
            with turn, self._crossings.computing(), torch.inference_mode(), self._torch_threads(chain):
                for place, one in enumerate(chain):
                    items = [self._item(ready, place, one, started_ns) for ready in batch]
                    newly = apply(one, pictures, items, crossing.stages, telling=telling)
                    if newly is not None:
                        # No chain is as long as a byte counts.
                        newly = newly.to(torch.uint8) * (place + 1)
                        spoiled = newly if spoiled is None else torch.where(spoiled > 0, spoiled, newly)
                    least_ms = max(least_ms, one.least_batch_ms(items))
                if pictures.came is None:
                    crossing.download(pictures.i420(), spoiled)
        except Exception:
            crossing.close()
            raise
        _sleep_until(started_ns + int(least_ms * 1e6))
        return Begun(
            batch,
            pictures,
            crossing,
            started_ns,
            self._worker,
            self._metrics,
            self._health,
            self._failures,
            telling,
            self._on_spoiled,
        )

    def _torch_threads(self, chain: Sequence[Filter]) -> AbstractContextManager[None]:
        """Let torch compute with one thread where no filter of a chain gains from more, on a CPU.

        Networks that LiteRT runs share the cores with what torch's threads do.
        """
        if self._device.type != "cpu" or any(one.gains_from_threads() for one in chain):
            return contextlib.nullcontext()
        return threads.alone()

    def _item(self, ready: Ready, place: int, one: Filter, now_ns: int) -> Item:
        header = ready.received.header
        params = ready.params.models[place]
        if not one.keeps_state:
            return Item(header.session, header.sequence, params, wants_data=header.wants_data)
        size = (header.width, header.height)
        state = self._states.get((header.session, place, one.name), size, now_ns)
        return Item(header.session, header.sequence, params, state, header.wants_data)

    def _remember_most(self, frames: int) -> None:
        if self.most_frames is None or frames < self._most_frames:
            self._most_frames = frames
            logger.warning("a batch did not fit into memory; for a while %d frames at most", frames)
        self._most_until_s = time.monotonic() + MOST_FOR_S


def _crossings(device: torch.device) -> Crossings:
    return GpuCrossings(device) if device.type == "cuda" else CpuCrossings()


def _sleep_until(end_ns: int) -> None:
    while (left_ns := end_ns - time.monotonic_ns()) > 0:
        time.sleep(left_ns / 1e9)
