"""Which numbers a network computes with."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from inference_service.errors import NotFinite

Precision = Literal["auto", "float32", "float16"]


def is_half(precision: Precision, device: torch.device) -> bool:
    """Return whether it is half precision; `auto` takes it on a GPU alone."""
    return precision == "float16" or (precision == "auto" and device.type == "cuda")


def require_finite(module: nn.Module, dtype: torch.dtype) -> None:
    """Raise NotFinite, which names the layer, where a folded layer's numbers leave `dtype`.

    A norm whose variance is tiny multiplies by its inverse root: thousands, for channels that are never used.
    """
    for name, value in module.named_parameters():
        if not value.to(dtype).isfinite().all():
            raise NotFinite(f"{name} is not finite as {dtype}".replace("torch.", ""))


def own_dtype(device: torch.device) -> torch.dtype:
    """Return what the networks in the project compute with: half precision but on a CPU."""
    return torch.float32 if device.type == "cpu" else torch.float16
