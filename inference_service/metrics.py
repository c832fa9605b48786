"""All counters of a worker, and one line of them for the log.

Most are written by one thread; those of two may miss a count, but for `answers`, which has a lock.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class Metrics:
    """Totals since the start of the process."""

    frames_received: int = 0
    """Well-formed frames, whatever became of them."""
    frames_replaced: int = 0
    """Frames that a newer one of the same session replaced before a batch took them."""
    frames_dropped: Counter[str] = field(default_factory=Counter)
    """Messages that no filter saw, by reason: the wire's, `full` (too many wait), `late` (for too long)."""
    frames_filtered: int = 0
    batches: int = 0
    batches_split: int = 0
    """Batches that were halved, since a filter failed on them."""
    answers: Counter[str] = field(default_factory=Counter)
    """Results without a picture, by kind, or by code where the kind is `error`."""
    fallbacks: Counter[str] = field(default_factory=Counter)
    """What loaded filters do without, by kind: `graphs`, `precision`, `compile`, `memory`."""
    results_published: int = 0
    results_discarded: int = 0
    """Results that the publisher could not send in time."""
    replies_refused: int = 0
    """Frames whose `reply_to` is no place of a configured signaling service."""
    _answering: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count_answer(self, kind_or_code: str) -> None:
        """Count a result without a picture; any thread."""
        with self._answering:
            self.answers[kind_or_code] += 1

    def line(self) -> str:
        """Return every counter that is not zero, in words for the log."""
        words = []
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Counter):
                words += [f"{one.name}[{reason}]={count}" for reason, count in sorted(value.items())]
            elif isinstance(value, int) and value:
                words.append(f"{one.name}={value}")
        return " ".join(words)
