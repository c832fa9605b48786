"""Planes made brighter where they are dark: one gain for all of a neighbourhood, so that its contrast stays.

small luma ── gain of each place ── as lines over luma (guided filter) ── gain of each pixel ── luma, chroma

Edges of the picture are edges of the gain, so no light spills from a window over the head before it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.light import exposure
from inference_service.filters.vision.enlarge import enlarged, halved
from inference_service.filters.vision.people.matte import box_mean, guided

BLACK, RANGE, GREY = 16, 219, 128
"""Levels of black luma and of grey chroma, and of luma from black to white: ITU-R BT.601-7, 2.5.3."""
SMALL_LINES = 120
"""Lines of the small luma, about."""
RADIUS = 5
"""Of a neighbourhood, in pixels of the small luma."""
EVENNESS = 4e-3
"""Variance of luma (0..1) below which a neighbourhood counts as even."""
FLATNESS = 6e-4
"""The same, of a neighbourhood in which detail may be noise."""
MOST_FLATTENED = 0.6
"""Share of an even neighbourhood's detail that is taken out at a noise reduction of 1 and a gain of 3."""
COLOUR = 0.92
"""How much of the gain colours have: in the dark they are mostly noise."""


class Planes(NamedTuple):
    """N pictures, float32 levels less those of black luma and of grey chroma."""

    luma: Tensor
    """(N, 1, H, W)."""
    chroma: Tensor
    """(N, 2, H / 2, W / 2)."""


def small_size(height: int, width: int) -> tuple[int, int]:
    """Return (height, width) of the small luma: a whole number of times smaller."""
    times = max(1, round(min(height, width) / SMALL_LINES))
    return max(1, height // times), max(1, width // times)


def brightened(planes: Planes, small: Tensor, need: Tensor, most: Tensor, calm: Tensor) -> Planes:
    """Return the pictures with the gain that their places need.

    `small` (N, 1, h, w): their luma less black, shrunk. `need` (N, 2) and `most` (N, 1, 1, 1): see
    `exposure.gain`. `calm` (N, 1, 1, 1), 0..1: how much noise reduction is wanted.
    """
    luma = planes.luma
    gains = exposure.gain((small * (1 / RANGE)).clamp(0, 1), need, most)
    gain = torch.minimum(guided(small, gains, RADIUS, EVENNESS).at(luma).clamp_(min=1), most)
    # Where the picture is even, what differs from its line is noise.
    even = guided(small, small, RADIUS, FLATNESS).at(luma)
    half = halved(gain).sub_(1)
    kept = 1 - (half / 2).clamp(max=1) * (MOST_FLATTENED * calm)
    luma = even.lerp_(luma, enlarged(kept, (luma.shape[2], luma.shape[3]))).mul_(gain)
    smooth = torch.lerp(planes.chroma, box_mean(planes.chroma, 1), half.clamp(max=1) * calm)
    return Planes(luma, smooth.mul_(half.mul_(COLOUR).add_(1)))
