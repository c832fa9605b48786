"""Skin made even, with its texture kept, and what on a face is skin at all.

Only a middle band of detail is taken away. What is finer than a pixel of the half-size sheet (pores, hairs)
is not in it. What is larger than the guided filter's squares stays (shadows, the shape of the face), and so
do edges (K. He, J. Sun, X. Tang, "Guided Image Filtering", TPAMI 2013).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.vision.people.matte import box_mean

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601-7, 2.5.1."""
RADIUS = 6
"""Of the squares, in pixels of a sheet of half the size."""
EVENNESS = 8e-3
"""The variance of luma (0..1) below which a square counts as even skin."""
HUE_REACH = 0.045
"""How far chromaticity may lie from that of the face's skin before it counts as something else."""
DARKEST, BRIGHTEST = 0.45, 2.2
"""Luma against that of the face's skin beyond which it is none: hair, frames of glasses; reflections."""


class Skin(NamedTuple):
    """What is known of K faces' skin; maps (K, 1, h, w) float32."""

    likeness: Tensor
    """0 to 1: how much a pixel looks like the skin of this face."""
    luma: Tensor
    """(K, 1, 1, 1): mean of the skin."""


def luma_of(sheets: Tensor) -> Tensor:
    """Return (K, 1, h, w) of sheets (K, 3, h, w) in [0, 1]."""
    red, green, blue = sheets.chunk(3, 1)
    luma: Tensor = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    return luma


def known_skin(sheets: Tensor, area: Tensor) -> Skin:
    """Return what of the sheets (K, 3, h, w) is like most of the `area` (K, 1, h, w) in which skin should be.

    So a hand, hair, or glasses before a face are told from it as far as their colour differs.
    """
    luma = luma_of(sheets)
    total = sheets.sum(1, keepdim=True).clamp(min=0.03)
    hue = sheets[:, :2] / total
    weight = area
    likeness, mean_luma = torch.ones_like(luma), luma.mean((1, 2, 3), keepdim=True)
    for _ in range(2):
        mass = weight.sum((1, 2, 3), keepdim=True).clamp(min=1e-3)
        mean_hue = (hue * weight).sum((2, 3), keepdim=True) / mass
        mean_luma = (luma * weight).sum((1, 2, 3), keepdim=True) / mass
        away = (hue - mean_hue).square().sum(1, keepdim=True) / HUE_REACH**2
        # Chromaticity of dark pixels is mostly noise.
        away = away * (total * 1.2).clamp(max=1)
        ratio = luma / mean_luma.clamp(min=0.01)
        is_between = _ramp(ratio, DARKEST - 0.15, DARKEST + 0.1) * _ramp(-ratio, -BRIGHTEST - 0.3, -BRIGHTEST)
        likeness = torch.exp(-0.5 * away.clamp(max=40)) * is_between
        weight = area * likeness
    return Skin(box_mean(likeness, 1), mean_luma)


def evened(sheets: Tensor) -> Tensor:
    """Return (K, 3, h, w): what is to be added to sheets of half the size to take their middle band away."""
    guide = luma_of(sheets)
    maps = torch.cat((guide, sheets, guide * guide, guide * sheets), 1)
    means = box_mean(maps, RADIUS)
    mean_guide, mean, mean_square, mean_product = means[:, :1], means[:, 1:4], means[:, 4:5], means[:, 5:]
    slope = (mean_product - mean_guide * mean) / (mean_square - mean_guide * mean_guide + EVENNESS)
    slope, offset = box_mean(torch.cat((slope, mean - slope * mean_guide), 1), RADIUS).chunk(2, 1)
    return torch.addcmul(offset, slope, guide) - sheets


def _ramp(values: Tensor, low: float, high: float) -> Tensor:
    share = ((values - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)
