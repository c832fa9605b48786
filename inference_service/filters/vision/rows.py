"""Parameters of many sessions as numbers on the device: one row each, made once, moved up in one piece."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
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
        self._make = make
        self._device = device
        self._kept: OrderedDict[Key, np.ndarray] = OrderedDict()

    def stack(self, keys: Sequence[Key]) -> Tensor:
        """Return (N, P) float32 on the device, without waiting for it."""
        return upload(np.stack([self._row(key) for key in keys]), self._device)

    def _row(self, key: Key) -> np.ndarray:
        row = self._kept.get(key)
        if row is None:
            row = self._kept[key] = self._make(key)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return row


def upload(values: np.ndarray, device: torch.device) -> Tensor:
    """Return an array on the device; from pinned memory, so that the copy does not wait for a GPU."""
    host = torch.from_numpy(values)
    if device.type != "cuda":
        return host.to(device)
    return host.pin_memory().to(device, non_blocking=True)
