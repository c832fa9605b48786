"""The drawings of an animal: ear, muzzle, nose, whiskers, and what a mouth shows that opens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inference_service.filters.animal.art.brush import (
    RGB,
    Floats,
    Sheet,
    Sprite,
    area,
    blurred,
    dome,
    ellipse,
    grid,
    smooth,
)
from inference_service.filters.animal.art.coats import Coat, Ear

WINDOW = (-6.0, 5.0, 12.0)
"""Of the muzzle's sheet on the face model, from the front: left, top and side in centimetres."""


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
        return (at_u - middle_u) * 1.5, np.float32(-0.75) - 0 * at_v

    def coat(at_u: Floats, at_v: Floats) -> Floats:
        low, high = (0.0, 1.0) if ear.hangs else (1.0, 0.0)
        share = np.clip((at_v - high) / (low - high), 0, 1)[:, None]
        # From the root's colour to the back's within the first third.
        colour = np.float32(ear.root) + (np.float32(ear.back) - np.float32(ear.root)) * np.clip(
            (1 - share) * 2.2, 0, 1
        )
        if ear.tip_from > 0.02:
            edge = np.clip((ear.tip_from + 0.1 - at_v) / 0.14, 0, 1)[:, None]
            colour = colour + (np.float32(ear.tip) - colour) * edge
        return colour

    sheet.fill(blurred(whole, 0.004), ear.back, ear.root)
    sheet.fur(whole, outwards, coat, 2200, ear.hair)
    if ear.hollow:
        hollow = area(ear.hollow, 0.008)
        depth = np.clip(blurred(area(ear.hollow), 0.05) * 1.25 - 0.15, 0, 1)
        sheet.fill(hollow, ear.inside)
        low = np.clip((v - 0.2) / 0.7, 0, 1)
        sheet.fill(np.float32(hollow * depth * (0.25 + 0.75 * low)), ear.deep)
        rim = np.clip(blurred(hollow, 0.015) * (1 - hollow) * 4, 0, 1)
        sheet.fur(np.float32(rim * (v < 0.92)), _towards(0.5, 0.8, -0.35), coat, 500, ear.hair * 0.7)
        low = np.clip((v - 0.5) / 0.4, 0, 1)
        side = np.float32(hollow * (1.15 - depth) * low)
        sheet.fur(
            side, _upwards(middle_u), _plain(ear.tuft), ear.tufts, ear.tuft_length, rough=0.14, vary=0.06
        )
        height = height - blurred(np.float32(hollow * 34), 0.03)
    # Light from above, and less of it in the root and at the rim that turns away.
    sheet.shade(
        np.float32((1.1 - 0.32 * (v if not ear.hangs else v * 0.9)) * (0.82 + 0.18 * blurred(whole, 0.03)))
    )
    if ear.hangs:
        sheet.fade(np.float32(np.clip((u * 1.0 + v * 1.6 - 0.3) / 0.34, 0, 1)))
    else:
        ragged = 0.03 * np.sin(u * 61 + 2 * np.sin(u * 23))
        sheet.fade(np.float32(np.clip((0.95 + ragged - v) / 0.16, 0, 1)))
    return sheet.done(height)


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
        strip = np.float32(strip * rise)
        sheet.fill(strip * 0.5, coat.bridge)
        sheet.fur(
            strip, lambda u, v: ((u - 0.5) * 2.5, -0.5 + 0 * v), _plain(coat.bridge), 900, 0.045, vary=0.1
        )
    dense = np.float32(np.clip(blurred(cushions, 0.03) * 1.9 - 0.9, 0, 1))
    sheet.fill(np.float32(dense * 0.85), coat.muzzle)
    sheet.fur(
        np.float32(cushions * (0.15 + dense)), away, _plain(coat.muzzle), 2300, 0.048, rough=0.2, vary=0.07
    )
    if coat.whiskers:
        for x, y in ((1.3, -2.9), (1.9, -2.6), (2.5, -3.1), (1.6, -3.5), (2.3, -3.7)):
            for mirrored in (-1, 1):
                dot = ellipse(*at(x * mirrored, y), 0.008, 0.008, 0.003)
                sheet.fill(np.float32(dot * 0.55), tuple(level // 3 for level in coat.muzzle))
    # The groove below the nose, and the nose's shadow.
    groove = np.zeros_like(cushions)
    curve = smooth([at(0, -2.0), at(0.02, -3.0), at(0, -4.2)], closed=False)
    for u0, v0 in curve[::4]:
        groove = np.maximum(groove, ellipse(u0, v0, 0.008, 0.014))
    below = ellipse(*at(0, -1.7), 0.16, 0.085, 0.03)
    sheet.shade(np.float32((1 - 0.5 * blurred(groove, 0.006)) * (1 - 0.34 * below)))
    _, v = grid()
    upper = np.clip((v - at(0, -0.9)[1]) / 0.05, 0, 1)
    whole = np.float32(blurred(cushions, 0.035) * 1.7)
    sheet.fade(np.float32(np.clip(whole * 1.2 + (1 - upper), 0, 1)))
    u, v = grid()
    ragged = 0.006 * np.sin(u * 151 + 2 * np.sin(u * 67))
    sheet.fade(np.float32(np.clip((at(0, -4.25)[1] + ragged - v) / 0.045, 0, 1)))
    puffs = sum(ellipse(*at(x, -2.9), 0.15, 0.11, 0.05) for x in (-1.7, 1.7))
    return sheet.done(np.float32(puffs * 26 + dome(cushions, 0.12) * 0.5))


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
    dark: RGB = tuple(round(level * 0.55) for level in coat.nose)
    sheet.fill(whole, coat.nose, dark)
    # Leathery: small dimples.
    grain = blurred(np.float32(sheet.chance.normal(0, 1, whole.shape)), 0.006)
    grain = grain / grain.std()
    sheet.shade(np.float32(1 + 0.025 * grain))
    holes = area(((0.6, 0.5), (0.68, 0.43), (0.78, 0.44), (0.8, 0.5), (0.72, 0.58), (0.65, 0.57)), 0.012)
    holes = np.maximum(holes, holes[:, ::-1]) * blurred(whole, 0.01)
    sheet.fill(np.float32(holes * 0.85), tuple(round(level * 0.16) for level in coat.nose))
    slit = ellipse(0.5, 0.78, 0.012, 0.14, 0.008)
    sheet.fill(np.float32(slit * whole * 0.7), tuple(round(level * 0.25) for level in coat.nose))
    rim = np.clip(1 - blurred(whole, 0.035) * 1.15, 0, 1)
    sheet.shade(np.float32(1 - 0.45 * rim))
    bright: RGB = tuple(min(255, round(level * 0.45 + 150)) for level in coat.nose)
    gleam = ellipse(0.42, 0.28, 0.17, 0.07, 0.03) * 0.75 + ellipse(0.4, 0.26, 0.07, 0.028, 0.01) * 0.6
    sheet.fill(np.float32(np.clip(gleam, 0, 0.9) * whole), bright)
    return sheet.done(dome(whole, 0.3), 1.2)


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
        sheet.line(points, tuple(round(level * 0.6) for level in coat.whisker), 6.0)
        sheet.line(points, coat.whisker, 4.4)
    return sheet.done(np.zeros((512, 512), np.float32))


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
    grain = blurred(np.float32(sheet.chance.normal(0, 1, whole.shape)), 0.004)
    sheet.shade(np.float32(1 + 0.02 * grain / grain.std()))
    groove = np.exp(-np.square((u - 0.5) / 0.03)) * np.clip((0.86 - v) / 0.25, 0, 1)
    rim = np.clip(1 - blurred(whole, 0.05) * 1.1, 0, 1)
    sheet.shade(np.float32((1 - 0.28 * groove) * (1 - 0.35 * rim)))
    gleam = ellipse(0.36, 0.68, 0.05, 0.16, 0.03) + 0.7 * ellipse(0.64, 0.74, 0.035, 0.1, 0.025)
    sheet.fill(np.float32(np.clip(gleam * 0.5, 0, 1) * whole), (255, 214, 214))
    sheet.shade(np.float32(np.clip(0.25 + 1.6 * v, 0, 1)))
    sheet.fade(np.float32(np.clip(v / 0.1, 0, 1)))
    return sheet.done(dome(whole, 0.3))


def drawn_teeth(fangs: bool) -> Sprite:
    """Return two teeth that hang from the upper border: incisors side by side, or fangs apart."""
    sheet = Sheet(0)
    if fangs:
        one = ((0.16, 0.0), (0.3, 0.0), (0.31, 0.3), (0.25, 0.66), (0.22, 0.7), (0.18, 0.34))
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
    sheet.shade(np.float32((1 - 0.4 * rim) * np.clip(0.55 + 1.8 * v, 0, 1)))
    return sheet.done(dome(both, 0.1))


def _plain(colour: RGB) -> Callable[[Floats, Floats], Floats]:
    return lambda u, v: np.broadcast_to(np.float32(colour), (len(u), 3))


def _upwards(u0: float) -> Callable[[Floats, Floats], tuple[Floats, Floats]]:
    """Return a flow up, that draws together towards the middle."""
    return lambda u, v: ((u0 - u) * 0.8, -1 + 0 * v)


def _towards(u0: float, v0: float, pull: float) -> Callable[[Floats, Floats], tuple[Floats, Floats]]:
    """Return a flow to a place; below 0 away from it."""
    return lambda u, v: ((u0 - u) * pull, (v0 - v) * pull)
