"""The table of live workers, made from nothing but their status messages."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared.wire import FilterState, FilterStatus, StatusHeader
from signaling_service.access.caller import both
from signaling_service.errors import CannotRun, FilterNotAllowed, InvalidParams, NoWorker, UnknownFilter
from signaling_service.metrics import Metrics
from signaling_service.strict_json import endless
from signaling_service.workers import schema
from signaling_service.workers.worker import Worker

logger = logging.getLogger(__name__)

CHECK_EVERY_S = 0.1
MAX_WORKERS = 256
"""A further one takes the place of the one that has been here longest without an answer to any frame."""
MAX_FILTERS_KNOWN = 1024


_NEARNESS = {FilterState.FAILED: 0, FilterState.LOADABLE: 1, FilterState.LOADING: 2, FilterState.LOADED: 3}
"""Of several workers the one counts that is nearest to filtering a frame."""


@dataclass(frozen=True, slots=True)
class ServedFilter:
    """A filter as `GET /filters` shows it."""

    status: FilterStatus
    workers: int
    is_private: bool


class Workers:
    """Who is live, who serves what; tells its listeners when that changes. Event loop only."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._workers: dict[str, Worker] = {}
        self._live: dict[str, Worker] = {}
        self._ever_served: dict[str, FilterStatus] = {}
        self._private: set[str] = set()
        self._listeners: set[Callable[[], None]] = set()

    async def run(self) -> None:
        """Look for workers that have fallen silent, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            self._refresh(time.monotonic())

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the set of live workers or what they serve has changed."""
        self._listeners.add(listener)

    def remove_listener(self, listener: Callable[[], None]) -> None:
        self._listeners.discard(listener)

    def update(self, status: StatusHeader, now_s: float | None = None) -> None:
        """Take a status; `now_s` is the monotonic clock."""
        now_s = time.monotonic() if now_s is None else now_s
        if status.worker not in self._workers:
            self._make_room()
            its = {"worker": status.worker}
            logger.info("the worker joined: %s on %s", status.frames_endpoint, status.device, extra=its)
        known = self._workers.get(status.worker)
        self._workers[status.worker] = Worker(status, now_s, known is not None and known.has_answered)
        for served in status.filters:
            self._note(served)
        self._refresh(now_s)

    def note_answer(self, worker_id: str) -> None:
        """Take note that this worker filters, and does not only say so."""
        worker = self._workers.get(worker_id)
        if worker is not None and not worker.has_answered:
            self._workers[worker_id] = replace(worker, has_answered=True)

    def live(self, filters: Sequence[str] = ()) -> list[Worker]:
        """Live workers that serve all of these filters."""
        return [worker for worker in self._live.values() if worker.serves(filters)]

    def known(self) -> list[Worker]:
        """Every worker that has told its status lately, those to which no frame goes too."""
        return list(self._workers.values())

    def served_filters(self) -> list[ServedFilter]:
        """Every filter that a live worker offers, by name."""
        best: dict[str, ServedFilter] = {}
        for worker in self._live.values():
            for status in worker.status.filters:
                known = best.get(status.name)
                count = 1 if known is None else known.workers + 1
                if known is not None and _NEARNESS[known.status.state] >= _NEARNESS[status.state]:
                    status = known.status
                best[status.name] = ServedFilter(status, count, status.name in self._private)
        return [best[name] for name in sorted(best)]

    def in_the_way(self, filters: Sequence[str]) -> FilterStatus | None:
        """Return the first of these filters that has failed on every live worker that has it."""
        best = {one.status.name: one.status for one in self.served_filters()}
        known = [best[name] for name in filters if name in best]
        return next((status for status in known if status.state is FilterState.FAILED), None)

    def keeps_state(self, filters: Sequence[str]) -> bool:
        """One of these filters remembers the last frame, so a session must stay with one worker."""
        return any(f.keeps_state for name in filters if (f := self._ever_served.get(name)))

    def is_private(self, filters: Sequence[str]) -> bool:
        """One of these filters hides what the camera sees, by the word of any worker there ever was."""
        return not self._private.isdisjoint(filters)

    def check_choice(
        self, filters: Sequence[str], params: dict[str, Any], allowed: Collection[str] | None = None
    ) -> None:
        """Raise unless this choice can be served now, of the `allowed` filters (None: all).

        FilterNotAllowed, UnknownFilter, CannotRun, NoWorker or InvalidParams.
        """
        if allowed is not None and (refused := [name for name in filters if name not in allowed]):
            raise FilterNotAllowed(refused, sorted(allowed))
        if not self._live:
            raise NoWorker(filters)
        if unknown := [name for name in filters if name not in self._ever_served]:
            raise UnknownFilter(unknown, sorted(both(allowed, self._ever_served) or ()))
        if not self.live(filters):
            failed = self.in_the_way(filters)
            raise NoWorker(filters) if failed is None else CannotRun(trouble_of(failed))
        if len(filters) == 1:
            self._check_params(filters[0], params, "")
            return
        for name, own in params.items():
            if name not in filters:
                raise InvalidParams(name[:64], f"not a filter of this chain: {', '.join(filters)}")
            if not isinstance(own, dict):
                raise InvalidParams(name, "expected an object")
            self._check_params(name, own, f"{name}.")

    def _check_params(self, name: str, params: dict[str, Any], prefix: str) -> None:
        if (path := endless(params)) is not None:
            raise InvalidParams(prefix + path, "expected a finite number")
        error = schema.first_fault(params, self._ever_served[name].schema)
        if error is not None:
            raise InvalidParams(prefix + ".".join(str(part) for part in error.path), error.message[:300])

    def _make_room(self) -> None:
        if len(self._workers) < MAX_WORKERS:
            return
        self._metrics.wire_errors.labels("worker_replaced").inc()
        # Dicts keep the order of joining.
        longest = next((w for w in self._workers.values() if not w.has_answered), None)
        gone = longest or next(iter(self._workers.values()))
        del self._workers[gone.id]

    def _note(self, served: FilterStatus) -> None:
        known = self._ever_served.get(served.name)
        if known is None and len(self._ever_served) >= MAX_FILTERS_KNOWN:
            return
        # A worker where it cannot even be imported knows nothing of it.
        if known is None or served.state is not FilterState.FAILED:
            self._ever_served[served.name] = served
        if served.is_private:
            self._private.add(served.name)

    def _refresh(self, now_s: float) -> None:
        live: dict[str, Worker] = {}
        for worker in list(self._workers.values()):
            reason = worker.why_not_live(now_s)
            if reason is None:
                live[worker.id] = worker
                continue
            if worker.id in self._live:
                logger.info("the worker left: %s", reason, extra={"worker": worker.id})
            if reason == "silent":
                del self._workers[worker.id]
        changed = {k: _serves(w) for k, w in live.items()} != {k: _serves(w) for k, w in self._live.items()}
        self._live = live
        if changed:
            self._metrics.workers.set(len(live))
            for listener in list(self._listeners):
                listener()


def trouble_of(failed: FilterStatus) -> dict[str, str]:
    """Return what a page is told of a filter that cannot run."""
    return {
        "filter": failed.name,
        "code": failed.reason_code or "failed",
        "text": failed.reason or "has failed",
        "cause": failed.reason_cause,
        "detail": failed.reason_detail,
        "remedy": failed.remedy,
    }


def _serves(worker: Worker) -> tuple[tuple[str, FilterState, bool], ...]:
    return tuple((f.name, f.state, f.is_private) for f in worker.status.filters)
