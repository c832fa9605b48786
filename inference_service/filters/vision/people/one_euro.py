"""Points that stand still while a person does, and follow at once when they move: the 1 Euro filter.

G. Casiez, N. Roussel, D. Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012, equations 1 to 6: a low-pass whose cutoff rises with the speed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

SPEED_CUTOFF_HZ = 0.5
"""Of the low-pass that calms the speed."""
HZ_PER_SPEED = 30.0
"""How much the cutoff rises for each side of a region that a point moves in a second: the paper's beta."""
CALMEST_HZ, QUICKEST_HZ = 0.1, 15.0
"""Cutoff of a point at rest, at the highest and at the lowest steadiness: the paper's fcmin."""


class Steady(NamedTuple):
    """Points at rest or moving; both (..., P, 2) float32."""

    points: Tensor
    """Pixels of the picture."""
    speed: Tensor
    """Pixels in a second."""


def cutoff_hz(steadiness: float) -> float:
    """Return the cutoff of a point at rest for a steadiness in 0..1; infinite at 0."""
    if steadiness <= 0:
        return math.inf
    return QUICKEST_HZ * math.pow(CALMEST_HZ / QUICKEST_HZ, steadiness)


def follow(new: Tensor, last: Steady, side: Tensor, passed_s: Tensor, rest_hz: Tensor) -> Steady:
    """Return `new` points (..., P, 2), calmed by the `last` ones.

    `side` (...) are the sides in pixels of what the points belong to: a near hand moves by more pixels than a
    far one. `passed_s` and `rest_hz` (...) are the time since `last` and the cutoff at rest.
    """
    passed_s, rest_hz, side = (one[..., None, None] for one in (passed_s, rest_hz, side))
    way = (new - last.points) / passed_s
    speed = torch.lerp(last.speed, way, _share(torch.full_like(passed_s, SPEED_CUTOFF_HZ), passed_s))
    sides_in_s = torch.linalg.vector_norm(speed, dim=-1, keepdim=True) / side.clamp(min=1)
    points = torch.lerp(last.points, new, _share(rest_hz + HZ_PER_SPEED * sides_in_s, passed_s))
    return Steady(points, speed)


def _share(cutoff: Tensor, passed_s: Tensor) -> Tensor:
    """Return the weight of the new value: 1 / (1 + 1 / (2 pi f t))."""
    turns = 2 * math.pi * cutoff * passed_s
    # An infinite cutoff has the weight 1.
    return torch.where(turns.isinf(), 1.0, turns / (1 + turns))
