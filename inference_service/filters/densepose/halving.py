"""The same model for half precision: what costs time and changes nothing but rounding is folded away."""

from __future__ import annotations

import torch
from torch import nn

from inference_service.filters.vision.networks.folding import fixed, fold_norm
from inference_service.filters.vision.networks.precision import require_finite

FINE = "index_uv_lowres"
COARSE = "ann_index_lowres"


def fold_norms(model: nn.Module, dtype: torch.dtype) -> None:
    """Fold every frozen batch norm into its convolution, in place; the model is still in single precision.

    Raises NotFinite where `dtype` cannot hold what comes of it.
    """
    from detectron2.layers import FrozenBatchNorm2d

    for layer in model.modules():
        norm = getattr(layer, "norm", None)
        if not isinstance(layer, nn.Conv2d) or not isinstance(norm, FrozenBatchNorm2d):
            continue
        fold_norm(layer, norm)
        layer.norm = None  # type: ignore[assignment] # of detectron2's convolution, which has one or none
    require_finite(model, dtype)


def segmentation_layer(predictor: nn.Module) -> nn.ConvTranspose2d:
    """Return one layer that gives the coarse maps and then the fine ones, (M, 27, ...)."""
    coarse, fine = getattr(predictor, COARSE), getattr(predictor, FINE)
    channels = coarse.out_channels + fine.out_channels
    both = nn.ConvTranspose2d(
        coarse.in_channels, channels, coarse.kernel_size, stride=coarse.stride, padding=coarse.padding
    )
    both.weight = fixed(torch.cat((coarse.weight, fine.weight), dim=1))
    both.bias = fixed(torch.cat((coarse.bias, fine.bias)))
    return both
