"""The negative of every frame: 255 - RGB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from inference_service.filters import base
from inference_service.filters.passthrough import Busy


class Invert(base.Filter):
    """The smallest filter that changes every pixel."""

    name = "invert"
    title = "Invert"
    description = "The negative of the picture."
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        return 255 - batch


class BusyInvert(Busy, Invert):
    """With `busy_ms`."""
