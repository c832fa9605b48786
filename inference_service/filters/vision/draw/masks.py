"""Masks for heads, drawn by formulas of the place on the head, so that edges are smooth at any size and tilt.

A place is (u, v): u to the right of the upright head, v down, 1 from its middle to its chin. What is left and
right alike is drawn once, by |u|. Everything inside the ellipse of `COVER` is opaque.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Style = Literal["fox", "smile"]
COVER = (0.88, 1.0)
"""Half the width and height of what has to be hidden, in u and v."""

_DARK = (52.0, 38.0, 38.0)
_WHITE = (252.0, 246.0, 238.0)
_BLUSH = (240.0, 110.0, 110.0)
_MOUTH = (120.0, 28.0, 36.0)
MOST_TURN = 0.8
"""Sine of the angle beyond which a drawn face turns no further, as its far eye would be gone."""
NODDING = 0.6
"""Share of a nod that is drawn: a drawn face moves less than a nose does."""
REACH = 1.75
"""No mask reaches farther from the head's middle, in radii."""


class Places(NamedTuple):
    """Where each pixel lies on the head nearest to it, all (N, H, W) float32."""

    u: Tensor
    v: Tensor
    radius: Tensor
    """Of that head, in pixels; 0 where there is none."""
    turn: Tensor
    nod: Tensor
    mouth: Tensor
    """Of that head: see `vision.people.heads.Heads.mimic`."""


def drawn(style: Style, places: Places, colour: Tensor) -> tuple[Tensor, Tensor]:
    """Return a mask's colours (N, 3, H, W), float32 RGB in [0, 255], and how much of each pixel it covers.

    `colour` (N, 3): of its fur or skin.
    """
    sheet = _Sheet(places, colour)
    {"fox": _fox, "smile": _smile}[style](sheet)
    return sheet.colours, sheet.cover[:, None]


class _Sheet:
    """Paint on paint; a shape is its distance to the border, positive inside, as a function of the place.

    The ground is where the head is. After `turn_to_face` places are those on a face that is painted on a
    ball, which turns and nods.
    """

    def __init__(self, places: Places, colour: Tensor) -> None:
        self.u, self.side, self.v = places.u, places.u.abs(), places.v
        self._places = places
        self._pixels = places.radius
        self._own = colour[:, :, None, None]
        self.colours = self._own.expand(-1, -1, *places.u.shape[1:]).clone()
        self.cover = torch.zeros_like(places.u)

    def ground(self, *shapes: Tensor) -> None:
        """Cover with the mask's own colour."""
        for inside in shapes:
            self.cover = torch.maximum(self.cover, self._share(inside))

    def paint(self, inside: Tensor, rgb: tuple[float, float, float] | None, opacity: float = 1.0) -> None:
        """Paint over what is there; None: in a darker kind of the mask's own colour."""
        share = (self._share(inside) * opacity)[:, None]
        for channel in range(3):
            level = self._own[:, channel] * 0.62 if rgb is None else rgb[channel]
            self.colours[:, channel] += share[:, 0] * (level - self.colours[:, channel])

    def turn_to_face(self) -> None:
        """Let what is painted from now on follow the head's turn and nod."""
        depth = (1 - self.u.square() - self.v.square()).clamp(min=0).sqrt()
        turn, nod = (
            angle.clamp(-MOST_TURN, MOST_TURN) for angle in (self._places.turn, self._places.nod * NODDING)
        )
        self.u = self.u * (1 - turn.square()).sqrt() - depth * turn
        self.v = self.v * (1 - nod.square()).sqrt() - depth * nod
        self.side = self.u.abs()

    def opening(self, top: float, half_width: float) -> Tensor:
        """Return a mouth that opens downwards from `top` as the head's own does; nothing where closed."""
        mouth = self._places.mouth
        half = (0.16 * mouth).clamp(min=1e-3)
        away = torch.hypot(self.u / half_width, (self.v - top - half) / half)
        return torch.where(mouth > 0.1, (1 - away) * half, -1.0)

    def ellipse(self, x: Tensor, centre: tuple[float, float], half: tuple[float, float]) -> Tensor:
        """Round `centre`; `x` is `u`, or `side` for a pair."""
        away = torch.hypot((x - centre[0]) / half[0], (self.v - centre[1]) / half[1])
        return (1 - away) * min(half)

    def triangle(self, *corners: tuple[float, float], rounding: float = 0.0) -> Tensor:
        """A pair of triangles, corners clockwise as one sees them on the right."""
        inside: Tensor | None = None
        for (x1, y1), (x2, y2) in zip(corners, (*corners[1:], corners[0]), strict=True):
            length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
            edge = ((x2 - x1) * (self.v - y1) - (y2 - y1) * (self.side - x1)) / length
            inside = edge if inside is None else torch.minimum(inside, edge)
        assert inside is not None
        return inside + rounding

    def arc(
        self, x: Tensor, centre: tuple[float, float], radius: float, thickness: float, from_v: float
    ) -> Tensor:
        """A piece of a ring: what lies below `from_v`."""
        away = torch.hypot(x - centre[0], self.v - centre[1])
        return torch.minimum(thickness / 2 - (away - radius).abs(), self.v - from_v)

    def _share(self, inside: Tensor) -> Tensor:
        return (inside * self._pixels + 0.5).clamp(0, 1) * (self._pixels > 0)


def _fox(sheet: _Sheet) -> None:
    ears = sheet.triangle((0.2, -0.7), (0.86, -1.42), (0.94, -0.25))
    cheeks = sheet.triangle((0.3, -0.3), (1.24, 0.42), (0.3, 1.0))
    head = sheet.ellipse(sheet.u, (0.0, 0.0), (1.0, 1.04))
    sheet.ground(ears, cheeks, head)
    outline = torch.maximum(cheeks, head) - 0.05
    sheet.paint(sheet.triangle((0.42, -0.8), (0.8, -1.2), (0.84, -0.55)), _DARK)
    sheet.turn_to_face()
    white = sheet.ellipse(sheet.side, (0.5, 0.52), (0.48, 0.46))
    chin = sheet.ellipse(sheet.u, (0.0, 0.74), (0.66, 0.36))
    sheet.paint(torch.minimum(outline, torch.maximum(white, chin)), _WHITE)
    sheet.paint(sheet.ellipse(sheet.side, (0.72, 0.2), (0.15, 0.08)), _BLUSH, 0.35)
    sheet.paint(sheet.ellipse(sheet.side, (0.42, -0.1), (0.11, 0.16)), _DARK)
    sheet.paint(sheet.ellipse(sheet.side, (0.46, -0.17), (0.035, 0.045)), _WHITE)
    sheet.paint(sheet.ellipse(sheet.u, (0.0, 0.5), (0.14, 0.1)), _DARK)
    sheet.paint(sheet.arc(sheet.side, (0.12, 0.62), 0.12, 0.035, 0.64), _DARK)
    sheet.paint(sheet.opening(0.7, 0.2), _MOUTH)


def _smile(sheet: _Sheet) -> None:
    head = sheet.ellipse(sheet.u, (0.0, 0.0), (1.0, 1.04))
    sheet.ground(head)
    sheet.paint(0.05 - head.abs().where(head > 0, -head), None)
    sheet.turn_to_face()
    sheet.paint(sheet.ellipse(sheet.side, (0.66, 0.22), (0.16, 0.1)), _BLUSH, 0.45)
    sheet.paint(sheet.ellipse(sheet.side, (0.34, -0.2), (0.1, 0.17)), _DARK)
    sheet.paint(sheet.ellipse(sheet.side, (0.37, -0.27), (0.03, 0.05)), _WHITE)
    sheet.paint(sheet.arc(sheet.u, (0.0, 0.08), 0.52, 0.085, 0.26), _DARK)
    sheet.paint(sheet.ellipse(sheet.side, (0.488, 0.26), (0.0425, 0.0425)), _DARK)
    sheet.paint(sheet.opening(0.4, 0.3), _MOUTH)
