"""Which numbers a network computes with."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import torch
from torch import nn

from inference_service.errors import NotFinite

Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""Of networks whose answers are maps, classes, or small moves of boxes."""
OwnPrecision = Literal["auto", "float32", "float16"]
"""Of the networks in the project. Most give points in pixels, and the eight bits of bfloat16 tell no
neighbours apart beyond 256. Single precision costs a GPU little of such small networks."""
LEAST_BFLOAT16 = (8, 0)
"""Compute capability from which on a GPU has units for it: Ampere."""


def dtype_of(precision: Precision, device: torch.device) -> torch.dtype:
    """Return which numbers those are; `auto` is half precision on a GPU, and single precision on a CPU."""
    if precision == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    found: torch.dtype = getattr(torch, precision)
    return found


def safer(precision: str, choices: Collection[str], device: torch.device) -> str | None:
    """Return which of `choices` to take where `precision` gave a GPU no finite numbers; None: there is none.

    bfloat16 reaches as far as single precision does, to 3e38; half precision reaches to 65504.
    """
    order = ("float16", "bfloat16", "float32")
    precision = "float16" if precision == "auto" else precision
    if precision not in order:
        return None
    has_units = torch.cuda.get_device_capability(device) >= LEAST_BFLOAT16
    left = [one for one in order[order.index(precision) + 1 :] if one in choices]
    return next((one for one in left if one != "bfloat16" or has_units), None)


def require_finite(module: nn.Module, dtype: torch.dtype) -> None:
    """Raise NotFinite, which names the layer, where a folded layer's numbers leave `dtype`.

    A norm whose variance is tiny multiplies by its inverse root: thousands, for channels that are never used.
    """
    for name, value in module.named_parameters():
        if not value.to(dtype).isfinite().all():
            raise NotFinite(f"{name} is not finite as {dtype}".replace("torch.", ""))
