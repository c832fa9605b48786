"""Every frame back as it came, bit for bit; with `busy_ms` it keeps a worker as busy as a slow model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field

from inference_service.filters import base


class BusyParams(base.Params):
    """Parameters of the filters for tests of capacity."""

    busy_ms: float = Field(
        0.0, ge=0, le=2000, title="Busy", description="A batch lasts at least this many ms."
    )


class Passthrough(base.Filter):
    """The planes are not even looked at."""

    name = "passthrough"
    title = "Passthrough"
    description = "The camera as it is, by way of a worker."
    Params = BusyParams
    works_on: ClassVar[Literal["rgb", "i420"]] = "i420"
    needs_pictures = False
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        return batch

    def least_batch_ms(self, items: Sequence[base.Item]) -> float:
        return max(float(item.params.busy_ms) for item in items)
