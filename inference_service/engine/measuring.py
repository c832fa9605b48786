"""What a filter costs: a worker's own engine under the load of cameras made of memory."""

from __future__ import annotations

import resource
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Self

import torch

from inference_service.engine.answers import Result
from inference_service.engine.engine import Engine, Limits, Outputs
from inference_service.engine.memory_cameras import Cameras, Count, Load
from inference_service.filters.entry import Progress
from shared import wire

LOOK_EVERY_S = 0.05
MIB = 1 << 20


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
    cpu_ms: float
    """Of all of this process's threads, per frame; whoever else uses the host, hardly changes it."""
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
        self.loaded_s = self.recorded_s = 0.0
        """How long it took until frames were served, and until all was recorded."""
        self.device = device
        self._filters = filters
        self._run: Cameras | None = None
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
        """Load the filters, and let them record; raises FilterFailed or UnknownFilter where that fails."""
        started_s = time.monotonic()
        self._engine.open(self._filters)
        registry = self._engine.registry
        try:
            while isinstance(registry.chain(self._filters), Progress):
                time.sleep(LOOK_EVERY_S)
            self.loaded_s = time.monotonic() - started_s
            while registry.is_recording:
                time.sleep(LOOK_EVERY_S)
            self.recorded_s = time.monotonic() - started_s
        except Exception:
            self._engine.drain()
            raise
        return self

    def __exit__(self, *of: object) -> None:
        self._engine.drain()

    def measure(self, load: Load) -> Measured:
        """Put the engine under `load` for its seconds."""
        run = self._run = Cameras(load, self._filters, self._engine)
        feeding = threading.Thread(target=run.feed, name="cameras", daemon=True)
        feeding.start()
        run.ended.wait(load.warm_up_s)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        run.begin_count()
        started_s, started_cpu_s = time.monotonic(), time.process_time()
        run.ended.wait(load.seconds)
        count, passed_s = run.begin_count(), time.monotonic() - started_s
        cpu_s = time.process_time() - started_cpu_s
        busy = self._engine.gauge.read(time.monotonic_ns()).busy
        run.end()
        feeding.join()
        return _measured(run.sessions, count, passed_s, cpu_s, busy, self._memory_mib())

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

    def lacks(self) -> str:
        """Return what the filters do without; see `Fallback`."""
        statuses = {one.name: one for one in self._engine.registry.statuses()}
        return "; ".join(statuses[name].reason for name in self._filters if statuses[name].reason)

    def _memory_mib(self) -> float:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_reserved(self.device) / MIB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _measured(
    sessions: Sequence[bytes], count: Count, passed_s: float, cpu_s: float, busy: float, memory_mib: float
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
        cpu_ms=1000 * cpu_s / max(1, count.batched),
        memory_mib=memory_mib,
        failures=dict(count.failures),
    )
