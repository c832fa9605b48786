"""Every frame back as it came, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field

from inference_service.filters import base


class BusyParams(base.Params):
    """Parameters of the filters for tests of capacity, on workers with `--test-params` alone: whoever may set
    them slows a worker for everybody.
    """

    busy_ms: float = Field(
        0.0, ge=0, le=2000, title="Busy", description="A batch lasts at least this many ms."
    )


class Passthrough(base.Filter):
    """The planes are not even looked at."""

    name = "passthrough"
    title = "Passthrough"
    description = "The camera as it is, by way of a worker."
    works_on: ClassVar[Literal["rgb", "i420"]] = "i420"
    needs_pictures = False
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        return batch


class Busy(base.Filter):
    """Beside a filter: keeps a worker as busy as a slow model would."""

    Params = BusyParams

    def least_batch_ms(self, items: Sequence[base.Item]) -> float:
        return max(float(item.params.busy_ms) for item in items)


class BusyPassthrough(Busy, Passthrough):
    """With `busy_ms`."""
