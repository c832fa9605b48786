"""Lines with round ends and discs, with smooth edges, for any number of pictures at once.

Coordinates are those of pixels' borders: the middle of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from inference_service.filters.vision.draw.canvas import MAX_MARKS, Marks, crossed, place


def lines(
    ends: Tensor,
    picture: Tensor,
    shape: Tensor,
    radius: Tensor,
    longest: int,
    thickest: float,
    size: tuple[int, int, int],
) -> Iterator[Marks]:
    """Give the marks of lines between `ends` (R, 2, 2) float32: first and second end, x and y.

    `picture` (R,) int64; `shape` (R,) int64, see `draw.crossed`, 0 for a line that is not to be seen;
    `radius` (R,) float32, pixels, at most `thickest`. `longest`: pixels across or down of the longest line.
    """
    reach = math.ceil(thickest * math.sqrt(2)) + 1
    steps = longest + 2 * math.ceil(thickest) + 2
    each = max(1, MAX_MARKS // (steps * (2 * reach + 1)))
    for first in range(0, len(ends), each):
        some = slice(first, first + each)
        yield _lines(ends[some], picture[some], shape[some], radius[some], steps, reach, size)


def _lines(
    ends: Tensor,
    picture: Tensor,
    shape: Tensor,
    radius: Tensor,
    steps: int,
    reach: int,
    size: tuple[int, int, int],
) -> Marks:
    device = ends.device
    extent = (ends[:, 1] - ends[:, 0]).abs()
    is_steep = (extent[:, 1] > extent[:, 0])[:, None, None]
    # Along its longer direction (u) a line has one place in the other (v), and is few pixels thick there.
    u_v = torch.where(is_steep, ends.flip(2), ends)
    (u_a, v_a), (u_b, v_b) = (end.unbind(1) for end in u_v.unbind(1))
    # What lies before the picture's first pixel would use up the steps.
    start = (torch.minimum(u_a, u_b) - radius).clamp(min=0)
    u = start.floor()[:, None] + torch.arange(steps, device=device)
    length = torch.where((u_b - u_a).abs() < 1e-3, 1e-3, u_b - u_a)
    along = ((u + 0.5 - u_a[:, None]) / length[:, None]).clamp(0, 1)
    middle = v_a[:, None] + along * (v_b - v_a)[:, None]
    v = middle.floor()[..., None] + torch.arange(-reach, reach + 1, device=device)
    u = u[..., None].expand_as(v)
    cover = _cover(u, v, u_v, radius)
    row, column = torch.where(is_steep, u, v), torch.where(is_steep, v, u)
    return _marks(row, column, cover, picture, shape, size)


def discs(
    centres: Tensor,
    picture: Tensor,
    shape: Tensor,
    radius: Tensor,
    thickest: float,
    size: tuple[int, int, int],
) -> Marks:
    """Return the marks of discs round `centres` (R, 2), x and y; the others as for `lines`."""
    reach = math.ceil(thickest) + 1
    span = torch.arange(-reach, reach + 1, device=centres.device)
    corner = centres.floor()
    column = corner[:, 0, None, None] + span[None, None]
    row = corner[:, 1, None, None] + span[None, :, None]
    distance = torch.hypot(column + 0.5 - centres[:, 0, None, None], row + 0.5 - centres[:, 1, None, None])
    cover = (radius[:, None, None] + 0.5 - distance).clamp(0, 1)
    return _marks(row.expand_as(cover), column.expand_as(cover), cover, picture, shape, size)


def _cover(u: Tensor, v: Tensor, ends: Tensor, radius: Tensor) -> Tensor:
    """Return how much of each pixel a line covers, 0 to 1: by its middle's distance from the line."""
    (u_a, v_a), (u_b, v_b) = ((one[:, None, None] for one in end.unbind(1)) for end in ends.unbind(1))
    across, down = u_b - u_a, v_b - v_a
    to_u, to_v = u + 0.5 - u_a, v + 0.5 - v_a
    along = ((to_u * across + to_v * down) / (across * across + down * down).clamp(min=1e-6)).clamp(0, 1)
    distance = torch.hypot(to_u - along * across, to_v - along * down)
    return (radius[:, None, None] + 0.5 - distance).clamp(0, 1)


def _marks(
    row: Tensor, column: Tensor, cover: Tensor, picture: Tensor, shape: Tensor, size: tuple[int, int, int]
) -> Marks:
    at, is_inside = place(picture[:, None, None], row.to(torch.int64), column.to(torch.int64), size)
    shape = shape[:, None, None]
    return Marks(at, torch.where(is_inside & (shape > 0), crossed(shape, cover), 0))
