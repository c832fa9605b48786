"""From a matte to the share of the person in each pixel: how soft an edge is, and where it lies."""

from __future__ import annotations

import torch
from torch import Tensor

SHARPEST, SOFTEST = 0.06, 0.45
"""Half the width of the ramp of the matte (0..1) that becomes an edge, at edge softness 0 and 1."""
MIDDLE = 0.45
"""Of that ramp: a finger that is lost is worse than a little of the room that stays."""
MARGIN_REACH = 0.35
"""How far the middle moves at a margin of 1 or -1."""


def alpha_of(matte: Tensor, softness: Tensor, margin: Tensor) -> Tensor:
    """Return the share of the person in each pixel, 0..1; softness and margin (N, 1, 1, 1) in 0..1 and -1..1.

    A smooth step, whose both ends are level, so that an edge begins nowhere.
    """
    half_width = SHARPEST + (SOFTEST - SHARPEST) * softness
    # Neither end may leave 0..1, where sure pixels are.
    middle = torch.minimum(torch.maximum(MIDDLE - MARGIN_REACH * margin, half_width), 1 - half_width)
    ramp = torch.addcmul((half_width - middle) / (2 * half_width), matte, 1 / (2 * half_width)).clamp_(0, 1)
    return (3 - 2 * ramp).mul_(ramp).mul_(ramp)
