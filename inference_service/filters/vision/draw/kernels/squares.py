"""Means of squares: those of `draw.pixelate`, of four levels, and large ones, which hide a picture."""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, programs
from inference_service.filters.vision.draw import pixelate

LEVELS = tl.constexpr(pixelate.LEVELS)
GROUP = (8, 64)
"""Squares in one program, and pixels of each at once."""
LARGE = (1, 512)
"""Likewise where squares are large."""
CELLS = 128
"""Of a level, in one program."""


class Squares(NamedTuple):
    """Of N pictures of one size, which may have smallest squares of different sides."""

    cells: Tensor
    """(N, C, 3) float32: all levels, the finest first, each row by row; then nothing that was made."""
    large: Tensor
    """(N, L, 3) float32: squares that hide a picture; black where nothing is hidden."""


def squares(
    pictures: Tensor, areas: Tensor, is_all: Tensor, sides: Tensor, smallest: int, large_side: int
) -> Squares:
    """Return the squares of (N, 3, H, W) uint8 `pictures`, of any strides.

    `sides` (N,) float32, none below `smallest`: pixels of the finest level's. Those of `large_side` are made
    where `areas` (N, 1, h, w) bool or `is_all` (N,) bool want some.
    """
    count, _, height, width = pictures.shape
    levels = sizes(height, width, smallest)
    finest, total = levels[0][0] * levels[0][1], sum(rows * columns for rows, columns in levels)
    large_count = programs(height, large_side) * programs(width, large_side)
    made = Squares(
        torch.empty((count, total, 3), dtype=torch.float32, device=pictures.device),
        torch.empty((count, large_count, 3), dtype=torch.float32, device=pictures.device),
    )
    area_height, area_width = areas.shape[2:]
    for into, squares_there, (group, pixels) in (
        (made.cells, finest, GROUP),
        (made.large, large_count, LARGE),
    ):
        is_large = into is made.large
        _means[(programs(squares_there, group), count)](
            pictures,
            areas,
            is_all,
            sides,
            into,
            height,
            width,
            *pictures.stride(),
            sides.stride(0),
            area_height,
            area_width,
            area_height / height,
            into.shape[1],
            large_side if is_large else smallest,
            is_large=is_large,
            group=group,
            block=pixels,
        )
    coarser = levels[1][0] * levels[1][1]
    _halve[(programs(coarser, CELLS), len(levels) - 1, count)](
        sides, made.cells, height, width, sides.stride(0), total, smallest, block=CELLS
    )
    return made


def sizes(height: int, width: int, side: int) -> list[tuple[int, int]]:
    """Return rows and columns of each level."""
    found = [(programs(height, side), programs(width, side))]
    while len(found) < pixelate.LEVELS:
        rows, columns = found[-1]
        found.append(((rows + 1) // 2, (columns + 1) // 2))
    return found


@triton.jit
def side_of(sides, number, by_number, smallest):
    """Return a picture's own side, which is never below that for which there is room."""
    return tl.maximum(tl.load(sides + number * by_number).to(tl.int32), smallest)


@compiled_once
def _means(
    pictures,
    areas,
    is_all,
    sides,
    into,
    height,
    width,
    by_picture,
    by_channel,
    by_row,
    by_pixel,
    by_side,
    area_height,
    area_width,
    area_scale,
    total,
    smallest,
    is_large: tl.constexpr,
    group: tl.constexpr,
    block: tl.constexpr,
):
    number = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * group + tl.arange(0, group)
    side = smallest
    if not is_large:
        side = side_of(sides, number, by_side, smallest)
    columns = (width + side - 1) // side
    top, left = place // columns * side, place % columns * side
    # A picture with larger squares has fewer of them.
    rows = tl.maximum(tl.minimum(side, height - top), 0)
    wide = tl.minimum(side, width - left)
    pixels = rows * wide
    if is_large:
        areas += number * (area_height * area_width)
        first = tl.floor(tl.max(top) * area_scale).to(tl.int32) * area_width
        last = tl.floor((tl.max(top + rows) - 1) * area_scale).to(tl.int32)
        end = (tl.minimum(last, area_height - 1) + 1) * area_width
        flags = tl.zeros((block,), tl.int32)
        for start in range(first, end, block):
            at = start + tl.arange(0, block)
            flags = tl.maximum(flags, tl.load(areas + at, mask=at < end, other=0).to(tl.int32))
        is_wanted = tl.max(flags) + tl.load(is_all + number).to(tl.int32) > 0
        pixels = tl.where(is_wanted, pixels, 0)
    corner = pictures + number * by_picture + top * by_row + left * by_pixel
    red = tl.zeros((group, block), tl.float32)
    green = tl.zeros((group, block), tl.float32)
    blue = tl.zeros((group, block), tl.float32)
    for start in range(0, tl.max(pixels), block):
        at = start + tl.arange(0, block)[None, :]
        is_there = at < pixels[:, None]
        pixel = corner[:, None] + at // wide[:, None] * by_row + at % wide[:, None] * by_pixel
        red += tl.load(pixel, mask=is_there, other=0).to(tl.float32)
        green += tl.load(pixel + by_channel, mask=is_there, other=0).to(tl.float32)
        blue += tl.load(pixel + 2 * by_channel, mask=is_there, other=0).to(tl.float32)
    share = 1.0 / tl.maximum(pixels, 1).to(tl.float32)
    square = into + (number * total + place) * 3
    tl.store(square, tl.sum(red, 1) * share, mask=rows > 0)
    tl.store(square + 1, tl.sum(green, 1) * share, mask=rows > 0)
    tl.store(square + 2, tl.sum(blue, 1) * share, mask=rows > 0)


@compiled_once
def _halve(sides, cells, height, width, by_side, total, smallest, block: tl.constexpr):
    number = tl.program_id(2).to(tl.int64)
    level = tl.program_id(1) + 1
    side = side_of(sides, number, by_side, smallest)
    all_rows, all_columns = (height + side - 1) // side, (width + side - 1) // side
    rows, columns, before = all_rows, all_columns, 0
    for _ in range(level):
        before += rows * columns
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    cells += number * total * 3
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < rows * columns
    row, column = place // columns, place % columns
    red = tl.zeros((block,), tl.float32)
    green = tl.zeros((block,), tl.float32)
    blue = tl.zeros((block,), tl.float32)
    across = 1 << level
    for step in range(across * across):
        y, x = row * across + step // across, column * across + step % across
        is_cell = is_there & (y < all_rows) & (x < all_columns)
        share = _share(y, all_rows, level) * _share(x, all_columns, level)
        cell = cells + (y * all_columns + x) * 3
        red += tl.load(cell, mask=is_cell, other=0.0) * share
        green += tl.load(cell + 1, mask=is_cell, other=0.0) * share
        blue += tl.load(cell + 2, mask=is_cell, other=0.0) * share
    into = cells + (before + place) * 3
    tl.store(into, red, mask=is_there)
    tl.store(into + 1, green, mask=is_there)
    tl.store(into + 2, blue, mask=is_there)


@triton.jit
def _share(place, size, level):
    """Return what a cell of the finest level counts along one axis: a mean of means, of what there is."""
    share = tl.full(place.shape, 1.0, tl.float32)
    for _ in range(level):
        # Its neighbour in the pair may lie beyond the border.
        share = tl.where((place | 1) < size, share * 0.5, share)
        place, size = place // 2, (size + 1) // 2
    return share
