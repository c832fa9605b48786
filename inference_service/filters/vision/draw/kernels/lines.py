"""Lines with round ends and discs over whole pictures: each picture is read once and written once.

A program draws one tile. It looks at many lines at once for those that come near, and measures each of its
pixels against these alone. Keys are those of `canvas.crossed`: what covers more of a pixel is seen there,
and the later line where two cover the same.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, programs, rounded

TILE = (16, 32)
"""(rows, columns): small, so that few lines come near."""
AT_ONCE = 32
"""Lines that are looked at; bits of a number."""
NUMBERS = 5
"""Of a line."""


def over(pictures: Tensor, rows: Tensor, colours: Tensor, camera: Tensor, poison: Tensor) -> Tensor:
    """Return (N, 3, H, W) float32 drawings over uint8 RGB `pictures`, in their layout.

    `rows` (N, 5, R) float32: x and y of both ends, those of a disc are the same, then the radius, 0 for what
    is not to be seen; pixels from their borders on. A later row lies on top. `colours` (C, 3) float32, RGB:
    row r has colour r modulo C. `camera` (N,) float32: how much is left of the pictures. `poison` (N,)
    float32, contiguous, is added to all of a picture.
    """
    n, _, height, width = pictures.shape
    drawn = torch.empty_like(pictures, dtype=torch.float32)
    across = programs(width, TILE[1])
    _draw_lines[(across * programs(height, TILE[0]), n)](
        pictures,
        rows,
        colours,
        camera,
        camera.stride(0),
        poison,
        drawn,
        height,
        width,
        *pictures.stride(),
        *drawn.stride(),
        rows.shape[2],
        len(colours),
        across,
        tile_height=TILE[0],
        tile_width=TILE[1],
        at_once=AT_ONCE,
    )
    return drawn


@compiled_once
def _draw_lines(
    pictures,
    rows,
    colours,
    camera,
    by_camera,
    poison,
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
    count,
    colour_count,
    across,
    tile_height: tl.constexpr,
    tile_width: tl.constexpr,
    at_once: tl.constexpr,
):
    number = tl.program_id(1).to(tl.int64)
    top = tl.program_id(0) // across * tile_height
    left = tl.program_id(0) % across * tile_width
    place = tl.arange(0, tile_height * tile_width)
    row, column = top + place // tile_width, left + place % tile_width
    rows += number * count * 5
    key = _keys(rows, count, top, left, row, column, tile_height, tile_width, at_once)
    share = (key >> 16).to(tl.float32) / 255.0
    colour = tl.maximum((key & 0xFFFF) - 1, 0) % colour_count
    left_over = tl.load(camera + number * by_camera)
    added = tl.load(poison + number)
    is_there = (row < height) & (column < width)
    pictures += number * by_picture + row * by_row + column * by_pixel
    drawn += number * to_picture + row * to_row + column * to_pixel
    for channel in tl.static_range(3):
        ground = tl.load(pictures + channel * by_channel, mask=is_there, other=0).to(tl.float32) * left_over
        above = tl.load(colours + colour * 3 + channel, mask=key > 0, other=0)
        tl.store(drawn + channel * to_channel, ground + (above - ground) * share + added, mask=is_there)


@triton.jit
def _keys(
    rows,
    count,
    top,
    left,
    row,
    column,
    tile_height: tl.constexpr,
    tile_width: tl.constexpr,
    at_once: tl.constexpr,
):
    """Return the largest key of each pixel of a tile."""
    x, y = column.to(tl.float32) + 0.5, row.to(tl.float32) + 0.5
    middle_x, middle_y = left + tile_width * 0.5, top + tile_height * 0.5
    # Half the tile's diagonal at most, and what a smooth edge and rounding add.
    reach = (tile_width + tile_height) * 0.5 + 1.0
    best = tl.zeros_like(row)
    for first in range(0, count, at_once):
        near = _near(rows, count, first, middle_x, middle_y, reach, at_once)
        now = first
        while near != 0:
            if near & 1 != 0:
                x_a, y_a = tl.load(rows + now), tl.load(rows + count + now)
                x_b, y_b = tl.load(rows + 2 * count + now), tl.load(rows + 3 * count + now)
                cover = tl.load(rows + 4 * count + now) + 0.5 - _distance(x, y, x_a, y_a, x_b, y_b)
                level = rounded(tl.minimum(tl.maximum(cover, 0.0), 1.0) * 255.0).to(tl.int32)
                best = tl.maximum(best, tl.where(level > 0, (level << 16) | (now + 1), 0))
            near >>= 1
            now += 1
    return best


@triton.jit
def _near(rows, count, first, x, y, reach, at_once: tl.constexpr):
    """Return bits: which lines from `first` on come nearer to a point than that."""
    bit = tl.arange(0, at_once)
    line = first + bit
    is_line = line < count
    x_a = tl.load(rows + line, mask=is_line, other=0)
    y_a = tl.load(rows + count + line, mask=is_line, other=0)
    x_b = tl.load(rows + 2 * count + line, mask=is_line, other=0)
    y_b = tl.load(rows + 3 * count + line, mask=is_line, other=0)
    radius = tl.load(rows + 4 * count + line, mask=is_line, other=0)
    is_near = (radius > 0) & (_distance(x, y, x_a, y_a, x_b, y_b) < radius + reach)
    return tl.sum(is_near.to(tl.int64) << bit.to(tl.int64), 0)


@triton.jit
def _distance(x, y, x_a, y_a, x_b, y_b):
    """Return how far points are from a line between a and b."""
    across, down = x_b - x_a, y_b - y_a
    to_x, to_y = x - x_a, y - y_a
    along = (to_x * across + to_y * down) / tl.maximum(across * across + down * down, 1e-6)
    along = tl.minimum(tl.maximum(along, 0.0), 1.0)
    off_x, off_y = to_x - along * across, to_y - along * down
    return tl.sqrt(off_x * off_x + off_y * off_y)
