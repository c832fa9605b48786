"""All counters of a worker; each is written by one thread, and one line of them goes to the log."""

from __future__ import annotations

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
    answers: Counter[str] = field(default_factory=Counter)
    """Results without a picture, by kind, or by code where the kind is `error`."""
    results_published: int = 0
    results_discarded: int = 0
    """Results that the publisher could not send in time."""
    replies_refused: int = 0
    """Frames whose `reply_to` is no place of a configured signaling service."""

    def line(self) -> str:
        """Return every counter that is not zero, in words for the log."""
        words = []
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Counter):
                words += [f"{one.name}[{reason}]={count}" for reason, count in sorted(value.items())]
            elif value:
                words.append(f"{one.name}={value}")
        return " ".join(words)
