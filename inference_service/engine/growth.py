"""States that grow from frame to frame, found by their size after 32, 64, 128 and 256 frames."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch

logger = logging.getLogger(__name__)

LOOKS = (32, 64, 128, 256)
"""Frames of one session. A memory of the last second, bounded as it should be, is full after the second."""
FACTOR = 1.5
"""Between two looks; what keeps something of each frame grows by two."""
MOST_NODES = 100_000


class Growth:
    """Tells once of each filter that its states grow. The loop's thread only."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def look(self, name: str, frames: int, state: Mapping[str, Any], sizes: list[int]) -> None:
        """Look at the state of a session of the filter `name` after so many frames.

        `sizes` is what earlier looks have found, in bytes; this one adds its own.
        """
        if frames not in LOOKS or name in self._told:
            return
        sizes.append(size_bytes(state))
        if len(sizes) == len(LOOKS) and all(b > a * FACTOR for a, b in pairwise(sizes)):
            self._told.add(name)
            logger.warning(
                "filter %s: the state of a session grows: %d bytes after %d frames, %d after %d; keep no "
                "more than half a second of the past",
                *(name, sizes[0], LOOKS[0], sizes[-1], LOOKS[-1]),
            )


def size_bytes(value: object) -> int:
    """Return about how much memory a value holds: containers, tensors by their whole storage, arrays."""
    seen: set[int] = set()
    total, waiting = 0, [value]
    while waiting and len(seen) < MOST_NODES:
        one = waiting.pop()
        if isinstance(one, torch.Tensor):
            storage = one.untyped_storage()
            if storage.data_ptr() not in seen:
                seen.add(storage.data_ptr())
                total += storage.nbytes()
            continue
        if id(one) in seen:
            continue
        seen.add(id(one))
        total += one.nbytes if isinstance(one, np.ndarray) else sys.getsizeof(one)
        waiting.extend(parts(one))
    return total


def parts(value: object) -> Iterable[object]:
    """Return what a container or an object refers to; nothing of anything else."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset | deque):
        return list(value)
    return list(vars(value).values()) if hasattr(value, "__dict__") and not isinstance(value, type) else []
