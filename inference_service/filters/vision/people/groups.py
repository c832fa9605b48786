"""Who is in a picture, people of groups too: in the whole of it a finder overlooks those who are small.

Each look takes the whole picture and `TILES` squares of it, half as long as its longer side, which overlap by
a half. They take turns, so some looks have seen all of it, twice as large. People are told apart by the
middle of their shoulders: their squares reach from head to feet, so those of neighbours overlap by a half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import body_topology, regions, tracking
from inference_service.filters.vision.networks.people.detections import Detections
from inference_service.filters.vision.rows import upload

TILES = 2
LEAST_UPPER = 0.11
"""Of the picture's longer side: the least radius of the circle round an upper body that a tile shows.

It leaves out people on posters, whose faces are less than 3 % of that side; one of 4.5 % is mostly found.
"""
SAME = 0.2
"""Of the smaller side of two regions: those whose shoulders lie nearer are one person's. One person's were up
to 0.06 apart where several tiles showed them, those of neighbours in a row at least 0.32."""
SHOULDERS = [body_topology.NAMES.index(f"{side} shoulder") for side in ("left", "right")]

Find = Callable[[Tensor, Tensor], Detections]
"""A `BodyFinder`."""
Tile = tuple[int, int, int]
"""Left, top, side in pixels."""


class Found(NamedTuple):
    """F people in each of N pictures, in pixels; each person once, those of the whole picture first."""

    squares: Tensor
    """(N, F, 4), of `regions.py`."""
    shoulders: Tensor
    """(N, F, 2): the middle between them."""
    is_found: Tensor
    """(N, F) bool."""


def look(find: Find, pictures: Tensor, turns: Sequence[int], least: Tensor) -> Found:
    """Return who is in (N, 3, H, W) pictures, surer than `least` (N,), by the whole and by the turn's tiles.

    Each picture has its own number of looks before, `turns`. Nothing is asked of the device.
    """
    n, _, height, width = pictures.shape
    tiles = tiles_of(height, width)
    chosen = [[tiles[(TILES * turn + number) % len(tiles)] for number in range(TILES)] for turn in turns]
    parts = [
        pictures[number : number + 1, :, top : top + side, left : left + side]
        for number, some in enumerate(chosen)
        for left, top, side in some
    ]
    whole = find(pictures, least[:, None])
    closer = find(torch.cat(parts), least[:, None].expand(n, TILES).reshape(-1, 1))
    corners = np.array([[tile[:2] for tile in some] for some in chosen], np.float32)
    offsets = upload(corners, pictures.device)[:, :, None, None]
    near = (closer.points.reshape(n, TILES, -1, 4, 2) + offsets).flatten(1, 2)
    is_large = _upper_radius(near) >= LEAST_UPPER * max(height, width)
    is_near = (closer.scores > 0).reshape(n, -1) & is_large
    points = torch.cat((whole.points, near), 1)
    squares, shoulders = regions.of_found_bodies(points), points[:, :, 2]
    is_found = torch.cat((whole.scores > 0, is_near), 1)
    is_again = are_same(shoulders, squares, shoulders, squares).tril(-1) & is_found[:, None]
    return Found(squares, shoulders, is_found & ~is_again.any(-1))


def are_same(one: Tensor, squares: Tensor, other: Tensor, other_squares: Tensor) -> Tensor:
    """Return (N, F, M) bool: which of (N, F, 2) shoulders in (N, F, 4) regions are whose of M others."""
    away = torch.linalg.vector_norm(one[:, :, None] - other[:, None], dim=-1)
    is_same: Tensor = away < SAME * torch.minimum(squares[:, :, None, 2], other_squares[:, None, :, 2])
    return is_same


def kept(points: Tensor, is_tracked: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `tracking.keep` does of points (N, M, 39, 2) of people; each person is kept once."""
    squares, shoulders = regions.of_bodies(points), shoulders_of(points)
    return tracking.keep(squares, is_tracked, scores, are_same(shoulders, squares, shoulders, squares))


def shoulders_of(points: Tensor) -> Tensor:
    """Return (..., 2), the middle of the shoulders, of body points (..., P, 2)."""
    left, right = SHOULDERS
    return (points[..., left, :] + points[..., right, :]) / 2


@lru_cache(32)
def tiles_of(height: int, width: int) -> list[Tile]:
    """Return the squares of a picture, those above each other one after the other."""
    side = min(-(-max(height, width) // 2), height, width)
    lefts, tops = _starts(width, side), _starts(height, side)
    return [(left, top, side) for left in lefts for top in tops]


def _starts(length: int, side: int) -> list[int]:
    """Return where squares begin, at most half a side apart, from a length's start to its end."""
    steps = -(-2 * (length - side) // side)
    return [round((length - side) * step / max(steps, 1)) for step in range(steps + 1)]


def _upper_radius(points: Tensor) -> Tensor:
    """Return (N, F) of the finder's points (N, F, 4, 2)."""
    radius: Tensor = torch.linalg.vector_norm(points[:, :, 3] - points[:, :, 2], dim=-1)
    return radius
