"""Frames and labels over whole pictures: each picture is read once and written once.

A program draws one tile. It looks at many things at once for those that come near, finds for each pixel which
lies on top, and reads texts for that one alone.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, programs

TILE = (16, 32)
"""(rows, columns): small, so that few things come near."""
AT_ONCE = 32
"""Things that are looked at; bits of a number."""
NUMBERS = 10
"""Of a thing."""


def over(
    pictures: Tensor, rows: Tensor, labels: Tensor, colours: Tensor, letters: Any, poison: Tensor
) -> Tensor:
    """Return (N, 3, H, W) float32 drawings over uint8 RGB `pictures`, in their layout.

    `rows` (N, 10, K) int32, whole pixels: x1, y1, x2, y2 of a box, and the width of its frame, 0 for what is
    not to be seen; x, y, width of its label, 0 for none; the width of its word, and its number, -1 for none.
    The first thing lies on top, and labels on all frames. `labels` (N, K) int64, contiguous: the words, and
    rows of `colours` (N, C, 3) float32, RGB. `letters` is a `Lettering`. `poison` (N,) float32, contiguous,
    is added to all of a picture.
    """
    n, _, height, width = pictures.shape
    count = rows.shape[2]
    drawn = torch.empty_like(pictures, dtype=torch.float32)
    across = programs(width, TILE[1])
    _draw_boxes[(across * programs(height, TILE[0]), n)](
        pictures,
        rows,
        labels,
        colours,
        *colours.stride(),
        letters.words.texts,
        letters.words.texts.shape[2],
        letters.words.widths,
        letters.numbers.texts,
        letters.numbers.texts.shape[2],
        letters.numbers.widths,
        letters.height,
        letters.margin,
        poison,
        drawn,
        height,
        width,
        *pictures.stride(),
        *drawn.stride(),
        count,
        across,
        tile_height=TILE[0],
        tile_width=TILE[1],
        at_once=AT_ONCE,
    )
    return drawn


@compiled_once
def _draw_boxes(
    pictures,
    rows,
    labels,
    colours,
    by_table,
    by_class,
    by_colour,
    words,
    word_length,
    word_widths,
    numbers,
    number_length,
    number_widths,
    label_height,
    margin,
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
    across,
    tile_height: tl.constexpr,
    tile_width: tl.constexpr,
    at_once: tl.constexpr,
):
    picture = tl.program_id(1).to(tl.int64)
    top = tl.program_id(0) // across * tile_height
    left = tl.program_id(0) % across * tile_width
    place = tl.arange(0, tile_height * tile_width)
    row, column = top + place // tile_width, left + place % tile_width
    is_there = (row < height) & (column < width)
    rows += picture * count * 10
    shape = _shapes(rows, count, label_height, top, left, row, column, tile_height, tile_width, at_once)
    is_drawn, is_label = shape > 0, shape > count
    # Shapes count backwards: the first thing lies on top, and labels on all frames.
    thing = tl.where(is_drawn, tl.where(is_label, 2 * count, count) - shape, 0)
    word = tl.load(labels + picture * count + thing, mask=is_drawn, other=0)
    in_word = column - tl.load(rows + 5 * count + thing, mask=is_label, other=0) - margin
    down = row - tl.load(rows + 6 * count + thing, mask=is_label, other=0)
    in_number = in_word - tl.load(rows + 8 * count + thing, mask=is_label, other=0) - margin
    number = tl.load(rows + 9 * count + thing, mask=is_label, other=-1)
    is_number = (number >= 0) & (in_number >= 0)
    is_text = is_label & is_number
    is_text &= in_number < tl.load(number_widths + number, mask=is_text, other=0)
    level = tl.load(
        numbers + (number * label_height + down) * number_length + in_number, mask=is_text, other=0
    )
    is_text = is_label & (is_number == 0) & (in_word >= 0)
    is_text &= in_word < tl.load(word_widths + word, mask=is_text, other=0)
    level += tl.load(words + (word * label_height + down) * word_length + in_word, mask=is_text, other=0)
    share = level.to(tl.float32) / 255.0
    colours += picture * by_table + word * by_class
    red = tl.load(colours, mask=is_drawn, other=0)
    green = tl.load(colours + by_colour, mask=is_drawn, other=0)
    blue = tl.load(colours + 2 * by_colour, mask=is_drawn, other=0)
    text = tl.where(0.299 * red + 0.587 * green + 0.114 * blue > 140.0, 0.0, 255.0)
    added = tl.load(poison + picture)
    pictures += picture * by_picture + row * by_row + column * by_pixel
    drawn += picture * to_picture + row * to_row + column * to_pixel
    for channel in tl.static_range(3):
        own = red if channel == 0 else green if channel == 1 else blue
        ground = tl.load(pictures + channel * by_channel, mask=is_there, other=0).to(tl.float32)
        value = tl.where(is_drawn, own + (text - own) * share, ground)
        tl.store(drawn + channel * to_channel, value + added, mask=is_there)


@triton.jit
def _shapes(
    rows,
    count,
    label_height,
    top,
    left,
    row,
    column,
    tile_height: tl.constexpr,
    tile_width: tl.constexpr,
    at_once: tl.constexpr,
):
    """Return the highest shape of each pixel of a tile: 1 to count are frames, those above are labels."""
    best = tl.zeros_like(row)
    for first in range(0, count, at_once):
        near = _near(rows, count, first, label_height, top, left, tile_height, tile_width, at_once)
        now = first
        while near != 0:
            if near & 1 != 0:
                x1, y1 = tl.load(rows + now), tl.load(rows + count + now)
                x2, y2 = tl.load(rows + 2 * count + now), tl.load(rows + 3 * count + now)
                aside = tl.minimum(column - x1, x2 - 1 - column)
                depth = tl.minimum(aside, tl.minimum(row - y1, y2 - 1 - row))
                is_frame = (depth >= 0) & (depth < tl.load(rows + 4 * count + now))
                best = tl.maximum(best, tl.where(is_frame, count - now, 0))
                across = column - tl.load(rows + 5 * count + now)
                down = row - tl.load(rows + 6 * count + now)
                is_label = (across >= 0) & (across < tl.load(rows + 7 * count + now))
                is_label &= (down >= 0) & (down < label_height)
                best = tl.maximum(best, tl.where(is_label, 2 * count - now, 0))
            near >>= 1
            now += 1
    return best


@triton.jit
def _near(
    rows,
    count,
    first,
    label_height,
    top,
    left,
    tile_height: tl.constexpr,
    tile_width: tl.constexpr,
    at_once: tl.constexpr,
):
    """Return bits: which things from `first` on have a frame or a label in a tile."""
    bit = tl.arange(0, at_once)
    thing = first + bit
    is_thing = thing < count
    x1 = tl.load(rows + thing, mask=is_thing, other=0)
    y1 = tl.load(rows + count + thing, mask=is_thing, other=0)
    x2 = tl.load(rows + 2 * count + thing, mask=is_thing, other=0)
    y2 = tl.load(rows + 3 * count + thing, mask=is_thing, other=0)
    line = tl.load(rows + 4 * count + thing, mask=is_thing, other=0)
    right, bottom = left + tile_width, top + tile_height
    is_near = (line > 0) & (x1 < right) & (x2 > left) & (y1 < bottom) & (y2 > top)
    is_within = (x1 + line <= left) & (x2 - line >= right) & (y1 + line <= top) & (y2 - line >= bottom)
    is_near &= is_within == 0
    across = tl.load(rows + 5 * count + thing, mask=is_thing, other=0)
    down = tl.load(rows + 6 * count + thing, mask=is_thing, other=0)
    wide = tl.load(rows + 7 * count + thing, mask=is_thing, other=0)
    is_near |= (across < right) & (across + wide > left) & (down < bottom) & (down + label_height > top)
    return tl.sum(is_near.to(tl.int64) << bit.to(tl.int64), 0)
