"""From a network's rough map to the share of a person in each pixel: soft along edges, steady over time.

Edges: the guided filter (K. He, J. Sun, X. Tang, "Guided Image Filtering", TPAMI 2013), which explains the
map in each neighbourhood as a straight line of the picture's luminance; its lines are found in a small picture
and applied to the large one (K. He, J. Sun, "Fast Guided Filter", arXiv:1505.00996).

Time: each pixel keeps a share of its last value, as far as the picture did not change there. The share is so
small that half a second of frames leaves next to nothing of whatever was before.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601-7, 2.5.1."""
RADIUS = 4
"""Of a neighbourhood, in pixels of the small picture: half of what one pixel of the network's map covers."""
EVENNESS = 4e-4
"""The variance of luminance (0..1) below which a neighbourhood counts as even: the paper's epsilon."""
FRAMES_PER_S = 30.0
"""What `sequence` counts, at most."""
MEMORY_S = 0.12
"""Time in which a pixel of a still picture forgets all but 1/e, at the highest steadiness."""
FORGOTTEN_S = 0.5
"""After so long without a frame nothing of the last one is used."""
CHANGE = 0.035
"""The change of luminance (0..1) at which a pixel keeps only 1/e of that share."""
NOISE = 0.008
"""Of a camera's luminance, averaged over a few pixels: this much of a change is none."""


class Lines(NamedTuple):
    """The matte as a straight line of luminance at each pixel: `slope * luminance + offset`."""

    slope: Tensor
    offset: Tensor

    def at(self, luminance: Tensor) -> Tensor:
        """Return the matte, (N, 1, H, W), of a picture of any size; beyond 0..1 in places."""
        size = luminance.shape[-2:]
        if self.slope.shape[-2:] == size:
            return torch.addcmul(self.offset, self.slope, luminance)
        both = torch.cat((self.slope, self.offset), dim=1)
        both = nnf.interpolate(both, size, mode="bilinear", align_corners=False)
        return torch.addcmul(both[:, 1:], both[:, :1], luminance)


def luminance(levels: Tensor) -> Tensor:
    """Return (N, 1, H, W) float32 in 0..1 of (N, 3, H, W) RGB levels."""
    red, green, blue = (levels[:, channel : channel + 1] for channel in range(3))
    weights = [weight / 255 for weight in LUMA]
    result = red.to(torch.float32) * weights[0]
    return result.add_(green, alpha=weights[1]).add_(blue, alpha=weights[2])


def guided(luminance: Tensor, matte: Tensor, radius: int = RADIUS, evenness: float = EVENNESS) -> Lines:
    """Return the lines that explain `matte` by `luminance`, both (N, 1, h, w) float32."""
    maps = torch.cat((luminance, matte, luminance * luminance, luminance * matte), dim=1)
    mean_i, mean_p, mean_ii, mean_ip = box_mean(maps, radius).split(1, dim=1)
    slope = (mean_ip - mean_i * mean_p) / ((mean_ii - mean_i * mean_i).clamp_(min=0) + evenness)
    offset = mean_p - slope * mean_i
    lines = box_mean(torch.cat((slope, offset), dim=1), radius)
    return Lines(lines[:, :1], lines[:, 1:])


def box_mean(maps: Tensor, radius: int) -> Tensor:
    """Return the mean of each square of `2 * radius + 1` pixels, at borders of its part inside."""
    side = 2 * radius + 1
    rows = nnf.avg_pool2d(maps, (1, side), stride=1, padding=(0, radius), count_include_pad=False)
    return nnf.avg_pool2d(rows, (side, 1), stride=1, padding=(radius, 0), count_include_pad=False)


def kept_share(steadiness: float, frames: int) -> float:
    """Return how much of the last matte a still pixel keeps, 0..1, `frames` (1 or more) after it."""
    passed_s = frames / FRAMES_PER_S
    if steadiness <= 0 or not 0 < passed_s <= FORGOTTEN_S:
        return 0.0
    return math.exp(-passed_s / (MEMORY_S * steadiness))


def steadied(
    matte: Tensor, luminance: Tensor, last_matte: Tensor, last_luminance: Tensor, kept: Tensor
) -> Tensor:
    """Return `matte` with the share `kept`, (N, 1, 1, 1), of the last one where the picture stands still.

    All others (N, 1, h, w) float32. Where somebody moves the new matte holds, so that no ghost stays behind.
    """
    change = box_mean((luminance - last_luminance).abs_(), 1).sub_(NOISE).clamp_(min=0)
    still = (change / CHANGE).square_().neg_().exp_()
    return torch.lerp(matte, last_matte, still * kept)
