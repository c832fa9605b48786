"""Noise kept down before shadows are made brighter: over time, as far as nothing moves.

What is kept of the last picture is its result, so noise fades over several frames (a recursive mean). Where
a neighbourhood changes by more than noise would, the new picture holds. What changes is looked for in half of
the lines and columns, as that costs a quarter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.vision.enlarge import halved
from inference_service.filters.vision.people.matte import box_mean

REACH = 1
"""Of the neighbourhood in which a change is told from noise, in pixels of half the size."""
MOST_KEPT = 0.85
"""Share of the last picture at a noise reduction of 1, where nothing changes."""
LEAST_NOISE, MOST_NOISE = 0.6, 12.0
"""Mean change in levels that noise is taken to make, at least and at most."""
BENDS_TO_CHANGE = 0.5
"""Mean change that noise makes, against the mean bend between neighbours: with noise of deviation s, 0.80 s
against 1.95 s, and somewhat more, as a last picture has noise too."""
CERTAIN, MOVED = 1.6, 3.0
"""Times the noise: up to the first nothing has changed, from the second on nothing of the last is kept."""
GAMMA_OFFSET = 34.0
"""Levels: noise is taken to fall as 1 / (luma + this), since a camera's gamma spreads what is dark."""
SAMPLING = 8
"""Every eighth place of every eighth row tells how much noise there is."""


def kept_share(luma: Tensor, last: Tensor, wish: Tensor) -> Tensor:
    """Return (N, 1, H / 2, W / 2) in 0..1: how much of the `last` result to keep.

    Both (N, 1, H, W) levels above black; `wish` (N, 1, 1, 1) is how much noise reduction is wanted, 0..1.
    """
    change = box_mean(halved((luma - last).abs_()), REACH)
    # A camera that moves changes everything, and what is full of detail bends: the lesser of both is noise.
    spread = halved(luma).clamp_(min=0).add_(GAMMA_OFFSET).mul_(1 / (2 * GAMMA_OFFSET))
    change = change.mul_(spread)
    middle = change[..., ::SAMPLING, ::SAMPLING].flatten(1).median(1).values
    noise = torch.minimum(middle, BENDS_TO_CHANGE * _bend(luma))
    noise = noise.clamp(LEAST_NOISE, MOST_NOISE)[:, None, None, None]
    way = 1 / (MOVED - CERTAIN)
    return change.mul_(-way / noise).add_(MOVED * way).clamp_(0, 1).mul_(MOST_KEPT * wish)


def _bend(luma: Tensor) -> Tensor:
    """Return (N,): the mean of second differences along some of the rows."""
    some = luma[..., ::SAMPLING, :]
    if some.shape[-1] < 3:
        return some.new_zeros(len(some))
    return (some[..., :-2] - 2 * some[..., 1:-1] + some[..., 2:]).abs_().mean((1, 2, 3))
