"""A person before another background: blurred surroundings, a person's own colour at edges, the room's light.

What is called tiny here is (N, 3, h, w) float32 levels of a picture of some 120 lines, in which all that is
soft is made.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.vision.people.matte import LEAST_EXPONENT, box_mean, largest

SHARPEST, SOFTEST = 0.06, 0.45
"""Half the width of the ramp of the matte (0..1) that becomes an edge, at edge softness 0 and 1."""
MIDDLE = 0.45
"""Of that ramp: a finger that is lost is worse than a little of the room that stays."""
MARGIN_REACH = 0.35
"""How far the middle moves at a margin of 1 or -1."""
LEAST_SHARE = 2e-3
"""With which the person counts in the blur, so that there is a colour where a neighbourhood is all person."""
EDGE_RADIUS = 2
"""Of the square, in tiny pixels, whose mean guesses a colour beside an edge."""
WRAP_RADIUS = 0.033
"""How far the room's light reaches over the edge, against the picture's short side."""


def alpha_of(matte: Tensor, softness: Tensor, margin: Tensor) -> Tensor:
    """Return the share of the person in each pixel, 0..1; softness and margin (N, 1, 1, 1) in 0..1 and -1..1.

    A smooth step, whose both ends are level, so that an edge begins nowhere.
    """
    half_width = SHARPEST + (SOFTEST - SHARPEST) * softness
    # Neither end may leave 0..1, where sure pixels are.
    middle = torch.minimum(torch.maximum(MIDDLE - MARGIN_REACH * margin, half_width), 1 - half_width)
    ramp = torch.addcmul((half_width - middle) / (2 * half_width), matte, 1 / (2 * half_width)).clamp_(0, 1)
    return (3 - 2 * ramp).mul_(ramp).mul_(ramp)


def gaussian(size: int, deviation: Tensor) -> Tensor:
    """Return (N, size, size): by which a column is multiplied to blur it; deviation (N,) in its pixels.

    What lies beyond the ends counts nothing, so divide by what comes of a column of ones.
    """
    place = torch.arange(size, device=deviation.device, dtype=torch.float32)
    distance = place[:, None] - place
    exponent = distance.square().neg() / (2 * deviation.square()[:, None, None])
    return exponent.clamp_(min=LEAST_EXPONENT).exp_()


def blurred(levels: Tensor, share: Tensor, deviation: Tensor) -> Tensor:
    """Return (N, 3, h, w) `levels` blurred, each pixel counting as much as `share`, (N, 1, h, w), says.

    So nothing bleeds from where the share is 0. `deviation` (N,) is the Gaussian's, in pixels.
    """
    down, across = (gaussian(size, deviation)[:, None] for size in levels.shape[-2:])
    spread = down @ torch.cat((levels * share, share), dim=1) @ across
    return spread[:, :3] / spread[:, 3:].clamp_(min=1e-6)


def surroundings(tiny: Tensor, alpha: Tensor, deviation: Tensor) -> Tensor:
    """Return (N, 3, h, w): the tiny picture blurred without its person.

    In squares of the levels, nearer to light, so that lamps spread as they do in a lens.
    """
    # The pixels beside a person hold some of its colour too.
    person = largest(alpha, 1)
    return blurred(tiny.square(), (1 - person).clamp_(min=LEAST_SHARE), deviation).sqrt_()


def edge_colours(tiny: Tensor, alpha: Tensor) -> Tensor:
    """Return tiny levels which, mixed with the picture by its alpha, give the person's own colour.

    M. Forte, "Approximate Fast Foreground Colour Estimation" (arXiv:2006.14970), equation 5, for guesses P of
    the person and A of its surroundings: F = P + a (I - a P - (1 - a) A) = a I + (1 - a) (P + a (P - A)).
    """
    person = _mean_of(tiny, alpha.clamp(min=LEAST_SHARE))
    around = _mean_of(tiny, (1 - alpha).clamp_(min=LEAST_SHARE))
    return torch.addcmul(person, alpha, person - around).clamp_(0, 255)


def _mean_of(levels: Tensor, share: Tensor) -> Tensor:
    spread = box_mean(box_mean(torch.cat((levels * share, share), dim=1), EDGE_RADIUS), EDGE_RADIUS)
    return spread[:, :3] / spread[:, 3:].clamp(min=1e-6)


def wrapped_light(room: Tensor, alpha: Tensor, strength: Tensor) -> Tensor:
    """Return tiny levels: the light of a tiny new `room` on a person's edge; strength (N, 1, 1, 1).

    Half of the room's at the edge, and less inside, where less of the neighbourhood is room.
    """
    radius = max(1, round(WRAP_RADIUS * min(room.shape[-2:])))
    return box_mean(box_mean(room * (1 - alpha), radius), radius).mul_(strength).clamp_(0, 255)
