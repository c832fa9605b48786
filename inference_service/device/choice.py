"""Which device a worker runs on.

Workers of one host share their GPUs by lock files. A worker holds one slot of its GPU while it lives, and
`auto` takes the GPU with the fewest held slots. `flock` locks vanish with their process, also a killed one.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

from inference_service.device.gpus import Gpu
from inference_service.errors import DeviceError
from shared import run_dir
from shared.errors import RunDirError

MAX_SLOTS = 64


@dataclass(slots=True)
class Device:
    """The device taken, with the lock that says so to other workers."""

    torch: torch.device
    label: str
    _lock_fd: int | None = None

    def release(self) -> None:
        """Let another worker count one less on this device; safe to call twice."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def take(wish: str, gpus: Sequence[Gpu], folder: Path) -> Device:
    """Take a device: `auto`, `cpu`, `cuda` or `cuda:N`. Raises DeviceError, which says what there is."""
    if wish == "cpu" or (wish == "auto" and not gpus):
        return Device(torch.device("cpu"), "cpu")
    if not gpus:
        raise DeviceError(f"{wish} was asked for, but torch finds no CUDA device here")
    if wish in ("auto", "cuda"):
        candidates = list(gpus)
    else:
        index = int(wish.partition(":")[2])
        candidates = [gpu for gpu in gpus if gpu.index == index]
        if not candidates:
            raise DeviceError(f"{wish} was asked for, but there are only {', '.join(map(_torch_name, gpus))}")
    try:
        gpu, lock_fd = _take_least_used(candidates, folder)
    except RunDirError as exc:
        raise DeviceError(f"lock files: {exc}") from exc
    except OSError as exc:
        raise DeviceError(
            f"lock files cannot be kept in {folder} ({exc.strerror}); set {run_dir.VARIABLE} to a folder of "
            "this user"
        ) from exc
    return Device(torch.device("cuda", gpu.index), f"{_torch_name(gpu)} ({gpu.name})", lock_fd)


def _torch_name(gpu: Gpu) -> str:
    return f"cuda:{gpu.index}"


def _take_least_used(gpus: Sequence[Gpu], folder: Path) -> tuple[Gpu, int]:
    run_dir.make(folder)
    # One worker chooses at a time, else two that start together would count alike.
    choosing = _open(folder / "device.lock")
    try:
        fcntl.flock(choosing, fcntl.LOCK_EX)
        free = {gpu: _free_slots(gpu, folder) for gpu in gpus}
        gpu = max(gpus, key=lambda one: len(free[one]))
        for slot in free[gpu]:
            if (lock_fd := _lock(slot)) is not None:
                return gpu, lock_fd
    finally:
        os.close(choosing)
    raise DeviceError(f"all {MAX_SLOTS} places on {_torch_name(gpu)} are taken by other workers")


def _free_slots(gpu: Gpu, folder: Path) -> list[Path]:
    stem = "gpu-" + re.sub(r"[^\w-]", "_", gpu.uuid)
    free = []
    for number in range(MAX_SLOTS):
        slot = folder / f"{stem}.{number}.lock"
        if not slot.exists():
            free.append(slot)
        elif (lock_fd := _lock(slot)) is not None:
            os.close(lock_fd)
            free.append(slot)
    return free


def _lock(path: Path) -> int | None:
    lock_fd = _open(path)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock_fd)
        return None
    return lock_fd


def _open(path: Path) -> int:
    # Never through a link that someone else laid into a shared temp folder.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
