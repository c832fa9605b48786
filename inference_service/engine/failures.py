"""Frames on which a filter has failed: what their sessions are told, and which sessions are suspect."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

import torch

from inference_service.device.context import is_broken
from inference_service.engine.answers import Result, error
from inference_service.engine.batcher import Ready
from inference_service.engine.health import Health
from inference_service.engine.states import States
from inference_service.errors import FilterFailed
from inference_service.filters.base import Filter
from inference_service.metrics import Metrics

logger = logging.getLogger(__name__)

LOG_EVERY_S = 10.0
SUSPECT_FOR_S = 5.0
"""For so long after a failure a session has batches of its own. Otherwise each batch would be halved anew."""
MAX_SUSPECTS = 1024


class Failures:
    """Counts and answers failures; any thread."""

    def __init__(
        self,
        worker: str,
        metrics: Metrics,
        health: Health,
        states: States,
        device: torch.device,
        explain: Callable[[BaseException], str] | None = None,
    ) -> None:
        """`device`: the one that batches are computed on. `explain`: what sessions are told of exceptions.

        Without it they are told that the filter failed, since the exception's text may hold a path.
        """
        self._worker = worker
        self._metrics = metrics
        self._health = health
        self._states = states
        self._device = device
        self._suspects: OrderedDict[bytes, float] = OrderedDict()
        self._explain = explain
        self._logged_s = float("-inf")
        self._logged = ""

    def is_suspect(self, session: bytes) -> bool:
        """A filter has lately failed on this session's frames."""
        return time.monotonic() < self._suspects.get(session, 0.0)

    def answer(self, ready: Ready, exc: Exception) -> Result:
        """Return what the session of a frame is told of a failure, and count it."""
        header = ready.received.header
        for place, one in enumerate(ready.chain):
            # The state may be what broke the filter, or half written by it.
            self._states.forget((header.session, place, one.name))
        told = exc if isinstance(exc, FilterFailed) else FilterFailed(names(ready.chain), self._reason(exc))
        now_s = time.monotonic()
        # A filter that tells the session something in its own words is no sign of a broken worker.
        if type(exc) is not FilterFailed:
            self._health.failed(now_s)
            if is_broken(self._device, exc):
                logger.critical("the GPU is of no use to this process any more: %s", exc)
                self._health.broke()
        self._suspects[header.session] = now_s + SUSPECT_FOR_S
        if len(self._suspects) > MAX_SUSPECTS:
            self._suspects.popitem(last=False)
        self._metrics.count_answer(told.code)
        # Whoever develops a filter sees each new fault at once.
        is_new = self._explain is not None and str(told) != self._logged
        if is_new or now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s, self._logged = now_s, str(told)
            its = {"session": header.session.hex()}
            logger.warning("a frame was not filtered: %s", told, exc_info=exc, extra=its)
        return error(header, self._worker, told)

    def _reason(self, exc: Exception) -> str:
        return f"failed on this frame{f': {self._explain(exc)}' if self._explain else ''}"


def names(chain: Iterable[Filter]) -> str:
    """Return the names of a chain's filters, for a message."""
    return ", ".join(one.name for one in chain)
