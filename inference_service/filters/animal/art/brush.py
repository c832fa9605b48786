"""What all drawings share: sheets of paint, strokes of fur, smooth outlines, and relief made of them.

Drawn once, when the filter is loaded, at `DRAWN` pixels; kept in several smaller sizes, so that a drawing is
never shrunk by much when it is shown. Chance comes from fixed seeds: the same drawing every time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWN = 512
SIZES = (256, 128, 64, 32)
Floats = NDArray[np.float32]
RGB = tuple[int, int, int]
Points = Sequence[tuple[float, float]]
Flow = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""From places (u, v) in 0..1 to the direction in which fur lies there."""
Tint = Callable[[Floats, Floats], Floats]
"""From places to (n, 3) levels of 0..255."""
_SHIFT = 4


@dataclass(frozen=True, slots=True)
class Sprite:
    """A drawing in the sizes of `SIZES`, largest first; some have none above the second."""

    paint: tuple[Floats, ...]
    """(S, S, 4): red, green, blue in 0..255, multiplied by alpha, and alpha in 0..1."""
    relief: tuple[Floats, ...]
    """(S, S, 2): how far the surface leans to the right and down, about -1 to 1."""


class Sheet:
    """A sheet of `DRAWN` pixels; places are 0..1 from its upper left corner."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self._paint = np.zeros((DRAWN, DRAWN, 4), np.uint8)

    def fill(self, mask: Floats, rgb: RGB, lower: RGB | None = None) -> None:
        """Paint where the mask (0..1) is; with `lower` the colour changes from top to bottom."""
        # Most masks are small: a spot, a nostril.
        rows, columns = extent(mask)
        share = np.linspace(0, 1, DRAWN, dtype=np.float32)[rows, None, None]
        over = np.full((*mask[rows, columns].shape, 4), 255, np.float32)
        over[..., :3] = floats(rgb) * (1 - share) + floats(lower or rgb) * share
        part = mask[rows, columns, None]
        piece = self._paint[rows, columns]
        piece[:] = np.rint(piece * (1 - part) + over * part)

    def fur(
        self,
        mask: Floats,
        flow: Flow,
        colour: Tint,
        count: int,
        length: float,
        width: float = 2.0,
        rough: float = 0.25,
        vary: float = 0.14,
    ) -> None:
        """Paint `count` hairs whose roots lie in the mask, those at the far ends first.

        `colour` gives (n, 3) levels for roots (u, v); `rough` is the deviation of directions in radians,
        `vary` that of brightness.
        """
        weights = mask.ravel() / max(float(mask.sum()), 1e-6)
        roots = self.chance.choice(mask.size, count, p=weights / weights.sum())
        v, u = (floats(axis + self.chance.random(count)) / DRAWN for axis in np.divmod(roots, DRAWN))
        to_u, to_v = flow(floats(u), floats(v))
        angle = np.arctan2(to_v, to_u) + self.chance.normal(0, rough, count)
        bend = self.chance.normal(0, 0.35, count)
        long = length * (0.55 + 0.9 * self.chance.random(count))
        steps = np.linspace(0, 1, 5)[:, None]
        turned = angle + bend * steps
        x = u + np.cumsum(np.cos(turned) * long / 4, 0) - np.cos(turned[0]) * long / 4
        y = v + np.cumsum(np.sin(turned) * long / 4, 0) - np.sin(turned[0]) * long / 4
        tone = 1 + self.chance.normal(0, vary, (count, 1))
        levels = np.clip(colour(floats(u), floats(v)) * tone, 0, 255)
        # What lies nearer to the root covers what lies farther along, as shingles do.
        order = np.argsort(-(u * np.cos(angle) + v * np.sin(angle)), kind="stable")
        lines = np.rint(np.stack((x.T, y.T), -1) * DRAWN * 2**_SHIFT).astype(np.int32, order="C")
        for hair in order:
            ink = (*levels[hair].tolist(), 255)
            line = lines[hair]
            cv2.polylines(self._paint, [line[:4]], False, ink, max(1, round(width)), cv2.LINE_AA, _SHIFT)
            cv2.polylines(self._paint, [line[3:]], False, ink, 1, cv2.LINE_AA, _SHIFT)

    def shade(self, factor: Floats) -> None:
        """Multiply the colours by (DRAWN, DRAWN) numbers."""
        colours = self._paint[..., :3] * factor[..., None]
        self._paint[..., :3] = np.rint(np.minimum(colours, self._paint[..., 3:]))

    def fade(self, share: Floats) -> None:
        """Let the drawing be seen by (DRAWN, DRAWN) shares only."""
        self._paint = np.rint(self._paint * share[..., None]).astype(np.uint8, order="C")

    def line(self, points: Points, rgb: RGB, width: float) -> None:
        """Paint a smooth line that ends in a point."""
        curve = smooth(points, closed=False)
        for number, (start, end) in enumerate(pairwise(curve)):
            thick = width * (1 - number / len(curve))
            pair = np.rint(np.stack((start, end)) * DRAWN * 2**_SHIFT).astype(np.int32)
            share = 255 * min(1.0, thick)
            ink = (*(round(level * share / 255) for level in rgb), round(share))
            cv2.polylines(self._paint, [pair], False, ink, max(1, round(thick)), cv2.LINE_AA, _SHIFT)

    def done(self, height: Floats, depth: float = 1.0, most: int = SIZES[0]) -> Sprite:
        """Return the drawing with the relief of a height map (DRAWN, DRAWN), in pixels.

        What is always shown small needs no size above `most`.
        """
        lean_v, lean_u = np.gradient(height * depth)
        relief = np.stack((-lean_u, -lean_v), -1)
        relief = relief / np.sqrt(1 + np.square(relief).sum(-1, keepdims=True))
        paint = self._paint.astype(np.float32)
        paint[..., 3] /= 255
        sizes = [min(size, most) for size in SIZES]
        return Sprite(
            tuple(_shrunk(paint, size) for size in sizes),
            tuple(_shrunk(floats(relief), size) for size in sizes),
        )


def _shrunk(values: Floats, size: int) -> Floats:
    return floats(cv2.resize(values, (size, size), interpolation=cv2.INTER_AREA))


def floats(values: ArrayLike) -> Floats:
    """Return an array of float32."""
    return np.asarray(values, np.float32)


def darker(rgb: RGB, share: float) -> RGB:
    """Return that share of a colour's light."""
    red, green, blue = (round(level * share) for level in rgb)
    return red, green, blue


def grid() -> tuple[Floats, Floats]:
    """Return u and v of every pixel of a sheet."""
    steps = (np.arange(DRAWN, dtype=np.float32) + 0.5) / DRAWN
    return np.broadcast_to(steps, (DRAWN, DRAWN)), np.broadcast_to(steps[:, None], (DRAWN, DRAWN))


def smooth(points: Points, closed: bool = True, steps: int = 14) -> NDArray[np.float64]:
    """Return a curve through all points (Catmull-Rom), (n, 2)."""
    given = np.array(points, float)
    ends = (
        np.concatenate((given[-1:], given, given[:2]))
        if closed
        else np.concatenate((2 * given[:1] - given[1:2], given, 2 * given[-1:] - given[-2:-1]))
    )
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = []
    for a, b, c, d in zip(ends[:-3], ends[1:-2], ends[2:-1], ends[3:], strict=True):
        parts.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    if not closed:
        parts.append(given[-1:])
    return np.concatenate(parts)


def area(points: Points, soft: float = 0.0) -> Floats:
    """Return 0..1 where the inside of a smooth outline is; `soft` blurs its edge, in sheet widths."""
    mask = np.zeros((DRAWN, DRAWN), np.uint8)
    corners = np.rint(smooth(points) * DRAWN * 2**_SHIFT).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, _SHIFT)
    return blurred(floats(mask / 255), soft)


def ellipse(u0: float, v0: float, half_u: float, half_v: float, soft: float = 0.0) -> Floats:
    """Return 0..1 where an ellipse is."""
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    return area([(u0 + half_u * np.cos(a), v0 + half_v * np.sin(a)) for a in turn], soft)


def blurred(mask: Floats, deviation: float) -> Floats:
    """Return the mask blurred by a Gaussian; its deviation in sheet widths."""
    if deviation <= 0 or not mask.any():
        return mask
    # Beyond this OpenCV's Gaussian has ended, and 0 stays 0.
    rows, columns = extent(mask, 2 + round(4 * deviation * DRAWN))
    made = np.zeros_like(mask)
    made[rows, columns] = cv2.GaussianBlur(mask[rows, columns], (0, 0), deviation * DRAWN)
    return made


def extent(mask: Floats, margin: int = 0) -> tuple[slice, slice]:
    """Return the rows and columns in which the mask is not 0, and so many more as far as there are."""
    left, top, width, height = cv2.boundingRect((mask != 0).astype(np.uint8))
    low_y, low_x = max(0, top - margin), max(0, left - margin)
    return slice(low_y, top + height + margin), slice(low_x, left + width + margin)


def dome(mask: Floats, reach: float) -> Floats:
    """Return the height of a cushion of this outline, in pixels; `reach` in sheet widths is its rounding."""
    inside = floats(cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5))
    part = np.clip(inside / (reach * DRAWN), 0, 1)
    return blurred(floats(np.sqrt(1 - (1 - part) ** 2) * reach * DRAWN * 0.6), 0.012)


def plain(colour: RGB) -> Tint:
    """Return one colour for all hairs."""
    return lambda u, v: np.broadcast_to(floats(colour), (len(u), 3))


def upwards(u0: float) -> Flow:
    """Return a flow up, that draws together towards the middle."""
    return lambda u, v: ((u0 - u) * 0.8, -1 + 0 * v)


def towards(u0: float, v0: float, pull: float) -> Flow:
    """Return a flow to a place; below 0 away from it."""
    return lambda u, v: ((u0 - u) * pull, (v0 - v) * pull)
