"""Polygons filled with smooth edges, many at once, on any device and in fixed shapes.

Each edge adds to a row of pixels the area that lies right of it, signed by its direction. The sum along the
row is how much of each pixel lies inside (the accumulation buffer of R. Levien's font-rs). Rows are sampled
at their middles, so an edge is smooth across and steps by a row down: soften it afterwards.
"""

from __future__ import annotations

import torch
from torch import Tensor


def filled(starts: Tensor, ends: Tensor, layers: Tensor, count: int, size: int) -> Tensor:
    """Return (K, count, size, size) float32, 0 to 1: what of each pixel lies inside of each layer's polygons.

    `starts` and `ends` (K, E, 2) float32: the edges of closed polygons, x and y in pixels, all of a polygon
    in one direction round it. `layers` (E,) int64 in [0, count): on which layer each is. Polygons of one
    layer should not meet.
    """
    k = len(starts)
    (x1, y1), (x2, y2) = starts.unsqueeze(-1).unbind(2), ends.unsqueeze(-1).unbind(2)
    row = torch.arange(size, device=starts.device)
    y = row + 0.5
    is_crossed = (y >= torch.minimum(y1, y2)) & (y < torch.maximum(y1, y2))
    rise = y2 - y1
    x = x1 + (y - y1) * ((x2 - x1) / torch.where(rise == 0, 1, rise))
    x = torch.where(is_crossed, x.clamp(0, size), 0)
    weight = is_crossed * torch.sign(rise)
    column = x.floor()
    part = (x - column) * weight
    first = torch.arange(k, device=starts.device)[:, None, None] * count + layers[:, None]
    place = ((first * size + row) * (size + 2) + column.to(torch.int64)).flatten()
    sums = torch.zeros(k * count * size * (size + 2), device=starts.device)
    sums.index_add_(0, place, (weight - part).flatten())
    sums.index_add_(0, place + 1, part.flatten())
    return sums.view(k, count, size, size + 2)[..., :size].cumsum(-1).abs_().clamp_(max=1)
