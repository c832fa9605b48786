"""Pictures with covers on them: each is read once for its squares, and read and written once for the rest.

The formulas are those of `draw.nearest`, `draw.pixelate` and `draw.covers`.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, programs
from inference_service.filters.vision.draw import masks, wishes
from inference_service.filters.vision.draw.kernels.masks import fox, smile
from inference_service.filters.vision.draw.kernels.nearest import (
    COLUMNS,
    HALF_WIDTH,
    MOUTH,
    NOD,
    TURN,
    finite,
    is_reached,
    nearest,
    on_cover,
)
from inference_service.filters.vision.draw.kernels.pixelate import pixelated
from inference_service.filters.vision.draw.kernels.squares import side_of, squares

REACH = tl.constexpr(masks.REACH)
SCALE = tl.constexpr(wishes.SCALE)
RED = tl.constexpr(wishes.RED)
SIDE = tl.constexpr(wishes.SIDE)
KIND = tl.constexpr(wishes.KIND)
BLUR = tl.constexpr(wishes.KINDS.index("blur"))
FOX = tl.constexpr(wishes.KINDS.index("fox"))
TILE = (16, 32)
"""Rows and columns of pixels in one program."""
WARPS = 8
"""Of one program: with four a thread would need 125 registers, and half as many threads would run at once."""


def covered(
    pictures: Tensor,
    covers: Tensor,
    areas: Tensor,
    is_all: Tensor,
    wanted: wishes.Wishes,
    poison: Tensor,
    facts: Any = None,
) -> Tensor:
    """Return what `draw.covers` does on a GPU: (N, 3, H, W) float32 of `pictures` of any strides."""
    count, _, height, width = pictures.shape
    covers, areas, is_all, poison = (one.contiguous() for one in (covers, areas, is_all, poison.float()))
    smallest, large_side = min(wanted.sides), max(1, height // wishes.ROWS_OF_ALL)
    numbers = wanted.numbers
    found = squares(pictures, areas, is_all, numbers[:, wishes.SIDE], smallest, large_side)
    made = torch.empty_like(pictures, dtype=torch.float32)
    area_height, area_width = areas.shape[2:]
    rows, columns = TILE
    tiles = programs(width, columns)
    _covered[(programs(height, rows) * tiles, count)](
        pictures,
        made,
        covers,
        areas,
        is_all,
        numbers,
        poison,
        *found,
        height,
        width,
        covers.shape[1],
        tiles,
        *pictures.stride(),
        *made.stride(),
        *numbers.stride(),
        area_height,
        area_width,
        area_height / height,
        area_width / width,
        found.cells.shape[1],
        found.large.shape[1],
        smallest,
        large_side,
        tile_rows=rows,
        tile_columns=columns,
        num_warps=WARPS,
    )
    return made


@compiled_once
def _covered(
    pictures,
    made,
    covers,
    areas,
    is_all,
    numbers,
    poison,
    cells,
    large,
    height,
    width,
    count,
    tiles,
    by_picture,
    by_channel,
    by_row,
    by_pixel,
    to_picture,
    to_channel,
    to_row,
    to_pixel,
    by_wish,
    by_number,
    area_height,
    area_width,
    area_down,
    area_across,
    total,
    large_count,
    smallest,
    large_side,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
):
    number = tl.program_id(1).to(tl.int64)
    top, left = tl.program_id(0) // tiles * tile_rows, tl.program_id(0) % tiles * tile_columns
    place = tl.arange(0, tile_rows * tile_columns)
    y, x = top + place // tile_columns, left + place % tile_columns
    is_there = (y < height) & (x < width)
    pixel = pictures + number * by_picture + y * by_row + x * by_pixel
    red = tl.load(pixel, mask=is_there, other=0).to(tl.float32)
    green = tl.load(pixel + by_channel, mask=is_there, other=0).to(tl.float32)
    blue = tl.load(pixel + 2 * by_channel, mask=is_there, other=0).to(tl.float32)
    covers += number * count * COLUMNS
    wish = numbers + number * by_wish
    scale = tl.load(wish + SCALE * by_number)
    kind = tl.load(wish + KIND * by_number).to(tl.int32)
    is_mask = kind >= FOX

    is_whole = tl.load(is_all + number).to(tl.int32) > 0
    reach = tl.where(is_mask, REACH, 1.0)
    if is_reached(covers, count, scale, reach, top, left, tile_rows, tile_columns) & ~is_whole:
        across, down = x + 0.5, y + 0.5
        best, which = nearest(covers, count, scale, across, down, False)
        _, _, radius = on_cover(covers, which, scale, across, down)
        share = (1.0 - tl.sqrt(best)) * HALF_WIDTH * radius + 0.5
        share = tl.where(best < float("inf"), tl.minimum(tl.maximum(share, 0.0), 1.0), 0.0)
        # Only what a cover hides is looked up.
        is_mixed = is_there & (share > 0)
        side = side_of(numbers + SIDE * by_number, number, by_wish, smallest)
        own = cells + number * total * 3
        hidden_red, hidden_green, hidden_blue = pixelated(
            own, y, x, radius, side, height, width, is_mixed, kind == BLUR
        )
        red = _mixed(red, hidden_red, share)
        green = _mixed(green, hidden_green, share)
        blue = _mixed(blue, hidden_blue, share)
        if is_mask:
            best, which = nearest(covers, count, scale, across, down, True)
            u, v, radius = on_cover(covers, which, scale, across, down)
            pixels = tl.where(best < float("inf"), radius, 0.0)
            head = covers + which * COLUMNS
            turn, nod, mouth = finite(head + TURN), finite(head + NOD), finite(head + MOUTH)
            own_red = tl.load(wish + RED * by_number)
            own_green = tl.load(wish + (RED + 1) * by_number)
            own_blue = tl.load(wish + (RED + 2) * by_number)
            if kind == FOX:
                mask_red, mask_green, mask_blue, cover = fox(
                    u, v, pixels, turn, nod, mouth, own_red, own_green, own_blue
                )
            else:
                mask_red, mask_green, mask_blue, cover = smile(
                    u, v, pixels, turn, nod, mouth, own_red, own_green, own_blue
                )
            # Far from the only mask a distance may overflow.
            red = tl.where(cover > 0, _mixed(red, mask_red, cover), red)
            green = tl.where(cover > 0, _mixed(green, mask_green, cover), green)
            blue = tl.where(cover > 0, _mixed(blue, mask_blue, cover), blue)

    # As torch finds the nearest value of a map.
    area_y = tl.minimum(tl.floor(y * area_down).to(tl.int32), area_height - 1)
    area_x = tl.minimum(tl.floor(x * area_across).to(tl.int32), area_width - 1)
    area = areas + number * (area_height * area_width) + area_y * area_width + area_x
    is_hidden = is_whole | (tl.load(area, mask=is_there, other=0).to(tl.int32) > 0)
    columns = (width + large_side - 1) // large_side
    square = large + (number * large_count + y // large_side * columns + x // large_side) * 3
    is_hidden = is_hidden & is_there
    red = tl.where(is_hidden, tl.load(square, mask=is_hidden, other=0.0), red)
    green = tl.where(is_hidden, tl.load(square + 1, mask=is_hidden, other=0.0), green)
    blue = tl.where(is_hidden, tl.load(square + 2, mask=is_hidden, other=0.0), blue)
    # 0, or not finite: then nothing of the picture is.
    spoilt = tl.load(poison + number)
    into = made + number * to_picture + y * to_row + x * to_pixel
    tl.store(into, red + spoilt, mask=is_there)
    tl.store(into + to_channel, green + spoilt, mask=is_there)
    tl.store(into + 2 * to_channel, blue + spoilt, mask=is_there)


@triton.jit
def _mixed(one, other, share):
    return tl.where(share < 0.5, one + share * (other - one), other - (other - one) * (1.0 - share))
