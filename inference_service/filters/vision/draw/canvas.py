"""Shapes drawn on a whole batch of pictures at once, on the device, from tensors that nobody waits for.

Every shape is a list of marks: a pixel and a key. The largest key of a pixel wins, in whatever order a GPU
writes them. A key says which shape it is and how much of the pixel it covers; it is read when all are
written.

    key of marks that lie on top of each other   shape << 8 | cover
    key of marks that run into each other        cover << 16 | shape

Take two shapes that cover half a pixel each. The first kind shows the upper one and what is below both: it
is for shapes with straight edges. The second shows the one that covers more: it is for lines that cross.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

COVER_BITS, SHAPE_BITS = 8, 16
FULL = (1 << COVER_BITS) - 1
MAX_MARKS = 1 << 22
"""In one piece of work: at 20 bytes or so a mark, a batch of many shapes would else take gigabytes."""


class Marks(NamedTuple):
    """Any number of marks, in any shape; both tensors of one shape."""

    place: Tensor
    """int64: (picture * H + row) * W + column."""
    key: Tensor
    """int32, 0 for a mark that is not to be seen; its place counts all the same and must be one."""


def stacked(shape: Tensor, cover: Tensor) -> Tensor:
    """Return keys of marks that lie on top of each other; a higher `shape`, from 1 on, covers a lower one.

    `cover` is 0 to 1, where 0 is still a mark: a shape's own ground.
    """
    return (shape.to(torch.int32) << COVER_BITS) | (cover * FULL).round().to(torch.int32)


def crossed(shape: Tensor, cover: Tensor) -> Tensor:
    """Return keys of marks that run into each other; nothing is to be seen where `cover` is 0."""
    levels = (cover * FULL).round().to(torch.int32)
    return torch.where(levels > 0, (levels << SHAPE_BITS) | shape.to(torch.int32), 0)


def write(size: tuple[int, int, int], device: torch.device, marks: Iterable[Marks]) -> Tensor:
    """Return the largest key of each pixel, int32 of `size` (N, H, W)."""
    keys = torch.zeros(size, dtype=torch.int32, device=device)
    flat = keys.view(-1)
    for some in marks:
        flat.scatter_reduce_(0, some.place.reshape(-1), some.key.reshape(-1), "amax")
    return keys


def read_stacked(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Return the shape of each pixel, int64, 0 where there is none, and its cover, 0 to 255."""
    return (keys >> COVER_BITS).to(torch.int64), keys & FULL


def read_crossed(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Like `read_stacked`."""
    return (keys & ((1 << SHAPE_BITS) - 1)).to(torch.int64), keys >> SHAPE_BITS


def coloured(shape: Tensor, table: Tensor) -> Tensor:
    """Return (N, columns, H, W): for each pixel the row of its picture's `table` (N, shapes, columns)."""
    first = torch.arange(0, table.shape[0] * table.shape[1], table.shape[1], device=shape.device)
    return nnf.embedding(shape + first[:, None, None], table.flatten(0, 1)).permute(0, 3, 1, 2)


def place(picture: Tensor, row: Tensor, column: Tensor, size: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Return where marks go, and which of them lie in the picture; the others go to its border.

    The three int64 tensors are of shapes that fit together.
    """
    _, height, width = size
    is_inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    row, column = row.clamp(0, height - 1), column.clamp(0, width - 1)
    return (picture * height + row) * width + column, is_inside
