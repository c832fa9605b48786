"""The same model for half precision: what costs time and changes nothing but rounding is folded away."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FINE = "index_uv_lowres"
COARSE = "ann_index_lowres"


def fold_norms(model: nn.Module) -> None:
    """Fold every frozen batch norm into its convolution, in place; the model is still in single precision."""
    from detectron2.layers import FrozenBatchNorm2d

    for layer in model.modules():
        norm = getattr(layer, "norm", None)
        if not isinstance(layer, nn.Conv2d) or not isinstance(norm, FrozenBatchNorm2d):
            continue
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        bias = norm.bias - norm.running_mean * scale
        if layer.bias is not None:
            bias = bias + layer.bias * scale
        layer.weight = _fixed(layer.weight * scale[:, None, None, None])
        layer.bias = _fixed(bias)
        layer.norm = None  # type: ignore[assignment] # of detectron2's convolution, which has one or none


def flatten_channels_last(fc: nn.Linear, channels: int) -> None:
    """Reorder the columns of a layer over a flattened (C, s, s) grid for one flattened as (s, s, C)."""
    side = int((fc.in_features // channels) ** 0.5)
    grid = fc.weight.view(fc.out_features, channels, side, side)
    fc.weight = _fixed(grid.permute(0, 2, 3, 1).reshape(fc.out_features, -1).contiguous())


def segmentation_layer(predictor: nn.Module) -> nn.ConvTranspose2d:
    """Return one layer that gives the coarse maps and then the fine ones, (M, 27, ...)."""
    coarse, fine = getattr(predictor, COARSE), getattr(predictor, FINE)
    channels = coarse.out_channels + fine.out_channels
    both = nn.ConvTranspose2d(
        coarse.in_channels, channels, coarse.kernel_size, stride=coarse.stride, padding=coarse.padding
    )
    both.weight = _fixed(torch.cat((coarse.weight, fine.weight), dim=1))
    both.bias = _fixed(torch.cat((coarse.bias, fine.bias)))
    return both


def _fixed(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value, requires_grad=False)
