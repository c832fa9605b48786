"""How much memory is left on a device, and what this process holds of it."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from pathlib import Path
from typing import Any, Protocol

import torch

UNKNOWN = sys.maxsize
"""As free as can be: where nobody says how much there is, a failure has to."""
_CUDA_RESERVE_BYTES = 1 << 30
_CPU_RESERVE_BYTES = 256 << 20


class Memory(Protocol):
    """What a device has. Any thread."""

    @property
    def reserve_bytes(self) -> int:
        """What has to stay free for the batches."""

    @property
    def is_shared(self) -> bool:
        """Another process, which knows nothing of this one, may soon give some of it free."""

    def free_bytes(self) -> int:
        """What this process could have besides."""

    def held_bytes(self) -> int:
        """What this process has."""

    def give_back(self) -> None:
        """Return to the device what is no longer used."""


def of_device(device: torch.device) -> Memory:
    """Return the memory on which filters of this device are loaded."""
    return CudaMemory(device) if device.type == "cuda" else HostMemory()


SHORTAGES = (
    "can't allocate memory",
    "out of memory",
    "memoryallocation",
    "alloc_failed",
    "allocation_failed",
)
"""In lower case. torch on a CPU; the driver, which loads kernels and graphs too; cuBLAS; cuDNN from 9 on."""


def is_shortage(exc: BaseException) -> bool:
    """Tell whether memory was lacking: torch itself, the driver or a library may say so."""
    if isinstance(exc, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(exc, RuntimeError) and any(one in str(exc).lower() for one in SHORTAGES)


class CudaMemory:
    """A GPU's; `held_bytes` is what torch's tensors take, and the pools of graphs."""

    reserve_bytes = _CUDA_RESERVE_BYTES
    is_shared = True

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def free_bytes(self) -> int:
        free_bytes, _ = torch.cuda.mem_get_info(self._device)
        cached_bytes = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return int(free_bytes) + int(cached_bytes) - self._pools_bytes()

    def held_bytes(self) -> int:
        return int(torch.cuda.memory_allocated(self._device)) + self._pools_bytes()

    def _pools_bytes(self) -> int:
        """What graphs keep for their work: no tensor has it, and nothing else can."""
        snapshot: list[dict[str, Any]] = torch.cuda.memory_snapshot()  # type: ignore[no-untyped-call]
        return sum(
            one["total_size"] - one["allocated_size"]
            for one in snapshot
            if one["device"] == self._device.index and tuple(one["segment_pool_id"]) != (0, 0)
        )

    def give_back(self) -> None:
        gc.collect()
        # Refused while a graph is being recorded; then a later call does it.
        with contextlib.suppress(RuntimeError):
            torch.cuda.empty_cache()


class HostMemory:
    """The host's, or what its container may have (cgroup v2 or v1); `held_bytes` is the resident set.

    Linux says all of it below /proc and /sys; elsewhere nothing is known.
    """

    reserve_bytes = _CPU_RESERVE_BYTES
    is_shared = False

    def __init__(self, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> None:
        self._proc = proc
        self._cgroups = cgroups

    def free_bytes(self) -> int:
        available_kb = _table(self._proc / "meminfo").get("MemAvailable:")
        host_bytes = UNKNOWN if available_kb is None else available_kb * 1024
        return min([host_bytes, *(_left_bytes(*one) for one in self._groups())])

    def held_bytes(self) -> int:
        try:
            pages = int((self._proc / "self" / "statm").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def give_back(self) -> None:
        gc.collect()

    def _groups(self) -> list[tuple[Path, str, str, str]]:
        """Each group that bounds this process: its folder, and the names of limit, usage and cache there."""
        try:
            lines = (self._proc / "self" / "cgroup").read_text().splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                root, names = self._cgroups, ("memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                root = self._cgroups / "memory"
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            else:
                continue
            # In a container the path is the host's, and not there; the container's own group is the root.
            group = root / path.lstrip("/")
            while True:
                found.append((group, *names))
                if group == root:
                    break
                group = group.parent
        return found


def _left_bytes(group: Path, limit_name: str, usage_name: str, cache_name: str) -> int:
    try:
        # "max" where there is no limit.
        limit_bytes = int((group / limit_name).read_text())
        used_bytes = int((group / usage_name).read_text())
    except (OSError, ValueError):
        return UNKNOWN
    # Files that were read once count as used, and go when memory is wanted.
    return limit_bytes - used_bytes + _table(group / "memory.stat").get(cache_name, 0)


def _table(path: Path) -> dict[str, int]:
    try:
        rows = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) >= 2 and row[1].isdigit()}
