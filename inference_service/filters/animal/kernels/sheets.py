"""Drawings read between their pixels, as `grid_sample` does: nothing is outside of them."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def place_on(map_, x, y, side):
    """Return where pixels lie on a drawing, in its pixels, of which the first is 0; `map_` is 3 x 3."""
    m = map_
    behind = tl.load(m + 6) * x + tl.load(m + 7) * y + tl.load(m + 8)
    behind = tl.maximum(behind, 1e-3)
    u = (tl.load(m) * x + tl.load(m + 1) * y + tl.load(m + 2)) / behind
    v = (tl.load(m + 3) * x + tl.load(m + 4) * y + tl.load(m + 5)) / behind
    return ((u + 1) * side - 1) / 2, ((v + 1) * side - 1) / 2


@triton.jit
def sampled_alpha(sheet, veils, u, v, is_there, side, veil_side):
    """Return a sheet of one channel, seen through a veil."""
    left, top = tl.floor(u), tl.floor(v)
    value = tl.zeros_like(u)
    for corner in tl.static_range(4):
        column, row = left + corner % 2, top + corner // 2
        is_on = is_there & (column >= 0) & (column < side) & (row >= 0) & (row < side)
        weight = (1 - tl.abs(u - column)) * (1 - tl.abs(v - row))
        column, row = tl.where(is_on, column, 0.0).to(tl.int32), tl.where(is_on, row, 0.0).to(tl.int32)
        weight *= _veil(veils, column, row, is_on, side, veil_side)
        value += tl.where(is_on, weight, 0.0) * tl.load(sheet + row * side + column, mask=is_on, other=0)
    return value


@triton.jit
def sampled_paint(sheet, shade, tint, veils, u, v, is_there, side, veil_side, has_veil):
    """Return red, green, blue and alpha of a sheet of six channels, lit: paint, then relief in u and v."""
    left, top = tl.floor(u), tl.floor(v)
    plane = side * side
    red, green, blue, alpha = tl.zeros_like(u), tl.zeros_like(u), tl.zeros_like(u), tl.zeros_like(u)
    for corner in tl.static_range(4):
        column, row = left + corner % 2, top + corner // 2
        is_on = is_there & (column >= 0) & (column < side) & (row >= 0) & (row < side)
        weight = (1 - tl.abs(u - column)) * (1 - tl.abs(v - row))
        column, row = tl.where(is_on, column, 0.0).to(tl.int32), tl.where(is_on, row, 0.0).to(tl.int32)
        if has_veil:
            weight *= _veil(veils, column, row, is_on, side, veil_side)
        weight = tl.where(is_on, weight, 0.0)
        at = sheet + row * side + column
        alpha += weight * tl.load(at + 3 * plane, mask=is_on, other=0)
        relief = tl.load(at + 4 * plane, mask=is_on, other=0) * tl.load(shade)
        relief += tl.load(at + 5 * plane, mask=is_on, other=0) * tl.load(shade + 1)
        weight *= 1 + relief
        red += weight * tl.load(at, mask=is_on, other=0)
        green += weight * tl.load(at + plane, mask=is_on, other=0)
        blue += weight * tl.load(at + 2 * plane, mask=is_on, other=0)
    red, green = red * tl.load(tint), green * tl.load(tint + 1)
    return red, green, blue * tl.load(tint + 2), alpha * tl.load(tint + 3)


@triton.jit
def _veil(veils, column, row, is_on, side, veil_side):
    """Return a small map, enlarged as `interpolate` does it, at whole pixels of a drawing."""
    scale = veil_side.to(tl.float32) / side
    u = tl.maximum((column.to(tl.float32) + 0.5) * scale - 0.5, 0.0)
    v = tl.maximum((row.to(tl.float32) + 0.5) * scale - 0.5, 0.0)
    left, top = tl.floor(u).to(tl.int32), tl.floor(v).to(tl.int32)
    right, bottom = tl.minimum(left + 1, veil_side - 1), tl.minimum(top + 1, veil_side - 1)
    to_right, down = u - left.to(tl.float32), v - top.to(tl.float32)
    upper = tl.load(veils + top * veil_side + left, mask=is_on, other=0) * (1 - to_right)
    upper += tl.load(veils + top * veil_side + right, mask=is_on, other=0) * to_right
    lower = tl.load(veils + bottom * veil_side + left, mask=is_on, other=0) * (1 - to_right)
    lower += tl.load(veils + bottom * veil_side + right, mask=is_on, other=0) * to_right
    return upper * (1 - down) + lower * down
