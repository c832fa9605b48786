"""A person before another background: blurred surroundings, a person's own colour at edges, the room's light.

What is called tiny here is (N, 3, h, w) float32 levels of a picture of some 120 lines, in which all that is
soft is made.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.device.kernels.twin import Twin, kernel_of
from inference_service.filters.vision.people.matte import LEAST_EXPONENT, box_mean, largest

LEAST_SHARE = 2e-3
"""With which the person counts in the blur, so that there is a colour where a neighbourhood is all person."""
EDGE_RADIUS = 2
"""Of the square, in tiny pixels, whose mean guesses a colour beside an edge."""
WRAP_RADIUS = 0.033
"""How far the room's light reaches over the edge, against the picture's short side."""


def gaussian(size: int, deviation: Tensor) -> Tensor:
    """Return (N, size, size): by which a column is multiplied to blur it; deviation (N,) in its pixels.

    What lies beyond the ends counts nothing, so divide by what comes of a column of ones.
    """
    return GAUSSIAN(deviation, size, LEAST_EXPONENT)


def blurred(maps: Tensor, deviation: Tensor) -> Tensor:
    """Return (N, C, h, w) maps blurred as `gaussian` says; `deviation` (N,) is in pixels."""
    down, across = (gaussian(size, deviation)[:, None] for size in maps.shape[-2:])
    return down @ maps @ across


def surroundings(tiny: Tensor, alpha: Tensor, deviation: Tensor) -> Tensor:
    """Return (N, 3, h, w): the tiny picture blurred without its person.

    Each pixel counts as much as it is no person, so nothing bleeds from there. In squares of the levels,
    nearer to light, so that lamps spread as they do in a lens.
    """
    return UNWEIGHTED(blurred(WEIGHTED(tiny, alpha, LEAST_SHARE), deviation))


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


def _gaussian_by_torch(deviation: Tensor, size: int, least: float) -> Tensor:
    place = torch.arange(size, device=deviation.device, dtype=torch.float32)
    distance = place[:, None] - place
    exponent = distance.square().neg() / (2 * deviation.square()[:, None, None])
    return exponent.clamp_(min=least).exp_()


def _weighted_by_torch(tiny: Tensor, alpha: Tensor, least: float) -> Tensor:
    # The pixels beside a person hold some of its colour too.
    share = (1 - largest(alpha, 1)).clamp_(min=least)
    return torch.cat((tiny.square() * share, share), dim=1)


def _unweighted_by_torch(spread: Tensor) -> Tensor:
    return (spread[:, :3] / spread[:, 3:].clamp(min=1e-6)).sqrt_()


def _gaussian_samples(device: torch.device) -> list[tuple[Tensor, int, float]]:
    return [(torch.tensor([1.0, 2.5, 4.0, 8.4], device=device), size, LEAST_EXPONENT) for size in (120, 160)]


def _weighted_samples(device: torch.device) -> list[tuple[Tensor, Tensor, float]]:
    both = torch.rand((4, 4, 120, 160), device=device)
    return [(both[:, :3].contiguous(), both[:, 3:].contiguous(), LEAST_SHARE)]


def _unweighted_samples(device: torch.device) -> list[tuple[Tensor]]:
    return [(torch.rand((4, 4, 120, 160), device=device) + 0.1,)]


GAUSSIAN = Twin(
    "gaussian",
    _gaussian_by_torch,
    kernel_of("inference_service.filters.background.kernels.blur", "gaussian"),
    _gaussian_samples,
    off=0.001,
)
WEIGHTED = Twin(
    "weighted",
    _weighted_by_torch,
    kernel_of("inference_service.filters.background.kernels.blur", "weighted"),
    _weighted_samples,
    off=0.001,
)
UNWEIGHTED = Twin(
    "unweighted",
    _unweighted_by_torch,
    kernel_of("inference_service.filters.background.kernels.blur", "unweighted"),
    _unweighted_samples,
    off=0.001,
)
