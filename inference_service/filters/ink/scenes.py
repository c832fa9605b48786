"""Pictures without a person: piles of things, strokes, writing, flat patches of colour."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from inference_service.filters.ink.canvas import (
    SUBPIXEL_BITS,
    Canvas,
    Mask,
    Point,
    colour,
    curve,
    ellipse,
    material,
    polygon,
    share,
    softened,
    subpixels,
    turned,
)

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:-"


def draw_pile(canvas: Canvas) -> None:
    """Draw things of all sizes that hide one another; few are large, many are small."""
    rng = canvas.rng
    smallest = rng.uniform(0.02, 0.08)
    for size in sorted(smallest * (1 - rng.random(int(rng.integers(12, 70)))) ** -0.9, reverse=True):
        size = min(float(size), 0.9)
        mask = _blob(canvas, (rng.uniform(-0.1, 1.1), rng.uniform(-0.1, 1.1)), size)
        # Texture on small things is lost anyway, and making it is what takes the time.
        canvas.paste(mask, material(canvas) if size > 0.2 else colour(rng))
        if rng.random() < 0.1:
            canvas.soften(rng.uniform(0.3, 1.5))
    if rng.random() < 0.3:
        _write(canvas, lines=2)


def draw_strokes(canvas: Canvas) -> None:
    """Draw hair, fur or grass: hundreds of thin lines that run nearly together."""
    rng = canvas.rng
    if rng.random() < 0.5:
        draw_pile(canvas)
    for _ in range(int(rng.integers(1, 4))):
        centre = (rng.uniform(0, 1), rng.uniform(0, 1))
        draw_hair(canvas, centre, rng.uniform(0.2, 0.6), colour(rng), int(rng.integers(80, 320)))


def draw_writing(canvas: Canvas) -> None:
    """Draw a wall, a shelf or a page with bars and letters on it."""
    rng = canvas.rng
    canvas.image = material(canvas)
    for _ in range(int(rng.integers(2, 14))):
        x, y = rng.uniform(0, 1, 2)
        width, height = (rng.uniform(0.3, 1.2), rng.uniform(0.01, 0.2))[:: int(rng.choice([1, -1]))]
        angle = rng.choice([0.0, rng.normal(0, 0.2)])
        corners = turned([(-width, -height), (width, -height), (width, height), (-width, height)], angle)
        mask = polygon(canvas, [(x + a / 2, y + b / 2) for a, b in corners], rng.uniform(0, 1.0))
        canvas.paste(mask, material(canvas))
    _write(canvas, lines=int(rng.integers(2, 9)))


def draw_swatches(canvas: Canvas) -> None:
    """Large flat patches of strong colours: what a network makes of a red shirt, seen without anything else.

    Without these the network raised to full size showed a grid of up to 67 levels on saturated reds.
    """
    rng = canvas.rng
    cells = int(rng.integers(3, 6))
    side = 1 / cells
    for row in range(cells):
        for column in range(cells):
            low, high = rng.uniform(0.0, 0.25, 3), rng.uniform(0.45, 1.0, 3)
            colour = np.where(rng.random(3) < 0.45, high, low).astype(np.float32)
            left, top = column * side, row * side
            corners = [(left, top), (left + side, top), (left + side, top + side), (left, top + side)]
            canvas.paste(polygon(canvas, corners, 0.8), colour)


def _write(canvas: Canvas, lines: int) -> None:
    rng = canvas.rng
    for _ in range(lines):
        text = "".join(rng.choice(list(LETTERS), int(rng.integers(2, 14))))
        at = (int(rng.uniform(-0.1, 0.7) * canvas.size), int(rng.uniform(0.05, 1) * canvas.size))
        mask = np.zeros((canvas.size, canvas.size), np.uint8)
        font, height = int(rng.choice(FONTS)), rng.uniform(0.3, 2.0)
        cv2.putText(mask, text, at, font, height, 255, int(rng.integers(1, 4)), cv2.LINE_AA)
        canvas.paste(softened(share(mask), rng.choice([0, 0.6])), colour(rng))


def draw_hair(canvas: Canvas, centre: Point, reach: float, colour: Any, count: int) -> None:
    """Draw `count` strokes round `centre` (all in units of the side) that follow one slow flow."""
    rng = canvas.rng
    angle, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 1.5)
    spread, contrast = rng.uniform(0.03, 0.3), rng.uniform(0.03, 0.25)
    layer = (canvas.image * 255).clip(0, 255).astype(np.uint8)
    for _ in range(count):
        x, y = np.asarray(centre) + rng.normal(0, 0.45, 2) * reach
        heading = angle + bend * (x - centre[0]) / max(reach, 1e-3) + rng.normal(0, spread)
        length = reach * rng.uniform(0.2, 0.9)
        along = np.linspace(0, 1, 8)
        turn = heading + along * rng.normal(0, 0.4)
        points = np.stack((x + along * length * np.cos(turn), y + along * length * np.sin(turn)), 1)
        ink = np.clip(np.asarray(colour) + rng.normal(0, contrast), 0, 1) * 255
        cv2.polylines(
            layer,
            [subpixels(canvas, points)],
            False,
            [float(v) for v in ink],
            int(rng.integers(1, 3)),
            cv2.LINE_AA,
            SUBPIXEL_BITS,
        )
    canvas.image = share(layer)


def _blob(canvas: Canvas, centre: Point, size: float) -> Mask:
    """Return the mask of one thing of about `size`: round, angular, long or wavy."""
    rng = canvas.rng
    softness = float(rng.choice([0.0, 0.5, 1.0, 2.5, 6.0], p=[0.25, 0.3, 0.25, 0.12, 0.08]))
    kind = rng.integers(4)
    x, y = centre
    if kind == 0:
        width = size * rng.uniform(0.3, 1)
        return ellipse(canvas, centre, width, size * rng.uniform(0.3, 1), softness)
    if kind == 1:
        width, height = size * rng.uniform(0.15, 1.2), size * rng.uniform(0.15, 1.2)
        corners = [(-width, -height), (width, -height), (width, height), (-width, height)]
        on_its_side = turned(corners, rng.choice([0.0, rng.uniform(0, np.pi)]))
        return polygon(canvas, [(x + a / 2, y + b / 2) for a, b in on_its_side], softness)
    if kind == 2:
        path = [(x + a, y + b) for a, b in rng.normal(0, 0.7 * size, (4, 2))]
        return curve(canvas, path, rng.uniform(0.006, 0.03 + 0.1 * size), softness)
    turn = np.linspace(0, 2 * np.pi, int(rng.integers(4, 14)), endpoint=False)
    radius = size * rng.uniform(0.3, 1.0, len(turn)) * 0.7
    corners = list(zip(x + radius * np.cos(turn), y + radius * np.sin(turn), strict=True))
    return polygon(canvas, corners, softness)
