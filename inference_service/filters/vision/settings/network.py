"""What an operator may set of every network: its numbers, and the file of its weights."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from inference_service.filters import base
from inference_service.filters.vision.networks.precision import Precision


class NetworkSettings(base.Settings):
    """Base of the settings of a filter with one network and one file."""

    precision: Precision = Field(
        default="auto",
        title="Precision",
        description="Of the network's numbers; auto is float16 on a GPU and float32 on a CPU.",
    )
    weights: Path | None = Field(
        default=None,
        title="Weights",
        description="A file with the model's weights, instead of the downloaded one.",
    )
