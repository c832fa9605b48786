"""How many cores this process may use, and how long it has to wait for one."""

from __future__ import annotations

import os
import threading
from functools import cache
from pathlib import Path


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """Return how many cores this process may use: its affinity, and a container's limit (cgroup v2)."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return cores if quota == "max" else min(cores, int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return cores


def waited_s() -> float:
    """Return for how long this thread could run and had no core, 0 where the system does not tell."""
    try:
        # Time on a core and time in the run queue, in ns (Linux, Documentation/scheduler/sched-stats.rst).
        return int(os.pread(_schedstat(threading.get_native_id()), 100, 0).split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


@cache
def _schedstat(thread_id: int) -> int:
    """Return a descriptor that is kept: to open the file takes 20 times as long as to read it."""
    return os.open("/proc/thread-self/schedstat", os.O_RDONLY)
