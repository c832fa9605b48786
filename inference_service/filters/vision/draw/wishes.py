"""How heads are to be covered: what each session wishes, for the host and as numbers on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, get_args

from torch import Tensor

from inference_service.filters.vision.draw.masks import Style

SQUARES_ACROSS = 8
"""Most squares across a cover: with more of them somebody may be known by their face."""
ROWS_OF_ALL = 8
"""Squares from top to bottom where the whole picture is covered."""
SCALE, RED, GREEN, BLUE, SIDE, KIND = range(6)
"""Columns of `Wishes.numbers`."""
STYLES = get_args(Style)
KINDS = ("mosaic", "blur", *STYLES)
"""What KIND counts: a mode, or the style of a mask."""


class Wishes(NamedTuple):
    """How N pictures are to be covered: for the host, and as numbers on the device."""

    modes: Sequence[str]
    """`mosaic`, `blur` or `mask`, of each."""
    styles: Sequence[Style]
    sides: Sequence[int]
    """Pixels of the smallest squares."""
    numbers: Tensor
    """(N, 6) float32: a cover's radius against that of its head; a mask's colour, RGB in [0, 255]; the side
    and the KINDS of the above."""

    @property
    def scale(self) -> Tensor:
        """(N,) float32: a cover's radius against that of its head."""
        return self.numbers[:, SCALE]

    @property
    def colour(self) -> Tensor:
        """(N, 3) float32, RGB in [0, 255], of a mask."""
        return self.numbers[:, RED : BLUE + 1]

    def of(self, number: int) -> Wishes:
        """Return those of one picture."""
        one = slice(number, number + 1)
        return Wishes(self.modes[one], self.styles[one], self.sides[one], self.numbers[one])
