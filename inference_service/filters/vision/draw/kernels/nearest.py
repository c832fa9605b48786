"""Which cover is nearest to each pixel, and where on it that lies, by the formulas of `draw.nearest`."""

from __future__ import annotations

import triton
import triton.language as tl

from inference_service.filters.vision.draw import masks
from inference_service.filters.vision.people import covers as columns_of

COLUMNS = tl.constexpr(columns_of.COLUMNS)
X = tl.constexpr(columns_of.X)
Y = tl.constexpr(columns_of.Y)
RADIUS = tl.constexpr(columns_of.RADIUS)
AXIS_X = tl.constexpr(columns_of.AXIS_X)
AXIS_Y = tl.constexpr(columns_of.AXIS_Y)
TURN = tl.constexpr(columns_of.TURN)
NOD = tl.constexpr(columns_of.NOD)
MOUTH = tl.constexpr(columns_of.MOUTH)
HAS_MASK = tl.constexpr(columns_of.HAS_MASK)
IS_THERE = tl.constexpr(columns_of.IS_THERE)
HALF_WIDTH = tl.constexpr(masks.COVER[0])
AT_ONCE = tl.constexpr(32)
"""Covers that are asked at once whether they reach a tile."""


@triton.jit
def is_reached(covers, count, scale, reach, top, left, rows: tl.constexpr, columns: tl.constexpr):
    """Tell whether a cover or mask may reach a tile; two pixels more than they do."""
    is_near = tl.full((AT_ONCE,), 0, tl.int32)
    for start in range(0, count, AT_ONCE):
        place = start + tl.arange(0, AT_ONCE)
        is_row = place < count
        cover = covers + place * COLUMNS
        x = tl.load(cover + X, mask=is_row, other=0.0)
        y = tl.load(cover + Y, mask=is_row, other=0.0)
        own = tl.maximum(tl.load(cover + RADIUS, mask=is_row, other=0.0) * scale, 1.0)
        axis_x = tl.load(cover + AXIS_X, mask=is_row, other=0.0)
        axis_y = tl.load(cover + AXIS_Y, mask=is_row, other=0.0)
        is_real = tl.load(cover + IS_THERE, mask=is_row, other=0.0) > 0
        across = tl.maximum(tl.maximum(left - x, x - left - columns), 0.0)
        down = tl.maximum(tl.maximum(top - y, y - top - rows), 0.0)
        # An axis shorter than 1 makes a cover larger.
        away = tl.sqrt((across * across + down * down) * (axis_x * axis_x + axis_y * axis_y))
        is_near = tl.where(is_real & ~(away > own * reach + 2.0), 1, is_near)
    return tl.max(is_near) > 0


@triton.jit
def nearest(covers, count, scale, across, down, of_masks: tl.constexpr):
    """Return the square of how far away the nearest cover's middle is, 1 on its border, and which that is."""
    best = tl.full(across.shape, float("inf"), tl.float32)
    which = tl.zeros_like(across).to(tl.int32)
    for place in range(count):
        cover = covers + place * COLUMNS
        is_real = tl.load(cover + IS_THERE) > 0
        if of_masks:
            is_real = is_real & (tl.load(cover + HAS_MASK) > 0)
        radius = tl.load(cover + RADIUS)
        if is_real & (tl.abs(radius) < float("inf")):
            x, y = tl.load(cover + X), tl.load(cover + Y)
            own = tl.maximum(radius * scale, 1.0)
            a, b = tl.load(cover + AXIS_X) / own, tl.load(cover + AXIS_Y) / own
            u = (a * across + b * down - (x * a + y * b)) / HALF_WIDTH
            v = a * down - b * across + (x * b - y * a)
            away = u * u + v * v
            # Not so of what is no number.
            is_nearer = away < best
            best = tl.where(is_nearer, away, best)
            which = tl.where(is_nearer, place, which)
    return best, which


@triton.jit
def on_cover(covers, which, scale, across, down):
    """Return u, v and the radius in pixels."""
    cover = covers + which * COLUMNS
    x, y = tl.load(cover + X), tl.load(cover + Y)
    own = tl.maximum(tl.load(cover + RADIUS) * scale, 1.0)
    a, b = tl.load(cover + AXIS_X) / own, tl.load(cover + AXIS_Y) / own
    return a * across + b * down - (x * a + y * b), a * down - b * across + (x * b - y * a), own


@triton.jit
def finite(place):
    """Load a number, or 0 in place of one that is none."""
    value = tl.load(place)
    return tl.where(tl.abs(value) < float("inf"), value, 0.0)
