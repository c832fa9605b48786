"""Ears of fur, with a hollow of skin or hanging."""

from __future__ import annotations

import numpy as np

from inference_service.filters.animal.art.brush import (
    Floats,
    Sheet,
    Sprite,
    area,
    blurred,
    dome,
    floats,
    grid,
    plain,
    towards,
    upwards,
)
from inference_service.filters.animal.art.coats import Ear


def drawn_ear(ear: Ear, seed: int) -> Sprite:
    """Return the ear; its root fades out, so that it grows out of hair."""
    sheet = Sheet(seed)
    whole = area(ear.outline)
    u, v = grid()
    middle_u = float((whole * u).sum() / whole.sum())
    height = dome(whole, 0.22)

    def outwards(at_u: Floats, at_v: Floats) -> tuple[Floats, Floats]:
        if ear.hangs:
            return 0.25 + 0 * at_u, 1 + 0 * at_v
        return (at_u - middle_u) * 1.5, floats(-0.75) - 0 * at_v

    def coat(at_u: Floats, at_v: Floats) -> Floats:
        low, high = (0.0, 1.0) if ear.hangs else (1.0, 0.0)
        share = np.clip((at_v - high) / (low - high), 0, 1)[:, None]
        # From the root's colour to the back's within the first third.
        colour = floats(ear.root) + (floats(ear.back) - floats(ear.root)) * np.clip((1 - share) * 2.2, 0, 1)
        if ear.tip_from > 0.02:
            edge = np.clip((ear.tip_from + 0.1 - at_v) / 0.14, 0, 1)[:, None]
            colour = colour + (floats(ear.tip) - colour) * edge
        return floats(colour)

    sheet.fill(blurred(whole, 0.004), ear.back, ear.root)
    sheet.fur(whole, outwards, coat, 2200, ear.hair)
    if ear.hollow:
        hollow = area(ear.hollow, 0.008)
        depth = np.clip(blurred(area(ear.hollow), 0.05) * 1.25 - 0.15, 0, 1)
        sheet.fill(hollow, ear.inside)
        low = np.clip((v - 0.2) / 0.7, 0, 1)
        sheet.fill(floats(hollow * depth * (0.25 + 0.75 * low)), ear.deep)
        rim = np.clip(blurred(hollow, 0.015) * (1 - hollow) * 4, 0, 1)
        sheet.fur(floats(rim * (v < 0.92)), towards(0.5, 0.8, -0.35), coat, 500, ear.hair * 0.7)
        low = np.clip((v - 0.5) / 0.4, 0, 1)
        side = floats(hollow * (1.15 - depth) * low)
        sheet.fur(side, upwards(middle_u), plain(ear.tuft), ear.tufts, ear.tuft_length, rough=0.14, vary=0.06)
        height = height - blurred(floats(hollow * 34), 0.03)
    # Light from above, and less of it in the root and at the rim that turns away.
    sheet.shade(
        floats((1.1 - 0.32 * (v if not ear.hangs else v * 0.9)) * (0.82 + 0.18 * blurred(whole, 0.03)))
    )
    if ear.hangs:
        sheet.fade(floats(np.clip((u * 1.0 + v * 1.6 - 0.3) / 0.34, 0, 1)))
    else:
        ragged = 0.03 * np.sin(u * 61 + 2 * np.sin(u * 23))
        sheet.fade(floats(np.clip((0.95 + ragged - v) / 0.16, 0, 1)))
    return sheet.done(height)
