"""What becomes of a frame before a filter sees it: ready for a batch, or answered at once."""

from __future__ import annotations

import time
from collections import OrderedDict

from inference_service.engine import answers
from inference_service.engine.answers import Result
from inference_service.engine.batcher import Ready
from inference_service.engine.mailbox import Received
from inference_service.engine.params import CheckedParams, KeptParams
from inference_service.errors import FilterFailed, SessionError
from inference_service.filters.entry import Progress
from inference_service.filters.registry import Registry
from inference_service.metrics import Metrics

PROGRESS_EVERY_NS = 250_000_000
MAX_TOLD = 1024


class Admission:
    """Finds the filters and parameters of each frame. The loop's thread only."""

    def __init__(self, registry: Registry, kept: KeptParams, worker: str, metrics: Metrics) -> None:
        self._registry = registry
        self._kept = kept
        self._checked = CheckedParams()
        self._worker = worker
        self._metrics = metrics
        self._told_ns: OrderedDict[bytes, int] = OrderedDict()

    def admit(self, received: Received) -> Ready | Result | None:
        """Return the frame with its filters, else the answer to it; None where it was answered just now."""
        header = received.header
        try:
            chain = self._registry.chain(header.filters)
            if isinstance(chain, Progress):
                return self._progress(received, chain)
            params = self._kept.get(header.params_id)
            if params is None:
                self._metrics.count_answer("missing")
                return answers.missing(header, self._worker)
            return Ready(received, chain, self._checked.check(chain, header.params_id, params))
        except SessionError as exc:
            reason = exc
        except Exception as exc:
            reason = FilterFailed(", ".join(header.filters), f"could not be prepared ({type(exc).__name__})")
        self._metrics.count_answer(reason.code)
        return answers.error(header, self._worker, reason)

    def _progress(self, received: Received, progress: Progress) -> Result | None:
        now_ns = time.monotonic_ns()
        session = received.header.session
        told_ns = self._told_ns.get(session)
        if told_ns is not None and now_ns - told_ns < PROGRESS_EVERY_NS:
            return None
        self._told_ns[session] = now_ns
        self._told_ns.move_to_end(session)
        if len(self._told_ns) > MAX_TOLD:
            self._told_ns.popitem(last=False)
        self._metrics.count_answer("progress")
        return answers.progress(received.header, self._worker, progress.text, progress.fraction)
