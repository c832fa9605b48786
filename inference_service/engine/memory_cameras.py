"""Cameras made of memory, on a worker's own engine: what a filter costs, without any socket.

cameras ──> mailbox ──> loop ──> pipeline ──> results
   ^                     │
   └─────────────────────┘ a frame is taken: its camera has another
"""

from __future__ import annotations

import queue
import resource
import statistics
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from inference_service.engine.answers import Result
from inference_service.engine.engine import Engine, Limits, Outputs
from inference_service.filters.entry import Progress
from shared import wire
from shared.frame import i420_size_bytes
from shared.wire import FrameHeader, ResultKind

LOOK_EVERY_S = 0.05
MIB = 1 << 20


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
    warm_up_s: float = 2.0
    pictures: Sequence[bytes] = ()
    """Packed I420 planes of `size`, shown in turn; none: drawn ones."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it. Times in ms; a frame's is from the mailbox to its result."""

    per_second: float
    slowest: float
    fastest: float
    """Frames per second of the slowest and the fastest camera."""
    p50_ms: float
    p95_ms: float
    batch_size: float
    busy: float
    stages_ms: Mapping[str, float]
    """Per frame: upload, to_rgb, filter and its own stages, to_i420, download."""
    memory_mib: float
    """The most that torch had reserved on the GPU, or on a CPU the most that the process had resident."""
    failures: Mapping[str, int]
    """Frames without a picture, by code."""


class Bench:
    """One engine, measured under one load after the other; a context."""

    def __init__(
        self,
        filters: tuple[str, ...],
        device: torch.device,
        points: Mapping[str, EntryPoint],
        filter_settings: Mapping[str, Mapping[str, Any]],
        weights_dir: Path,
        max_batch: int = 32,
    ) -> None:
        self._filters = filters
        self._device = device
        self._run: _Run | None = None
        self._engine = Engine(
            "bench",
            device,
            points,
            filter_settings,
            weights_dir,
            Limits(max_batch=max_batch, max_wait_ms=10_000, hang_s=600),
            Outputs(
                self._on_results, lambda: None, lambda: None, lambda: None, self._on_begun, self._on_batch
            ),
        )

    def __enter__(self) -> Self:
        """Load the filters; raises FilterFailed or UnknownFilter where that cannot be done."""
        self._engine.open(self._filters)
        try:
            while isinstance(self._engine.registry.chain(self._filters), Progress):
                time.sleep(LOOK_EVERY_S)
        except Exception:
            self._engine.drain()
            raise
        return self

    def __exit__(self, *of: object) -> None:
        self._engine.drain()

    def measure(self, load: Load) -> Measured:
        """Put the engine under `load` for its seconds."""
        run = self._run = _Run(load, self._filters, self._engine)
        feeding = threading.Thread(target=run.feed, name="cameras", daemon=True)
        feeding.start()
        run.ended.wait(load.warm_up_s)
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        run.begin_count()
        started_s = time.monotonic()
        run.ended.wait(load.seconds)
        count, passed_s = run.begin_count(), time.monotonic() - started_s
        busy = self._engine.gauge.read(time.monotonic_ns()).busy
        run.end()
        feeding.join()
        return _measured(run.sessions, count, passed_s, busy, self._memory_mib())

    def _on_results(self, results: Sequence[Result]) -> None:
        now_ns = time.monotonic_ns()
        if self._run is not None:
            for one in results:
                self._run.answered(wire.unpack_result(one.message)[0], now_ns)

    def _on_begun(self, sessions: Sequence[bytes]) -> None:
        if self._run is not None:
            self._run.begun(sessions)

    def _on_batch(self, frames: int, stages_ms: Mapping[str, float]) -> None:
        if self._run is not None:
            self._run.batched(frames, stages_ms)

    def _memory_mib(self) -> float:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_reserved(self._device) / MIB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass(slots=True)
class _Count:
    """One span of time."""

    latencies_ms: list[float] = field(default_factory=list)
    frames: Counter[bytes] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    stages_ms: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    batches: int = 0
    batched: int = 0


class _Run:
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
        self._sequence = 0
        self._count = _Count()
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

    def begin_count(self) -> _Count:
        """Return what was counted, and count anew."""
        with self._lock:
            count, self._count = self._count, _Count()
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
        self._sequence += 1
        width, height = self._load.size
        now_ns = time.monotonic_ns()
        header = FrameHeader(
            session=session,
            reply_to="tcp://127.0.0.1:1",
            sequence=self._sequence,
            generation=0,
            pts=self._sequence,
            captured_ns=now_ns,
            width=width,
            height=height,
            filters=self._filters,
            params=dict(self._load.params),
            params_id=self._params_id,
        )
        self._engine.saw(header)
        picture = self._pictures[(self._sequence + session[-1]) % len(self._pictures)]
        self._engine.mailbox.put(header, picture, now_ns)


def _measured(
    sessions: Sequence[bytes], count: _Count, passed_s: float, busy: float, memory_mib: float
) -> Measured:
    rates = [count.frames[session] / passed_s for session in sessions]
    latencies_ms = sorted(count.latencies_ms) or [float("nan")]
    return Measured(
        per_second=sum(rates),
        slowest=min(rates),
        fastest=max(rates),
        p50_ms=statistics.median(latencies_ms),
        p95_ms=latencies_ms[min(len(latencies_ms) - 1, int(0.95 * len(latencies_ms)))],
        batch_size=count.batched / count.batches if count.batches else 0.0,
        busy=busy,
        stages_ms={stage: ms / max(1, count.batched) for stage, ms in count.stages_ms.items()},
        memory_mib=memory_mib,
        failures=dict(count.failures),
    )


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
