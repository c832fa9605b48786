"""Which numbers a network computes with."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "float16"]


def is_half(precision: Precision, device: torch.device) -> bool:
    """Return whether it is half precision; `auto` takes it on a GPU alone."""
    return precision == "float16" or (precision == "auto" and device.type == "cuda")


def own_dtype(device: torch.device) -> torch.dtype:
    """Return what the networks in the project compute with: half precision but on a CPU."""
    return torch.float32 if device.type == "cpu" else torch.float16
