"""Noses, whiskers, and what a mouth shows that opens."""

from __future__ import annotations

import numpy as np

from inference_service.filters.animal.art.brush import (
    DRAWN,
    SIZES,
    Points,
    Sheet,
    Sprite,
    area,
    blurred,
    darker,
    dome,
    ellipse,
    floats,
    grid,
)
from inference_service.filters.animal.art.coats import Coat

SMALL = SIZES[1]


def drawn_nose(coat: Coat, seed: int) -> Sprite:
    """Return a wet nose with nostrils and light on it."""
    sheet = Sheet(seed)
    shapes = {
        "triangle": (
            (0.5, 0.2),
            (0.78, 0.2),
            (0.93, 0.34),
            (0.76, 0.62),
            (0.5, 0.86),
            (0.24, 0.62),
            (0.07, 0.34),
            (0.22, 0.2),
        ),
        "wide": (
            (0.5, 0.1),
            (0.8, 0.14),
            (0.95, 0.38),
            (0.88, 0.66),
            (0.64, 0.86),
            (0.5, 0.9),
            (0.36, 0.86),
            (0.12, 0.66),
            (0.05, 0.38),
            (0.2, 0.14),
        ),
        "button": (
            (0.5, 0.12),
            (0.76, 0.16),
            (0.92, 0.4),
            (0.82, 0.7),
            (0.5, 0.88),
            (0.18, 0.7),
            (0.08, 0.4),
            (0.24, 0.16),
        ),
    }
    whole = area(shapes[coat.nose_shape])
    sheet.fill(whole, coat.nose, darker(coat.nose, 0.55))
    # Leathery: small dimples.
    grain = blurred(floats(sheet.chance.normal(0, 1, whole.shape)), 0.006)
    grain = grain / grain.std()
    sheet.shade(floats(1 + 0.025 * grain))
    holes = area(((0.6, 0.5), (0.68, 0.43), (0.78, 0.44), (0.8, 0.5), (0.72, 0.58), (0.65, 0.57)), 0.012)
    holes = np.maximum(holes, holes[:, ::-1]) * blurred(whole, 0.01)
    sheet.fill(floats(holes * 0.85), darker(coat.nose, 0.16))
    slit = ellipse(0.5, 0.78, 0.012, 0.14, 0.008)
    sheet.fill(floats(slit * whole * 0.7), darker(coat.nose, 0.25))
    rim = np.clip(1 - blurred(whole, 0.035) * 1.15, 0, 1)
    sheet.shade(floats(1 - 0.45 * rim))
    red, green, blue = (min(255, round(level * 0.45 + 150)) for level in coat.nose)
    gleam = ellipse(0.42, 0.28, 0.17, 0.07, 0.03) * 0.75 + ellipse(0.4, 0.26, 0.07, 0.028, 0.01) * 0.6
    sheet.fill(floats(np.clip(gleam, 0, 0.9) * whole), (red, green, blue))
    return sheet.done(dome(whole, 0.3), 1.2, SMALL)


def drawn_whiskers(coat: Coat, seed: int) -> Sprite:
    """Return whiskers that spread to the right from the left border."""
    sheet = Sheet(seed)
    for number in range(coat.whiskers):
        part = (number + 0.5) / max(coat.whiskers, 1)
        v = 0.38 + 0.24 * part
        end = 0.14 + 0.7 * part + float(sheet.chance.normal(0, 0.02))
        reach = 0.72 + 0.26 * float(sheet.chance.random())
        sag = 0.1 * (part - 0.35)
        points = ((0.03, v), (0.35 * reach, v + (end - v) * 0.3 - 0.03), (reach, end + sag))
        sheet.line(points, darker(coat.whisker, 0.6), 6.0)
        sheet.line(points, coat.whisker, 4.4)
    return sheet.done(np.zeros((DRAWN, DRAWN), np.float32))


def drawn_tongue(seed: int) -> Sprite:
    """Return a tongue that hangs down from the upper border."""
    sheet = Sheet(seed)
    whole = area(
        (
            (0.2, 0.02),
            (0.5, 0.0),
            (0.8, 0.02),
            (0.88, 0.4),
            (0.84, 0.74),
            (0.66, 0.95),
            (0.5, 0.98),
            (0.34, 0.95),
            (0.16, 0.74),
            (0.12, 0.4),
        )
    )
    u, v = grid()
    sheet.fill(whole, (150, 56, 66), (240, 124, 132))
    grain = blurred(floats(sheet.chance.normal(0, 1, whole.shape)), 0.004)
    sheet.shade(floats(1 + 0.02 * grain / grain.std()))
    groove = np.exp(-np.square((u - 0.5) / 0.03)) * np.clip((0.86 - v) / 0.25, 0, 1)
    rim = np.clip(1 - blurred(whole, 0.05) * 1.1, 0, 1)
    sheet.shade(floats((1 - 0.28 * groove) * (1 - 0.35 * rim)))
    gleam = ellipse(0.36, 0.68, 0.05, 0.16, 0.03) + 0.7 * ellipse(0.64, 0.74, 0.035, 0.1, 0.025)
    sheet.fill(floats(np.clip(gleam * 0.5, 0, 1) * whole), (255, 214, 214))
    sheet.shade(floats(np.clip(0.25 + 1.6 * v, 0, 1)))
    sheet.fade(floats(np.clip(v / 0.1, 0, 1)))
    return sheet.done(dome(whole, 0.3), most=SMALL)


def drawn_teeth(fangs: bool) -> Sprite:
    """Return two teeth that hang from the upper border: incisors side by side, or fangs apart."""
    sheet = Sheet(0)
    if fangs:
        one: Points = ((0.16, 0.0), (0.3, 0.0), (0.31, 0.3), (0.25, 0.66), (0.22, 0.7), (0.18, 0.34))
    else:
        one = (
            (0.24, 0.0),
            (0.49, 0.0),
            (0.49, 0.5),
            (0.475, 0.86),
            (0.4, 0.93),
            (0.3, 0.9),
            (0.255, 0.8),
            (0.235, 0.4),
        )
    tooth = area(one)
    both = np.maximum(tooth, tooth[:, ::-1])
    _, v = grid()
    sheet.fill(both, (236, 226, 204), (255, 252, 244))
    rim = np.clip(1 - blurred(both, 0.02) * 1.1, 0, 1)
    sheet.shade(floats((1 - 0.4 * rim) * np.clip(0.55 + 1.8 * v, 0, 1)))
    return sheet.done(dome(both, 0.1), most=SMALL)
