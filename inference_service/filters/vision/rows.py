"""Parameters of many sessions as numbers on the device: one row each, made once, moved up in one piece."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

Key = TypeVar("Key", bound=Hashable)

MAX_KEPT = 256


class Rows(Generic[Key]):
    """Rows by what they are made of. One thread only."""

    def __init__(self, make: Callable[[Key], np.ndarray], device: torch.device) -> None:
        """`make` returns (P,) float32, always of one length."""
        self._row = lru_cache(MAX_KEPT)(make)
        self._device = device

    def stack(self, keys: Sequence[Key]) -> Tensor:
        """Return (N, P) float32 on the device, without waiting for it."""
        return upload(np.stack([self._row(key) for key in keys]), self._device)


def upload(values: np.ndarray, device: torch.device) -> Tensor:
    """Return an array on the device; from pinned memory, so that the copy does not wait for a GPU."""
    host = torch.from_numpy(values)
    if device.type != "cuda":
        return host.to(device)
    return host.pin_memory().to(device, non_blocking=True)
