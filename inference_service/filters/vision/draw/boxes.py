"""Frames round boxes, with straight edges on whole pixels."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from inference_service.filters.vision.draw.canvas import MAX_MARKS, Marks, place, stacked


def whole(boxes: Tensor, size: tuple[int, int, int]) -> Tensor:
    """Return (R, 4) int64: the pixels of (R, 4) boxes, from the first to behind the last, at least one."""
    _, height, width = size
    begin = boxes[:, :2].round().to(torch.int64)
    begin = torch.stack((begin[:, 0].clamp(0, width - 1), begin[:, 1].clamp(0, height - 1)), dim=1)
    end = torch.maximum(boxes[:, 2:].round().to(torch.int64), begin + 1)
    return torch.cat((begin, end), dim=1)


def frames(
    boxes: Tensor, picture: Tensor, shape: Tensor, line: Tensor, max_line: int, size: tuple[int, int, int]
) -> Iterator[Marks]:
    """Give the marks of frames of (R, 4) int64 `boxes`, see `whole`, drawn inwards.

    `picture`, `shape` and `line` are (R,) int64: which picture, which shape (0: none), how many pixels wide,
    at most `max_line`.
    """
    _, height, width = size
    each = max(1, MAX_MARKS // (2 * max_line * (height + width)))
    for first in range(0, len(boxes), each):
        some = slice(first, first + each)
        yield _frames(boxes[some], picture[some], shape[some], line[some], max_line, size)


def _frames(
    boxes: Tensor, picture: Tensor, shape: Tensor, line: Tensor, max_line: int, size: tuple[int, int, int]
) -> Marks:
    _, height, width = size
    device = boxes.device
    x1, y1, x2, y2 = (side[:, None, None] for side in boxes.unbind(1))
    depth = torch.arange(max_line, device=device)[None, :, None]
    is_drawn = (depth < line[:, None, None]) & (shape > 0)[:, None, None]
    columns = torch.arange(width, device=device)[None, None]
    rows = torch.arange(height, device=device)[None, None]
    sides = []
    for row in (y1 + depth, y2 - 1 - depth):
        is_side = is_drawn & (columns >= x1) & (columns < x2) & (row >= y1) & (row < y2)
        sides.append((row, columns, is_side))
    for column in (x1 + depth, x2 - 1 - depth):
        is_side = is_drawn & (rows >= y1) & (rows < y2) & (column >= x1) & (column < x2)
        sides.append((rows, column, is_side))
    ground = stacked(shape, torch.zeros_like(shape, dtype=torch.float32))[:, None, None]
    places, keys = [], []
    for row, column, is_side in sides:
        at, is_inside = place(picture[:, None, None], row, column, size)
        places.append(at.expand(is_side.shape).flatten())
        keys.append(torch.where(is_side & is_inside, ground, 0).flatten())
    return Marks(torch.cat(places), torch.cat(keys))
