"""Means over the last second of what each stage took, for one session."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from shared.wire import ResultHeader

KEPT = 120
MAX_DECODING = 32
"""A frame that the decoder drops is never taken out, so old ones are."""


@dataclass(frozen=True, slots=True)
class Stages:
    """Milliseconds of a result's way, all but the total measured at the worker."""

    wait: float
    batch: float
    filter: float
    total: float

    @property
    def transport(self) -> float:
        """Both ways over ZeroMQ, and the event loop: what the worker did not see."""
        return max(self.total - self.wait - self.batch, 0.0)


class LatencyWindow:
    """Collects what each stage took, and empties itself when it is read. Event loop only."""

    def __init__(self, on_stage: Callable[[str, float], None] = lambda stage, took_s: None) -> None:
        """`on_stage` is told how many seconds each frame took in each stage, the total left out."""
        self._on_stage = on_stage
        self._stages: deque[Stages] = deque(maxlen=KEPT)
        self._decode_ms: deque[float] = deque(maxlen=KEPT)
        self._encode_ms: deque[float] = deque(maxlen=KEPT)
        self._arrived_s: dict[int, float] = {}
        self._worker = ""

    def note_arrived(self, pts: int) -> None:
        """Note that a frame is complete, and goes to the decoder now; `pts` in units of 1/90000 s."""
        if len(self._arrived_s) >= MAX_DECODING:
            self._arrived_s.pop(next(iter(self._arrived_s)))
        self._arrived_s[pts] = time.monotonic()

    def note_decoded(self, pts: int) -> None:
        """Note that the frame came out of the decoder, its queue and its thread included."""
        if (arrived_s := self._arrived_s.pop(pts, None)) is not None:
            took_s = time.monotonic() - arrived_s
            self._decode_ms.append(took_s * 1000)
            self._on_stage("decode", took_s)

    def note_encoded(self, encode_s: float) -> None:
        """Note how long a returned frame took from being shown to being ready to be sent."""
        self._encode_ms.append(encode_s * 1000)
        self._on_stage("encode", encode_s)

    def add(self, header: ResultHeader, latency_s: float) -> None:
        """`latency_s`: from decoder to result, on this process's clock."""
        stages = Stages(header.wait_ms, header.batch_ms, header.filter_ms, latency_s * 1000)
        self._stages.append(stages)
        for stage in ("transport", "wait", "batch", "filter"):
            self._on_stage(stage, getattr(stages, stage) / 1000)
        self._worker = header.worker

    def take(self) -> tuple[dict[str, float], str]:
        """Return mean milliseconds by stage (empty without results) and the last worker; starts anew.

        `decode` and `encode` are left out where nothing was decoded or encoded, or neither can be seen.
        """
        stages, decode_ms, encode_ms = list(self._stages), list(self._decode_ms), list(self._encode_ms)
        for kept in (self._stages, self._decode_ms, self._encode_ms):
            kept.clear()
        if not stages:
            return {}, self._worker
        names = ("transport", "wait", "batch", "filter", "total")
        means = {name: round(fmean(getattr(stage, name) for stage in stages), 2) for name in names}
        for name, values_ms in (("decode", decode_ms), ("encode", encode_ms)):
            if values_ms:
                means[name] = round(fmean(values_ms), 2)
        return means, self._worker
