"""Layers made cheaper without changing what they compute, but for rounding."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def fixed(value: Tensor) -> nn.Parameter:
    """Return a parameter that is not trained."""
    return nn.Parameter(value, requires_grad=False)


def fold_norm(layer: nn.Conv2d, norm: nn.Module) -> None:
    """Put a frozen batch norm behind `layer` into it, in place; both are still in single precision."""
    weight, bias, mean, variance = (
        getattr(norm, name) for name in ("weight", "bias", "running_mean", "running_var")
    )
    eps: float = norm.eps  # type: ignore[assignment]
    scale = weight * torch.rsqrt(variance + eps)
    moved = bias - mean * scale
    if layer.bias is not None:
        moved = moved + layer.bias * scale
    layer.weight = fixed(layer.weight * scale[:, None, None, None])
    layer.bias = fixed(moved)


def flatten_channels_last(fc: nn.Linear, channels: int) -> None:
    """Reorder the columns of a layer over a flattened (C, s, s) grid for one flattened as (s, s, C)."""
    side = int((fc.in_features // channels) ** 0.5)
    grid = fc.weight.view(fc.out_features, channels, side, side)
    fc.weight = fixed(grid.permute(0, 2, 3, 1).reshape(fc.out_features, -1).contiguous())
