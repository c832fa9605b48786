"""Heads covered in a whole batch of pictures: which pixels, and with what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.vision.draw.masks import COVER, Places, Style, drawn
from inference_service.filters.vision.draw.pixelate import LEVELS, pixelated, squares
from inference_service.filters.vision.people.covers import AXIS_X, AXIS_Y, IS_THERE, RADIUS, X, Y

SQUARES_ACROSS = 8
"""Most squares across a cover: with more of them somebody may be known by their face."""
ROWS_OF_ALL = 8
"""Squares from top to bottom where the whole picture is covered."""


class Wishes(NamedTuple):
    """How N pictures are to be covered; tensors on the device."""

    modes: Sequence[str]
    """`mosaic`, `blur` or `mask`, of each."""
    styles: Sequence[Style]
    sides: Sequence[int]
    """Pixels of the smallest squares."""
    scale: Tensor
    """(N,) float32: radius of a cover against that of its head."""
    colour: Tensor
    """(N, 3) float32, RGB in [0, 255], of a mask."""


def covered(pictures: Tensor, covers: Tensor, is_all: Tensor, wishes: Wishes) -> Tensor:
    """Return (N, 3, H, W) float32: uint8 RGB `pictures` with `covers` (N, M, COLUMNS, see `covers`) on them.

    Where `is_all`, (N,) bool, nothing but large squares is left of the picture.
    """
    places, share = nearest(covers, wishes.scale, (pictures.shape[2], pictures.shape[3]))
    hidden = _hidden(pictures, places, wishes)
    result = torch.lerp(pictures.to(torch.float32), hidden, share[:, None])
    masks = [
        style if mode == "mask" else None for style, mode in zip(wishes.styles, wishes.modes, strict=True)
    ]
    for style in sorted({mask for mask in masks if mask is not None}):
        colours, cover = drawn(style, places, wishes.colour)
        has_it = [mask == style for mask in masks]
        result = _only(has_it, torch.lerp(result, colours, cover), result)
    height = pictures.shape[2]
    return torch.where(is_all[:, None, None, None], squares(pictures, max(1, height // ROWS_OF_ALL)), result)


def nearest(covers: Tensor, scale: Tensor, size: tuple[int, int]) -> tuple[Places, Tensor]:
    """Return where each pixel lies on the cover nearest to it, and how much of it is covered, (N, H, W)."""
    height, width = size
    n = len(covers)
    device = covers.device
    across = torch.arange(width, device=device) + 0.5
    down = (torch.arange(height, device=device) + 0.5)[:, None]
    best = torch.full((n, height, width), torch.inf, device=device)
    u, v, radius = (torch.zeros(n, height, width, device=device) for _ in range(3))
    for cover in _columns(covers):
        x, y, own, axis_x, axis_y, is_there = (
            cover[:, column, None, None] for column in (X, Y, RADIUS, AXIS_X, AXIS_Y, IS_THERE)
        )
        own = (own * scale[:, None, None]).clamp(min=1)
        to_x, to_y = (across - x) / own, (down - y) / own
        own_u, own_v = to_x * axis_x + to_y * axis_y, to_y * axis_x - to_x * axis_y
        away = torch.hypot(own_u / COVER[0], own_v / COVER[1])
        is_nearer = (away < best) & (is_there > 0)
        best = torch.where(is_nearer, away, best)
        u, v = torch.where(is_nearer, own_u, u), torch.where(is_nearer, own_v, v)
        radius = torch.where(is_nearer, own, radius)
    share = ((1 - best) * min(COVER) * radius + 0.5).nan_to_num(0).clamp(0, 1)
    return Places(u, v, radius), share * (radius > 0)


def _columns(covers: Tensor) -> Sequence[Tensor]:
    """Return (N, COLUMNS) of each cover; on a CPU, where asking costs nothing, of those that there are."""
    if covers.device.type == "cpu":
        covers = covers[:, (covers[..., IS_THERE] > 0).any(dim=0)]
    return covers.unbind(1)


def _hidden(pictures: Tensor, places: Places, wishes: Wishes) -> Tensor:
    side = torch.stack([torch.full_like(places.radius[0], side) for side in wishes.sides])
    level = torch.log2((2 / SQUARES_ACROSS) * places.radius / side).ceil().clamp(0, LEVELS - 1)
    is_smooth = [mode == "blur" for mode in wishes.modes]
    if all(is_smooth) or not any(is_smooth):
        return pixelated(pictures, wishes.sides, level, is_smooth=is_smooth[0])
    smooth, square = (pixelated(pictures, wishes.sides, level, is_smooth=one) for one in (True, False))
    return _only(is_smooth, smooth, square)


def _only(chosen: Sequence[bool], some: Tensor, others: Tensor) -> Tensor:
    """Return the pictures of `some` that are `chosen`, the rest of `others`; no index is moved up."""
    if all(chosen):
        return some
    return torch.stack(
        [one if is_chosen else other for is_chosen, one, other in zip(chosen, some, others, strict=True)]
    )
