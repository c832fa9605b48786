"""Cameras made of memory for a worker's own engine, and a count of what comes back. No socket is needed.

cameras ──> mailbox ──> loop ──> pipeline ──> results
   ^                     │
   └─────────────────────┘ a frame is taken: its camera has another
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inference_service.engine.engine import Engine
from shared import wire
from shared.frame import i420_size_bytes
from shared.wire import FrameHeader, ResultKind

WARM_UP_S = 2.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the filters."""

    cameras: int
    params: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] = (640, 480)
    """(width, height)."""
    fps: float | None = None
    """Frames a second of each camera; None: each has a new one waiting at any time."""
    seconds: float = 5.0
    warm_up_s: float = WARM_UP_S
    pictures: Sequence[bytes] = ()
    """Packed I420 planes of `size`, shown in turn; none: drawn ones."""


@dataclass(slots=True)
class Count:
    """One span of time."""

    latencies_ms: list[float] = field(default_factory=list)
    frames: Counter[bytes] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    stages_ms: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    batches: int = 0
    batched: int = 0


class Cameras:
    """The cameras of one load."""

    def __init__(self, load: Load, filters: tuple[str, ...], engine: Engine) -> None:
        self.ended = threading.Event()
        # Random, so that a frame of the load before is nobody's.
        self.sessions = [np.random.default_rng().bytes(16) for _ in range(load.cameras)]
        self._load = load
        self._filters = filters
        self._engine = engine
        self._params_id = wire.params_id(load.params)
        self._pictures = [memoryview(one) for one in load.pictures or drawn(load.size)]
        self._sequences = Counter[bytes]()
        """Of each camera its own: filters count by them how much time has passed."""
        self._count = Count()
        self._lock = threading.Lock()
        # One list per batch that has begun.
        self._taken: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()

    def feed(self) -> None:
        """Give every camera its first frame, and all others at a rate, or whenever one has been taken."""
        fps = self._load.fps
        # Cameras do not take their pictures at the same moment.
        apart_s = 1 / fps / len(self.sessions) if fps else 0.0
        now_s = time.monotonic()
        starts = [now_s + number * apart_s for number in range(len(self.sessions))]
        for number in range(sys.maxsize):
            for session, start_s in zip(self.sessions, starts, strict=True):
                due_s = start_s + number / fps if fps else start_s
                if self.ended.wait(max(0.0, due_s - time.monotonic())):
                    return
                self._put(session)
            if not fps:
                break
        while (taken := self._taken.get()) is not None:
            for session in taken:
                self._put(session)

    def end(self) -> None:
        """Let no camera have another frame."""
        self.ended.set()
        self._taken.put(None)

    def begun(self, sessions: Sequence[bytes]) -> None:
        """Called in the loop's thread, so the frames are made in another one."""
        if self._load.fps is None and not self.ended.is_set():
            self._taken.put([session for session in sessions if session in self.sessions])

    def begin_count(self) -> Count:
        """Return what was counted, and count anew."""
        with self._lock:
            count, self._count = self._count, Count()
        return count

    def answered(self, header: wire.ResultHeader, now_ns: int) -> None:
        if header.session not in self.sessions:
            return
        with self._lock:
            if header.kind is ResultKind.FRAME:
                self._count.frames[header.session] += 1
                self._count.latencies_ms.append((now_ns - header.captured_ns) / 1e6)
            else:
                self._count.failures[header.code or str(header.kind)] += 1

    def batched(self, frames: int, stages_ms: Mapping[str, float]) -> None:
        with self._lock:
            self._count.batches += 1
            self._count.batched += frames
            for stage, ms in stages_ms.items():
                self._count.stages_ms[stage] += ms

    def _put(self, session: bytes) -> None:
        self._sequences[session] += 1
        sequence = self._sequences[session]
        width, height = self._load.size
        now_ns = time.monotonic_ns()
        header = FrameHeader(
            session=session,
            reply_to="tcp://127.0.0.1:1",
            sequence=sequence,
            generation=0,
            pts=sequence,
            captured_ns=now_ns,
            width=width,
            height=height,
            filters=self._filters,
            params=dict(self._load.params),
            params_id=self._params_id,
        )
        self._engine.saw(header)
        picture = self._pictures[(sequence + session[-1]) % len(self._pictures)]
        self._engine.mailbox.put(header, picture, now_ns)


def drawn(size: tuple[int, int], count: int = 8) -> list[bytes]:
    """Return packed I420 pictures of (width, height): a soft gradient that moves, with a camera's noise."""
    width, height = size
    random = np.random.default_rng(0)
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    pictures = []
    for number in range(count):
        wave = 126 + 60 * np.sin(right / width * 9 + number / count * 6.28) + 30 * np.cos(down / height * 7)
        luma = np.clip(wave + random.normal(0, 2, wave.shape), 16, 235).astype(np.uint8)
        chroma = np.full(i420_size_bytes(width, height) - luma.size, 120 + number, np.uint8)
        pictures.append(luma.tobytes() + chroma.tobytes())
    return pictures
