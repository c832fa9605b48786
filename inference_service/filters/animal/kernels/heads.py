"""Animals drawn on pictures: each picture is read once and written once, drawings only where they are seen.

The plain form is `inference_service.filters.animal.draw_device.by_torch`.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, programs
from inference_service.filters.animal.kernels.sheets import place_on, sampled_alpha, sampled_paint

TILE = (16, 16)
"""(rows, columns)."""
WARPS = 8
"""So that a thread has one pixel: more of them need too many registers."""


def draw(pictures: Tensor, heads: Any, kinds: Tensor, sheets: Any) -> Tensor:
    """Return float32 (N, 3, H, W) of uint8 pictures with animals, in their layout."""
    n, _, height, width = pictures.shape
    drawn = torch.empty_like(pictures, dtype=torch.float32)
    across = programs(width, TILE[1])
    _draw_heads[(across * programs(height, TILE[0]), n)](
        pictures,
        *(one.contiguous() for one in (*heads.layers, *heads.muzzle, heads.past_head, heads.on_head)),
        kinds.contiguous(),
        *sheets,
        drawn,
        height,
        width,
        *pictures.stride(),
        *drawn.stride(),
        len(heads.on_head) // n,
        heads.on_head.shape[-1],
        heads.muzzle.share.shape[-1],
        *(one.shape[-1] for one in sheets),
        sheets.large.shape[1],
        across,
        tile_height=TILE[0],
        tile_width=TILE[1],
        num_warps=WARPS,
    )
    return drawn


@compiled_once
def _draw_heads(
    pictures,
    to_drawing,
    shade,
    tint,
    shadow,
    where,
    places,
    share,
    past_head,
    on_head,
    kinds,
    large,
    small,
    shadows,
    drawn,
    height,
    width,
    by_picture,
    by_channel,
    by_row,
    by_pixel,
    to_picture,
    to_channel,
    to_row,
    to_pixel,
    heads,
    veil_side,
    map_side,
    large_side,
    small_side,
    shadow_side,
    kind_count,
    across,
    tile_height: tl.constexpr,
    tile_width: tl.constexpr,
):
    picture = tl.program_id(1).to(tl.int64)
    place = tl.arange(0, tile_height * tile_width)
    row = tl.program_id(0) // across * tile_height + place // tile_width
    column = tl.program_id(0) % across * tile_width + place % tile_width
    is_there = (row < height) & (column < width)
    x, y = column.to(tl.float32) + 0.5, row.to(tl.float32) + 0.5
    pictures += picture * by_picture + row * by_row + column * by_pixel
    red = tl.load(pictures, mask=is_there, other=0).to(tl.float32)
    green = tl.load(pictures + by_channel, mask=is_there, other=0).to(tl.float32)
    blue = tl.load(pictures + 2 * by_channel, mask=is_there, other=0).to(tl.float32)
    kind = tl.load(kinds + picture)
    veil = veil_side * veil_side
    shadows += kind * shadow_side * shadow_side
    for number in range(heads):
        head = picture * heads + number
        if _is_seen(tint + head * 28, shadow + head * 2):
            maps, shades, tints = to_drawing + head * 72, shade + head * 14, tint + head * 28
            for ear in tl.static_range(2):
                veils = on_head + (head * 2 + ear) * veil
                u, v = place_on(maps + ear * 9, x, y, shadow_side)
                if _is_any(u, v, is_there, shadow_side):
                    seen = sampled_alpha(shadows, veils, u, v, is_there, shadow_side, veil_side)
                    left = 1.0 - seen * tl.load(shadow + head * 2 + ear)
                    red, green, blue = red * left, green * left, blue * left
            # As in `Layers`: ears, whiskers, the muzzle, mouth, nose.
            # Not unrolled: seven times this are more instructions than a GPU keeps at hand.
            for turn in range(7):
                layer = tl.where(turn == 2, 4, tl.where(turn == 3, 5, tl.where(turn > 3, turn - 2, turn)))
                layer = tl.where(turn == 6, 6, layer)
                own_shade, own_tint = shades + layer * 2, tints + layer * 4
                is_large = layer < 5
                side = tl.where(is_large, large_side, small_side)
                number_of_sheet = tl.where(is_large, layer, layer - 5) * kind_count + kind
                drawing = tl.where(is_large, large, small) + number_of_sheet * side * side * 6
                veils = past_head + (head * 2 + tl.minimum(layer, 1)) * veil
                if layer == 4:
                    spread = map_side * map_side
                    u, v, seen = _on_muzzle(
                        where + head * 3,
                        places + head * 2 * spread,
                        share + head * spread,
                        x,
                        y,
                        map_side,
                        side,
                    )
                else:
                    u, v = place_on(maps + (layer + tl.where(layer < 4, 2, 1)) * 9, x, y, side)
                    seen = tl.full(x.shape, 1.0, tl.float32)
                if _is_any(u, v, is_there & (seen > 0), side):
                    r, g, b, alpha = sampled_paint(
                        drawing, own_shade, own_tint, veils, u, v, is_there, side, veil_side, layer < 2
                    )
                    past = 1.0 - alpha * seen
                    red, green, blue = r * seen + red * past, g * seen + green * past, b * seen + blue * past
    drawn += picture * to_picture + row * to_row + column * to_pixel
    tl.store(drawn, red, mask=is_there)
    tl.store(drawn + to_channel, green, mask=is_there)
    tl.store(drawn + 2 * to_channel, blue, mask=is_there)


@triton.jit
def _is_seen(tints, shadow):
    """Tell whether anybody is at a place; where nobody is, nothing has an alpha."""
    lane = tl.arange(0, 32)
    count = tl.sum((tl.load(tints + lane, mask=lane < 28, other=0) != 0).to(tl.int32), 0)
    return (count > 0) | (tl.load(shadow) != 0) | (tl.load(shadow + 1) != 0)


@triton.jit
def _is_any(u, v, is_there, side):
    """Tell whether anything of a drawing is seen at any of these places in its pixels."""
    is_on = is_there & (u > -1) & (u < side) & (v > -1) & (v < side)
    return tl.max(is_on.to(tl.int32), 0) > 0


@triton.jit
def _on_muzzle(where, places, share, x, y, map_side, side):
    """Return which places of the muzzle's drawing are seen, in its pixels, and how much of them."""
    square = tl.load(where + 2)
    u, v = (x - tl.load(where)) / square * 2 - 1, (y - tl.load(where + 1)) / square * 2 - 1
    is_inside = (tl.abs(u) <= 1) & (tl.abs(v) <= 1)
    last = map_side - 1.0
    column = tl.minimum(tl.maximum(((u + 1) * map_side - 1) / 2, 0.0), last)
    row = tl.minimum(tl.maximum(((v + 1) * map_side - 1) / 2, 0.0), last)
    left, top = tl.floor(column), tl.floor(row)
    to_u, to_v, seen = tl.zeros_like(x), tl.zeros_like(x), tl.zeros_like(x)
    for corner in tl.static_range(4):
        at_x, at_y = left + corner % 2, top + corner // 2
        weight = (1 - tl.abs(column - at_x)) * (1 - tl.abs(row - at_y))
        is_on = is_inside & (at_x <= last) & (at_y <= last)
        at = tl.where(is_on, at_y * map_side + at_x, 0.0).to(tl.int32)
        to_u += weight * tl.load(places + at, mask=is_on, other=0)
        to_v += weight * tl.load(places + map_side * map_side + at, mask=is_on, other=0)
        seen += weight * tl.load(share + at, mask=is_on, other=0)
    return (to_u * 2 * side - 1) / 2, (to_v * 2 * side - 1) / 2, seen
