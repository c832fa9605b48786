"""The colour of squares, or of a blur, at each pixel; the formulas are those of `draw.pixelate`."""

from __future__ import annotations

import triton
import triton.language as tl

from inference_service.filters.vision.draw import wishes

PER_RADIUS = tl.constexpr(2 / wishes.SQUARES_ACROSS)


@triton.jit
def pixelated(cells, y, x, radius, side, height, width, is_wanted, is_smooth):
    """Return the red, green and blue of the squares at pixels, whose side depends on the `radius` there."""
    # The whole number above the logarithm of this; a cover on the border has the larger squares.
    ratio = PER_RADIUS * radius / side
    level = tl.where(ratio > 1.0, 1, 0) + tl.where(ratio > 2.0, 1, 0) + tl.where(ratio > 4.0, 1, 0)
    rows, columns = (height + side - 1) // side, (width + side - 1) // side
    before = 0
    own_rows = tl.zeros_like(level) + rows
    own_columns = tl.zeros_like(level) + columns
    first = tl.zeros_like(level)
    for number in tl.static_range(1, 4):
        before += rows * columns
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
        own_rows = tl.where(level >= number, rows, own_rows)
        own_columns = tl.where(level >= number, columns, own_columns)
        first = tl.where(level >= number, before, first)
    own_side = side << level
    red = tl.zeros_like(radius)
    green = tl.zeros_like(radius)
    blue = tl.zeros_like(radius)
    if is_smooth:
        row, down = _between(y, own_side, own_rows)
        column, across = _between(x, own_side, own_columns)
        for step in range(16):
            i, j = step // 4, step % 4
            share = _weight(i, down) * _weight(j, across) / 9.0
            at_row = tl.minimum(tl.maximum(row + i - 1, 0), own_rows - 1)
            at_column = tl.minimum(tl.maximum(column + j - 1, 0), own_columns - 1)
            cell = cells + (first + at_row * own_columns + at_column) * 3
            red += share * tl.load(cell, mask=is_wanted, other=0.0)
            green += share * tl.load(cell + 1, mask=is_wanted, other=0.0)
            blue += share * tl.load(cell + 2, mask=is_wanted, other=0.0)
    else:
        cell = cells + (first + y // own_side * own_columns + x // own_side) * 3
        red = tl.load(cell, mask=is_wanted, other=0.0)
        green = tl.load(cell + 1, mask=is_wanted, other=0.0)
        blue = tl.load(cell + 2, mask=is_wanted, other=0.0)
    return red, green, blue


@triton.jit
def _between(place, side, count):
    """Return the cell whose middle lies before each pixel, and the way to the next; 0 at the border."""
    at = tl.maximum((place + 0.5) / side - 0.5, 0.0)
    cell = tl.minimum(tl.floor(at).to(tl.int32), count - 1)
    return cell, tl.where(cell + 1 < count, at - cell, 0.0)


@triton.jit
def _weight(step, way):
    """Return what four cells in a row count: softened by their neighbours, then mixed two by two."""
    return tl.where(step == 0, 1.0 - way, tl.where(step == 3, way, 1.0))
