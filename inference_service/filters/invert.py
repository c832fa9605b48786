"""The negative of every frame: 255 - RGB. With `busy_ms` as slow as wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from inference_service.filters import base
from inference_service.filters.passthrough import BusyParams


class Invert(base.Filter):
    """The smallest filter that changes every pixel."""

    name = "invert"
    title = "Invert"
    description = "The negative of the picture."
    Params = BusyParams
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        return 255 - batch

    def least_batch_ms(self, items: Sequence[base.Item]) -> float:
        return max(float(item.params.busy_ms) for item in items)
