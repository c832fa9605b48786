"""The size at which a picture goes through the networks."""

from __future__ import annotations

import math

MULTIPLE = 64
"""Pixels: the autoencoder halves a picture three times, the denoiser three times more."""
ASPECT_COUNTS = 4.0
"""How much worse a changed aspect is than a changed area, both as logarithms."""


def working_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Return (width, height), multiples of 64 of about `side` squared pixels and nearly the picture's aspect.

    The models were trained on pictures of one area; at another they draw worse. What changes of the aspect
    (5 % at most, of cameras at a side of 512) is undone when the result is brought to the picture's size.
    """
    aspect = width / height

    def cost(candidate: tuple[int, int]) -> tuple[float, int]:
        area = math.log(candidate[0] * candidate[1] / side**2)
        change = math.log(candidate[0] / candidate[1] / aspect)
        return ASPECT_COUNTS * abs(change) + abs(area), candidate[0] * candidate[1]

    limit = range(MULTIPLE, 4 * side + 1, MULTIPLE)
    across = sorted(limit, key=lambda one: abs(one - side * aspect**0.5))[:4]
    down = sorted(limit, key=lambda one: abs(one - side / aspect**0.5))[:4]
    return min(((one, other) for one in across for other in down), key=cost)
