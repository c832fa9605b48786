"""The fur of a muzzle, on a sheet that lies over the face."""

from __future__ import annotations

import numpy as np

from inference_service.filters.animal.art.brush import (
    Floats,
    Sheet,
    Sprite,
    area,
    blurred,
    darker,
    dome,
    ellipse,
    floats,
    grid,
    plain,
    smooth,
)
from inference_service.filters.animal.art.coats import Coat

WINDOW = (-6.0, 5.0, 12.0)
"""Of the sheet on the face model, from the front: left, top and side in centimetres."""


def drawn_muzzle(coat: Coat, seed: int) -> Sprite:
    """Return the fur of the middle of the face, on a sheet that lies over `WINDOW`."""
    sheet = Sheet(seed)
    left, top, side = WINDOW

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - left) / side, (top - y) / side

    # Shaped like a muzzle: two cushions beside the nose, wider below, and the nose's sides.
    half = [(0.0, -1.0), (1.5, -0.4), (2.9, -1.5), (3.5, -2.8), (3.1, -4.0), (1.8, -4.35), (0.6, -4.15)]
    outline = [at(x, y) for x, y in half] + [at(-x, y) for x, y in reversed(half[1:])]
    cushions = area(outline)
    middle = at(0.0, -1.6)

    def away(u: Floats, v: Floats) -> tuple[Floats, Floats]:
        return (u - middle[0]) * 1.6, (v - middle[1]) * 1.0 + 0.05

    if coat.bridge_top > -1:
        bridge = [(1.15, -1.0), (0.9, 1.2), (0.75, coat.bridge_top - 0.9), (0.0, coat.bridge_top)]
        strip = area([at(x, y) for x, y in bridge] + [at(-x, y) for x, y in reversed(bridge[:-1])], 0.012)
        _, v = grid()
        rise = np.clip((v - at(0, coat.bridge_top)[1]) / 0.14, 0, 1)
        strip = floats(strip * rise)
        sheet.fill(strip * 0.5, coat.bridge)
        sheet.fur(
            strip, lambda u, v: ((u - 0.5) * 2.5, -0.5 + 0 * v), plain(coat.bridge), 900, 0.045, vary=0.1
        )
    dense = floats(np.clip(blurred(cushions, 0.03) * 1.9 - 0.9, 0, 1))
    sheet.fill(floats(dense * 0.85), coat.muzzle)
    sheet.fur(floats(cushions * (0.15 + dense)), away, plain(coat.muzzle), 2300, 0.048, rough=0.2, vary=0.07)
    if coat.whiskers:
        for x, y in ((1.3, -2.9), (1.9, -2.6), (2.5, -3.1), (1.6, -3.5), (2.3, -3.7)):
            for mirrored in (-1, 1):
                dot = ellipse(*at(x * mirrored, y), 0.008, 0.008, 0.003)
                sheet.fill(floats(dot * 0.55), darker(coat.muzzle, 0.33))
    # The groove below the nose, and the nose's shadow.
    groove = np.zeros_like(cushions)
    curve = smooth([at(0, -2.0), at(0.02, -3.0), at(0, -4.2)], closed=False)
    for u0, v0 in curve[::4]:
        groove = np.maximum(groove, ellipse(u0, v0, 0.008, 0.014))
    below = ellipse(*at(0, -1.7), 0.16, 0.085, 0.03)
    sheet.shade(floats((1 - 0.5 * blurred(groove, 0.006)) * (1 - 0.34 * below)))
    _, v = grid()
    upper = np.clip((v - at(0, -0.9)[1]) / 0.05, 0, 1)
    whole = floats(blurred(cushions, 0.035) * 1.7)
    sheet.fade(floats(np.clip(whole * 1.2 + (1 - upper), 0, 1)))
    u, v = grid()
    ragged = 0.006 * np.sin(u * 151 + 2 * np.sin(u * 67))
    sheet.fade(floats(np.clip((at(0, -4.25)[1] + ragged - v) / 0.045, 0, 1)))
    puffs = sum(ellipse(*at(x, -2.9), 0.15, 0.11, 0.05) for x in (-1.7, 1.7))
    return sheet.done(floats(puffs * 26 + dome(cushions, 0.12) * 0.5))
