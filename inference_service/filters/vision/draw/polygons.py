"""Polygons filled with smooth edges, many at once, on any device and in fixed shapes.

Each edge adds to a row of pixels the area that lies right of it, signed by its direction. The sum along the
row is how much of each pixel lies inside (the accumulation buffer of R. Levien's font-rs). Rows are sampled
at their middles, so an edge is smooth across and steps by a row down: soften it afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor


class Rings:
    """Closed polygons, each of some corners on a layer, all corners in one row."""

    def __init__(self, rings: Sequence[tuple[int, int]], device: torch.device) -> None:
        """`rings` are layers and numbers of corners."""
        self.layers = torch.tensor([layer for layer, count in rings for _ in range(count)], device=device)
        self.count = 1 + max(layer for layer, _ in rings)
        starts = itertools.accumulate((count for _, count in rings), initial=0)
        follows = [
            start + (place + 1) % count
            for start, (_, count) in zip(starts, rings, strict=False)
            for place in range(count)
        ]
        self._follows = torch.tensor(follows, device=device)

    def filled(self, corners: Tensor, size: tuple[int, int]) -> Tensor:
        """Return (K, layers, *size) of corners (K, E, 2) in pixels."""
        return filled(corners, corners[:, self._follows], self.layers, self.count, size)


def filled(starts: Tensor, ends: Tensor, layers: Tensor, count: int, size: tuple[int, int]) -> Tensor:
    """Return (K, count, *size) float32, 0 to 1: what of each pixel lies inside of each layer's polygons.

    `starts` and `ends` (K, E, 2) float32: the edges of closed polygons, x and y in pixels, all of a polygon
    in one direction round it. `layers` (E,) int64 in [0, count): on which layer each is. Polygons of one
    layer should not meet. `size` is (height, width).
    """
    k = len(starts)
    (x1, y1), (x2, y2) = starts.unsqueeze(-1).unbind(2), ends.unsqueeze(-1).unbind(2)
    height, width = size
    row = torch.arange(height, device=starts.device)
    y = row + 0.5
    is_crossed = (y >= torch.minimum(y1, y2)) & (y < torch.maximum(y1, y2))
    rise = y2 - y1
    x = x1 + (y - y1) * ((x2 - x1) / torch.where(rise == 0, 1, rise))
    x = torch.where(is_crossed, x.clamp(0, width), 0)
    weight = is_crossed * torch.sign(rise)
    column = x.floor()
    part = (x - column) * weight
    # Also where a corner is no number: an index out of bounds is the end of a GPU's process.
    cell = column.to(torch.int64).clamp(0, width)
    first = torch.arange(k, device=starts.device)[:, None, None] * count + layers[:, None]
    place = ((first * height + row) * (width + 2) + cell).flatten()
    sums = torch.zeros(k * count * height * (width + 2), device=starts.device)
    sums.index_add_(0, place, (weight - part).flatten())
    sums.index_add_(0, place + 1, part.flatten())
    return sums.view(k, count, height, width + 2)[..., :width].cumsum(-1).abs_().clamp_(max=1)
