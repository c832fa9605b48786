"""From a network's rough map to the share of a person in each pixel: soft along edges, steady over time.

Edges: the guided filter (K. He, J. Sun, X. Tang, "Guided Image Filtering", TPAMI 2013), which explains the
map in each neighbourhood as a linear function of the picture's colour. The function is found in a small
picture and applied to the large one (K. He, J. Sun, "Fast Guided Filter", arXiv:1505.00996).

Time: each pixel keeps a share of its last value, as far as the picture did not change there. The share is so
small that half a second of frames leaves next to nothing of whatever was before.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.vision.enlarge import enlarged

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601-7, 2.5.1."""
RADIUS = 4
"""Of a neighbourhood, in pixels of the small picture: half of what one pixel of the network's map covers."""
EVENNESS = 1e-3
"""The variance of levels (0..1) below which a neighbourhood counts as even: the paper's epsilon."""
FRAMES_PER_S = 30.0
"""What `sequence` counts, at most."""
MEMORY_S = 0.12
"""Time in which a pixel of a still picture forgets all but 1/e, at the highest steadiness."""
FORGOTTEN_S = 0.5
"""After so long without a frame nothing of the last one is used."""
CHANGE = 0.035
"""The change of luminance (0..1) at which a pixel keeps only 1/e of that share."""
LEAST_EXPONENT = -30.0
"""Of an exponential: what is less has no effect, and numbers near zero make a CPU slow."""
NOISE = 0.008
"""Of a camera's luminance, averaged over a few pixels: this much of a change is none."""


class Lines(NamedTuple):
    """The matte as a linear function of colour around each pixel: `slope . levels + offset`."""

    slope: Tensor
    """(N, 3, h, w) float32, for red, green and blue levels in 0..255."""
    offset: Tensor
    """(N, 1, h, w) float32."""

    def at(self, levels: Tensor) -> Tensor:
        """Return the matte, (N, 1, H, W) float32, of RGB levels of any size; beyond 0..1 in places."""
        both = enlarged(torch.cat((self.slope, self.offset), dim=1), (levels.shape[2], levels.shape[3]))
        result = both[:, 3:]
        for channel in range(3):
            one = slice(channel, channel + 1)
            result = torch.addcmul(result, both[:, one], levels[:, one])
        return result


def luminance(levels: Tensor) -> Tensor:
    """Return (N, 1, H, W) float32 in 0..1 of (N, 3, H, W) RGB levels."""
    red, green, blue = (levels[:, channel : channel + 1] for channel in range(3))
    weights = [weight / 255 for weight in LUMA]
    result = red.to(torch.float32) * weights[0]
    return result.add_(green, alpha=weights[1]).add_(blue, alpha=weights[2])


def guided(levels: Tensor, matte: Tensor, radius: int = RADIUS, evenness: float = EVENNESS) -> Lines:
    """Return the lines that explain `matte`, (N, 1, h, w) float32, by RGB `levels` in 0..255, (N, 3, h, w).

    Equations 19 to 21 of the paper: slope = (covariance of colours + evenness) ** -1 times the covariance of
    colours and matte, the 3 x 3 inverse written out.
    """
    red, green, blue = (levels[:, channel : channel + 1].float() / 255 for channel in range(3))
    maps = (red, green, blue, matte)
    products = [a * b for a, b in (
        (red, red), (red, green), (red, blue), (green, green), (green, blue), (blue, blue),
        (red, matte), (green, matte), (blue, matte),
    )]  # fmt: skip
    means = box_mean(torch.cat((*maps, *products), dim=1), radius)
    r, g, b, p, rr, rg, rb, gg, gb, bb, rp, gp, bp = torch.chunk(means, 13, dim=1)
    rr, gg, bb = rr - r * r + evenness, gg - g * g + evenness, bb - b * b + evenness
    rg, rb, gb = rg - r * g, rb - r * b, gb - g * b
    rp, gp, bp = rp - r * p, gp - g * p, bp - b * p
    # The adjugate of the symmetric matrix, and its determinant by the first row.
    i_rr, i_rg, i_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    i_gg, i_gb, i_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * i_rr + rg * i_rg + rb * i_rb
    slopes = [
        (i_rr * rp + i_rg * gp + i_rb * bp) / determinant,
        (i_rg * rp + i_gg * gp + i_gb * bp) / determinant,
        (i_rb * rp + i_gb * gp + i_bb * bp) / determinant,
    ]
    offset = p - slopes[0] * r - slopes[1] * g - slopes[2] * b
    lines = box_mean(torch.cat((*slopes, offset), dim=1), radius)
    return Lines(lines[:, :3] / 255, lines[:, 3:])


def box_mean(maps: Tensor, radius: int) -> Tensor:
    """Return the mean of each square of `2 * radius + 1` pixels, at borders of its part inside.

    Two products with a band of ones: on a CPU a fifth of the time of torch's pooling.
    """
    down, across = (_band(size, radius, maps.device) for size in maps.shape[-2:])
    return torch.matmul(torch.matmul(down, maps), across.T)


def _band(size: int, radius: int, device: torch.device) -> Tensor:
    place = torch.arange(size, device=device)
    near = ((place[:, None] - place).abs() <= radius).to(torch.float32)
    return near / near.sum(dim=1, keepdim=True)


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
    still = (change / CHANGE).square_().neg_().clamp_(min=LEAST_EXPONENT).exp_()
    return torch.lerp(matte, last_matte, still * kept)
