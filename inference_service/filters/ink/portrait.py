"""A person before a blurred room, face and hair included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from inference_service.filters.ink.canvas import (
    Canvas,
    Point,
    colour,
    curve,
    ellipse,
    material,
    polygon,
    shaded,
    turned,
)
from inference_service.filters.ink.scenes import draw_hair, draw_pile

SKIN_RGB = np.array(
    [[0.98, 0.84, 0.75], [0.91, 0.71, 0.58], [0.80, 0.58, 0.44], [0.62, 0.42, 0.30], [0.38, 0.25, 0.19]],
    np.float32,
)


def draw_portrait(canvas: Canvas) -> None:
    """Draw a person before a blurred room: shoulders, neck, head, hair and a face."""
    rng = canvas.rng
    draw_pile(canvas)
    canvas.soften(rng.choice([0.0, 1.5, 3.0, 6.0]))
    scale = rng.uniform(0.16, 0.42)
    x, y = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.6)
    at = _placed(x, y, scale, rng.normal(0, 0.12))
    skin = _mixed(rng, SKIN_RGB) * rng.normal(1.0, 0.03, 3).astype(np.float32)
    hair_rgb = np.clip(_mixed(rng, SKIN_RGB) * rng.uniform(0.05, 0.9) + rng.normal(0, 0.03), 0.02, 1)
    lines = rng.uniform(0.2, 0.9)
    has_long_hair = rng.random() < 0.5

    if has_long_hair:
        canvas.paste(ellipse(canvas, at(0, 0.3), 1.15 * scale, 1.5 * scale, 1.0), hair_rgb.astype(np.float32))
        draw_hair(canvas, at(0, 0.6), 1.1 * scale, hair_rgb, int(rng.integers(60, 200)))
    body = [at(-2.4, 3.5), at(-2.1, 1.9), at(-0.7, 1.4), at(0.7, 1.4), at(2.1, 1.9), at(2.4, 3.5)]
    cloth = material(canvas)
    canvas.paste(polygon(canvas, [at(-0.5, 0.6), at(0.5, 0.6), at(0.6, 1.7), at(-0.6, 1.7)], 0.8), skin * 0.8)
    canvas.paste(polygon(canvas, body, 0.8), cloth)
    canvas.paste(polygon(canvas, [at(-0.55, 1.35), at(0.55, 1.35), at(0, 2.2)], 0.8), colour(rng))
    for _ in range(int(rng.integers(2, 9))):
        fold = [at(*rng.normal((0, 2.4), (1.2, 0.5))) for _ in range(3)]
        canvas.darken(
            curve(canvas, fold, rng.uniform(0.01, 0.06), rng.uniform(0.5, 3)), rng.uniform(0.2, 0.6)
        )

    face = shaded(canvas, skin, strength=rng.uniform(0.05, 0.35))
    head = ellipse(canvas, at(0, 0), rng.uniform(0.75, 0.88) * scale, scale * 1.05, rng.uniform(0.5, 1.2))
    for side in (-1, 1):
        canvas.paste(ellipse(canvas, at(side * 0.84, 0.1), 0.14 * scale, 0.24 * scale, 0.8), skin * 0.85)
    canvas.paste(head, face + rng.uniform(0, 0.03) * rng.standard_normal(face.shape).astype(np.float32))
    canvas.darken(head * ellipse(canvas, at(rng.choice([-1, 1]), 0.2), 0.8 * scale, 1.4 * scale, 10), 0.3)
    canvas.image += 0.12 * (head * ellipse(canvas, at(0.3, -0.5), 0.3 * scale, 0.2 * scale, 5))[..., None]
    _features(canvas, at, scale, skin, hair_rgb, lines)
    if rng.random() < 0.85:
        fringe = [at(-0.95, -0.1), at(-0.8, -0.9), at(0, -1.3), at(0.8, -0.9), at(0.95, -0.1)]
        fringe += [at(0.6, -0.6), at(rng.uniform(-0.4, 0.4), rng.uniform(-0.8, -0.5)), at(-0.6, -0.5)]
        canvas.paste(polygon(canvas, fringe, 1.0), hair_rgb.astype(np.float32))
        draw_hair(canvas, at(0, -0.9), 0.7 * scale, hair_rgb, int(rng.integers(40, 160)))


def _features(
    canvas: Canvas, at: Callable[[float, float], Point], scale: float, skin: Any, hair_rgb: Any, lines: float
) -> None:
    """Draw eyes, brows, nose, mouth, creases and sometimes glasses into a face of radius `scale`."""
    rng = canvas.rng
    iris = np.array([[0.3, 0.2, 0.1], [0.3, 0.5, 0.65], [0.35, 0.45, 0.3]], np.float32)[rng.integers(3)]
    dark = skin * 0.25
    for side in (-1, 1):
        eye = at(side * 0.36, -0.1)
        canvas.darken(ellipse(canvas, at(side * 0.36, -0.14), 0.26 * scale, 0.2 * scale, 4), 0.3 * lines)
        opening = rng.uniform(0.05, 0.1)
        canvas.paste(
            ellipse(canvas, eye, 0.16 * scale, opening * scale, 0.6), np.array([0.93, 0.92, 0.9], np.float32)
        )
        canvas.paste(ellipse(canvas, eye, 0.075 * scale, opening * scale, 0.4), iris)
        canvas.paste(ellipse(canvas, eye, 0.035 * scale, 0.035 * scale, 0.3), iris * 0.1)
        lid = [at(side * 0.36 + dx, -0.1 + dy) for dx, dy in ((-0.18, 0.02), (0, -0.11), (0.18, 0.02))]
        canvas.paste(curve(canvas, lid, 0.03 * scale, 0.5) * lines, dark)
        brow = [at(side * 0.36 + dx, -0.32 + dy) for dx, dy in ((-0.2, 0.04), (0, -0.03), (0.2, 0.04))]
        canvas.paste(curve(canvas, brow, rng.uniform(0.03, 0.08) * scale, 1.0), hair_rgb.astype(np.float32))
        canvas.darken(ellipse(canvas, at(side * 0.1, 0.33), 0.04 * scale, 0.025 * scale, 0.8), 0.7 * lines)
        crease = [at(side * 0.2, 0.3), at(side * 0.34, 0.45), at(side * 0.4, 0.65)]
        canvas.darken(curve(canvas, crease, 0.03 * scale, 1.5), 0.5 * lines * rng.random())
    nose = [at(0.05, -0.05), at(0.12, 0.2), at(0.14, 0.32), at(0.0, 0.38)]
    canvas.darken(curve(canvas, nose, 0.04 * scale, 1.2), 0.5 * lines)
    lip = np.clip(skin * np.array([0.95, 0.6, 0.6], np.float32), 0, 1)
    canvas.paste(ellipse(canvas, at(0, 0.6), 0.27 * scale, rng.uniform(0.06, 0.12) * scale, 0.8), lip)
    if rng.random() < 0.4:
        canvas.paste(
            ellipse(canvas, at(0, 0.6), 0.2 * scale, 0.05 * scale, 0.6),
            np.array([0.95, 0.94, 0.9], np.float32),
        )
    else:
        mouth = [at(-0.26, 0.6), at(0, 0.6 + rng.normal(0, 0.04)), at(0.26, 0.6)]
        canvas.paste(curve(canvas, mouth, 0.02 * scale, 0.5) * lines, dark)
    for _ in range(int(rng.integers(0, 7))):
        x, y = rng.normal(0, 0.4, 2)
        wrinkle = [at(x - 0.2, y), at(x, y + rng.normal(0, 0.05)), at(x + 0.2, y)]
        canvas.darken(curve(canvas, wrinkle, 0.015 * scale, 0.8), rng.uniform(0.05, 0.3))
    if rng.random() < 0.3:
        thickness = rng.uniform(0.02, 0.05) * scale
        for side in (-1, 1):
            turn = np.linspace(0, 2 * np.pi, 17)
            rim = [at(side * 0.38 + 0.27 * np.cos(t), -0.06 + 0.2 * np.sin(t)) for t in turn]
            canvas.paste(curve(canvas, rim, thickness, 0.5), colour(rng) * 0.5)
        canvas.paste(curve(canvas, [at(-0.12, -0.1), at(0.12, -0.1)], thickness, 0.5), dark)
    if rng.random() < 0.2:
        beard = ellipse(canvas, at(0, 0.75), 0.6 * scale, 0.4 * scale, 4)
        canvas.paste(beard * np.float32(rng.uniform(0.2, 0.8)), hair_rgb.astype(np.float32))


def _mixed(rng: np.random.Generator, palette: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a colour between two neighbours of `palette`, (n, 3)."""
    first = int(rng.integers(len(palette) - 1))
    share = np.float32(rng.random())
    return np.asarray(palette[first] * (1 - share) + palette[first + 1] * share, np.float32)


def _placed(x: float, y: float, scale: float, angle: float) -> Callable[[float, float], Point]:
    """Return the map from a head's own coordinates (radius 1, y down) to the picture's."""

    def at(across: float, down: float) -> Point:
        ((a, b),) = turned([(across * scale, down * scale)], angle)
        return x + a, y + b

    return at
