"""All counters of a worker, and one line of them for the log.

Most are written by one thread; those of two may miss a count, but for `answers`, which has a lock.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from shared.wire import BOUNDS_S, MAX_NAMES, Durations, Totals

NO_ERRORS = ("progress", "missing")
"""Answers that ask for patience, or for parameters."""
OTHER = "other"
"""Where a filter names more stages than are told apart."""


class Stage:
    """How often a stage took how long; written by one thread."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def note(self, took_s: float) -> None:
        self._counts[bisect_left(BOUNDS_S, took_s)] += 1
        self._sum_s += took_s

    def durations(self) -> Durations:
        return Durations(counts=tuple(self._counts), sum_s=self._sum_s)


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
    """What filters do without, by kind: `Fallback.kind`; `loading`: all of it."""
    results_published: int = 0
    results_discarded: int = 0
    """Results that the publisher could not send in time."""
    replies_refused: int = 0
    """Frames whose `reply_to` is no place of a configured signaling service."""
    stages: dict[str, Stage] = field(default_factory=dict)
    """Of frames that were filtered: `wait` of each; `batch` of each batch, and the laps within it."""
    _answering: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count_answer(self, kind_or_code: str) -> None:
        """Count a result without a picture; any thread."""
        with self._answering:
            self.answers[kind_or_code] += 1

    def note_stage(self, name: str, took_s: float) -> None:
        """Count how long a stage took; the thread that finishes batches."""
        stage = self.stages.get(name)
        if stage is None:
            name = name[:64] if len(self.stages) < MAX_NAMES - 1 else OTHER
            stage = self.stages.setdefault(name, Stage())
        stage.note(took_s)

    def totals(self) -> Totals:
        """Return what the status tells of these counters; any thread."""
        replaced = {"replaced": self.frames_replaced} if self.frames_replaced else {}
        with self._answering:
            errors = {code: count for code, count in self.answers.items() if code not in NO_ERRORS}
        return Totals(
            received=self.frames_received,
            filtered=self.frames_filtered,
            dropped=_named({**self.frames_dropped, **replaced}),
            batches=self.batches,
            batches_split=self.batches_split,
            errors=_named(errors),
            fallbacks=_named(self.fallbacks),
            results_discarded=self.results_discarded,
            stages={name: stage.durations() for name, stage in self.stages.copy().items()},
        )

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


def _named(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the greatest of them, as many as a status carries."""
    most = sorted(counts.items(), key=lambda one: -one[1])[:MAX_NAMES]
    return {name[:64]: count for name, count in most}
