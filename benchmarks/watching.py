"""What processes use: CPU, memory, UDP sockets, and the stages of a staged service."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

SNAPSHOT_S = 2.0


@dataclass(frozen=True, slots=True)
class Watched:
    """One process with its children."""

    role: str
    """`media`, `worker` ...: processes of one role are summed."""
    pid: int
    stages: Path | None = None
    """Where a staged service writes its counters on SIGUSR1."""

    @classmethod
    def parse(cls, text: str) -> Watched:
        """Read ROLE=PID or ROLE=PID=FILE."""
        role, pid, *stages = text.split("=", 2)
        return cls(role, int(pid), Path(stages[0]) if stages else None)

    def __str__(self) -> str:
        return f"{self.role}={self.pid}" + (f"={self.stages}" if self.stages else "")

    def tree(self) -> list[psutil.Process]:
        top = psutil.Process(self.pid)
        return [top, *top.children(recursive=True)]


@dataclass(frozen=True, slots=True)
class Memory:
    """In MiB; the sum over a role's processes. Unlike RSS, PSS counts shared pages once."""

    rss_mib: float
    pss_mib: float


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything at one moment; CPU times in s since each process began."""

    at_s: float
    cpu_s: dict[str, float]
    own_cpu_s: float
    machine_cpu_s: float
    stolen_s: float
    """What a hypervisor gave to other guests while a core of this machine wanted to run."""
    by_process_cpu_s: dict[int, float]
    stages: dict[str, Any] = field(default_factory=dict)


def sample(watched: Sequence[Watched]) -> Sample:
    """Look at all of them now."""
    cpu_s: dict[str, float] = {}
    by_process: dict[int, float] = {}
    stages: dict[str, Any] = {}
    for one in watched:
        if one.stages is not None:
            stages = _snapshot(one.pid, one.stages)
        for process in one.tree():
            times = process.cpu_times()
            by_process[process.pid] = times.user + times.system
            cpu_s[one.role] = cpu_s.get(one.role, 0.0) + by_process[process.pid]
    machine = psutil.cpu_times()
    busy_s = machine.user + machine.nice + machine.system + machine.irq + machine.softirq
    return Sample(time.monotonic(), cpu_s, time.process_time(), busy_s, machine.steal, by_process, stages)


def memory(watched: Sequence[Watched]) -> dict[str, Memory]:
    """Return each role's memory; takes some milliseconds per process."""
    found: dict[str, Memory] = {}
    for one in watched:
        before = found.get(one.role, Memory(0.0, 0.0))
        infos = [process.memory_full_info() for process in one.tree()]
        found[one.role] = Memory(
            before.rss_mib + sum(info.rss for info in infos) / 2**20,
            before.pss_mib + sum(info.pss for info in infos) / 2**20,
        )
    return found


def udp_sockets(watched: Sequence[Watched], role: str) -> dict[int, int]:
    """Return how many UDP sockets each process of a role has open: one for each session and address."""
    counts = {}
    for one in watched:
        if one.role == role:
            for process in one.tree():
                counts[process.pid] = len(process.net_connections(kind="udp"))
    return counts


def _snapshot(pid: int, path: Path) -> dict[str, Any]:
    """Ask for the counters and wait for them."""
    before = _number(path)
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + SNAPSHOT_S
    while time.monotonic() < deadline:
        if _number(path) > before:
            read: dict[str, Any] = json.loads(path.read_text())
            return read
        time.sleep(0.002)
    raise TimeoutError(f"process {pid} wrote no counters to {path}")


def _number(path: Path) -> int:
    return int(json.loads(path.read_text())["number"]) if path.exists() else 0
