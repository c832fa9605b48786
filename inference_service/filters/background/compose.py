"""A person before another background: blurred surroundings, and the person's own colour along soft edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.vision.people.matte import LEAST_EXPONENT

SHARPEST, SOFTEST = 0.06, 0.45
"""Half the width of the ramp of the matte (0..1) that becomes an edge, at edge softness 0 and 1."""
MARGIN_REACH = 0.35
"""How far the middle of that ramp moves at a margin of 1 or -1."""
LEAST_SHARE = 2e-3
"""With which the person counts in the blur, so that there is a colour where a neighbourhood is all person."""
EDGE_RADIUS = 2.5
"""Deviation, in pixels of the small picture, of the blur that guesses a colour beside an edge."""


def alpha_of(matte: Tensor, softness: Tensor, margin: Tensor) -> Tensor:
    """Return the share of the person in each pixel, 0..1; softness and margin (N, 1, 1, 1) in 0..1 and -1..1.

    A smooth step, whose both ends are level, so that an edge begins nowhere.
    """
    half_width = SHARPEST + (SOFTEST - SHARPEST) * softness
    middle = 0.5 - MARGIN_REACH * margin
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


def surroundings(small: Tensor, alpha: Tensor, deviation: Tensor) -> Tensor:
    """Return (N, 3, h, w): the small picture (levels) blurred without its person.

    In squares of the levels, nearer to light, so that lamps spread as they do in a lens.
    """
    # The pixels beside a person hold some of its colour too.
    person = nnf.max_pool2d(alpha, 3, stride=1, padding=1)
    return blurred(small.square(), (1 - person).clamp_(min=LEAST_SHARE), deviation).sqrt_()


def edge_colours(small: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Return two (N, 3, h, w): the colour of the person and of its surroundings, near to each pixel."""
    deviation = torch.full((len(small),), EDGE_RADIUS, device=small.device)
    person = blurred(small, alpha.clamp(min=LEAST_SHARE), deviation)
    return person, blurred(small, (1 - alpha).clamp_(min=LEAST_SHARE), deviation)


def cleaned(pictures: Tensor, alpha: Tensor, person: Tensor, around: Tensor) -> Tensor:
    """Return the person's own colour where the picture shows a mixture with what is behind; all of one size.

    M. Forte, "Approximate Fast Foreground Colour Estimation" (arXiv:2006.14970), equation 5: what the
    mixture of both guesses leaves unexplained belongs to the person.
    """
    guess = around + alpha * (person - around)
    return torch.addcmul(person, alpha, pictures - guess)
