"""What an operator may set of filters that use the networks in the project."""

from __future__ import annotations

from pydantic import Field

from inference_service.filters import base
from inference_service.filters.vision.networks.precision import OwnPrecision


class OwnSettings(base.Settings):
    """Base of the settings of such a filter."""

    precision: OwnPrecision = Field(
        default="auto",
        title="Precision",
        description="Of the networks' numbers; auto is float16 on a GPU and float32 on a CPU.",
    )
    cuda_graphs: bool = Field(
        default=True,
        title="CUDA graphs",
        description="Record a GPU's work once, then replay it.",
    )
