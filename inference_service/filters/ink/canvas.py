"""A picture in the making: shapes to paste, colours and materials to fill them with, a camera to end with."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.float32]
"""(size, size, 3) RGB in [0, 1]; where a fill is wanted, one colour (3,) will do."""
Mask: TypeAlias = npt.NDArray[np.float32]
"""(size, size) in [0, 1]."""
Point: TypeAlias = tuple[float, float]
"""(x, y) in units of the picture's side."""
SUBPIXEL_BITS = 4


class Canvas:
    """A picture in the making: things are pasted over it, then it is photographed."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng = rng
        self.size = size
        self.image: Image = shaded(self, colour(rng), strength=rng.uniform(0.0, 0.6))

    def paste(self, mask: Mask, fill: Image) -> None:
        """Cover `mask` with `fill`, an image or one colour (3,)."""
        # Most things are small: touching the whole picture for each would take most of the time.
        left, top, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
        inside = np.s_[top : top + height, left : left + width]
        under = self.image[inside]
        under += mask[inside][..., None] * ((fill[inside] if fill.ndim == 3 else fill) - under)

    def darken(self, mask: Mask, amount: float) -> None:
        """Multiply what lies under `mask` by 1 - amount: shadows, folds, faint lines."""
        self.image *= (1 - amount * mask)[..., None]

    def soften(self, sigma: float) -> None:
        """Blur what has been drawn so far, as a lens does with what lies behind the person."""
        if sigma > 0.2:
            self.image = np.asarray(cv2.GaussianBlur(self.image, (0, 0), sigma), np.float32)

    def photograph(self) -> npt.NDArray[np.uint8]:
        """Return the picture as a camera would give it: lit, exposed, never perfectly sharp; uint8."""
        rng = self.rng
        light = 1 + rng.uniform(0.0, 0.35) * field(rng, self.size, 2)
        white_balance = rng.normal(1.0, 0.04, 3).astype(np.float32)
        self.image = self.image * light[..., None] * white_balance
        self.image = np.clip(self.image, 0, 1) ** np.float32(rng.uniform(0.75, 1.35))
        low, high = rng.uniform(0.0, 0.12), rng.uniform(0.85, 1.08)
        self.image = (low + (high - low) * self.image).astype(np.float32)
        self.soften(float(rng.choice([0.0, 0.5, 0.8, 1.2, 1.8], p=[0.2, 0.3, 0.25, 0.15, 0.1])))
        if rng.random() < 0.3:
            # Cameras sharpen; without this the network would not know their overshoot from an edge.
            soft = cv2.GaussianBlur(self.image, (0, 0), 1.2)
            self.image = self.image + rng.uniform(0.2, 0.8) * (self.image - soft)
        return (np.clip(self.image, 0, 1) * 255 + 0.5).astype(np.uint8)


def material(canvas: Canvas) -> Image:
    """Return a filled picture: one colour, shaded, with or without a texture."""
    rng = canvas.rng
    image = shaded(canvas, colour(rng), strength=rng.choice([0.0, rng.uniform(0, 0.7)]))
    kind = rng.integers(8)
    if kind >= 4:
        return image
    size, amount = canvas.size, rng.uniform(0.01, 0.13)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    if kind == 0:
        grain = rng.standard_normal((size, size)).astype(np.float32)
        grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 2.5)), np.float32)
        texture = grain / (grain.std() + 1e-6)
    elif kind == 1:
        angle = rng.uniform(0, np.pi)
        phase = (columns * np.cos(angle) + rows * np.sin(angle)) * rng.uniform(0.1, 1.2)
        texture = np.sin(phase + 3 * field(rng, size, 4))
    elif kind == 2:
        texture = field(rng, size, 6) + 0.6 * field(rng, size, 18) + 0.4 * field(rng, size, 50)
    else:
        pitch = rng.uniform(0.15, 0.8)
        texture = np.sign(np.sin(columns * pitch) * np.sin(rows * pitch))
    tint = rng.normal(1, 0.3, 3).astype(np.float32)
    return np.asarray(image + amount * texture[..., None] * tint, np.float32)


def shaded(canvas: Canvas, colour: Any, strength: float) -> Image:
    """Return `colour` under slowly changing light."""
    light = 1 + strength * field(canvas.rng, canvas.size, int(canvas.rng.integers(2, 5)))
    return np.asarray((light[..., None] * np.asarray(colour, np.float32)).clip(0, 1), np.float32)


def colour(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return one RGB colour, (3,); muted ones are commoner than vivid ones, as in rooms."""
    value, saturation = rng.beta(1.3, 1.1), rng.beta(1.0, 1.8)
    hue = rng.random(3)
    hue = (hue - hue.min()) / (np.ptp(hue) + 1e-6)
    return np.asarray(value * (1 - saturation * (1 - hue)), np.float32)


def field(rng: np.random.Generator, size: int, cells: int) -> Mask:
    """Return smooth noise in about [-1, 1] with `cells` hills across."""
    coarse = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def ellipse(canvas: Canvas, centre: Point, width: float, height: float, softness: float) -> Mask:
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = [(centre[0] + width * np.cos(t), centre[1] + height * np.sin(t)) for t in turn]
    return polygon(canvas, points, softness)


def polygon(canvas: Canvas, points: Any, softness: float) -> Mask:
    mask = np.zeros((canvas.size, canvas.size), np.uint8)
    cv2.fillPoly(mask, [subpixels(canvas, points)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return softened(share(mask), softness)


def curve(canvas: Canvas, points: Any, thickness: float, softness: float) -> Mask:
    """Return a line through `points`, smooth where there are three, `thickness` in units of the side."""
    path = np.asarray(points, np.float64)
    if len(path) == 3:
        along = np.linspace(0, 1, 16)[:, None]
        middle = 2 * path[1] - (path[0] + path[2]) / 2
        path = (1 - along) ** 2 * path[0] + 2 * along * (1 - along) * middle + along**2 * path[2]
    mask = np.zeros((canvas.size, canvas.size), np.uint8)
    width = max(1, round(thickness * canvas.size))
    cv2.polylines(mask, [subpixels(canvas, path)], False, 255, width, cv2.LINE_AA, SUBPIXEL_BITS)
    return softened(share(mask), softness)


def share(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.asarray(levels.astype(np.float32) / 255, np.float32)


def softened(mask: Mask, sigma: float) -> Mask:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32) if sigma > 0.2 else mask


def subpixels(canvas: Canvas, points: Any) -> npt.NDArray[np.int32]:
    """Return points in units of the side as OpenCV's fixed-point pixels."""
    return np.asarray(np.round(np.asarray(points) * canvas.size * (1 << SUBPIXEL_BITS)), np.int32)


def turned(points: list[Point], angle: float) -> list[Point]:
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    return [(x * cos - y * sin, x * sin + y * cos) for x, y in points]
