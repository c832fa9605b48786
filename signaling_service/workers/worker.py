"""One worker as its last status described it: what it serves, and whether it is live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.wire import FilterState, LoopState, StatusHeader

STATUS_AGE_LIMIT_S = 1.0
BATCH_LIMIT_S = 1.0
BATCH_LIMIT_FACTOR = 3.0
LOADING_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker as its last status described it; `seen_at_s` is this process's monotonic clock."""

    status: StatusHeader
    seen_at_s: float
    has_answered: bool = False
    """A frame of some session of this process."""

    @property
    def id(self) -> str:
        return self.status.worker

    def serves(self, filters: Sequence[str]) -> bool:
        """Offers every one of these filters, loaded or not."""
        usable = {f.name for f in self.status.filters if f.state is not FilterState.FAILED}
        return usable.issuperset(filters)

    def has_loaded(self, filters: Sequence[str]) -> bool:
        """Can filter a frame at once."""
        loaded = {f.name for f in self.status.filters if f.state is FilterState.LOADED}
        return loaded.issuperset(filters)

    def why_not_live(self, now_s: float) -> str | None:
        """Return the reason for which no frame should go there, None while it is live."""
        status = self.status
        if now_s - self.seen_at_s > STATUS_AGE_LIMIT_S:
            return "silent"
        if status.draining:
            return "draining"
        in_state_s = status.loop_state_ms / 1000 + now_s - self.seen_at_s
        if status.loop_state is LoopState.BATCH and in_state_s > max(
            BATCH_LIMIT_S, BATCH_LIMIT_FACTOR * status.loop_usual_ms / 1000
        ):
            return "hung in a batch"
        if status.loop_state is LoopState.LOADING and in_state_s > LOADING_LIMIT_S:
            return "hung while loading"
        return None
