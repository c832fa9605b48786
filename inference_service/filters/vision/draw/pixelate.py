"""Pictures in squares, or blurred, in several strengths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as nnf

LEVELS = 4
"""Each with squares of twice the side of the one before."""


def pixelated(pictures: Tensor, sides: Sequence[int], level: Tensor, *, is_smooth: bool) -> Tensor:
    """Return (N, 3, H, W) float32 of uint8 or float `pictures` of that shape, in squares or smooth.

    `sides`: pixels of a square of the finest level, for each picture, on the host. `level` (N, H, W) float32:
    which level is shown at each pixel, 0 to LEVELS - 1.
    """
    if len(set(sides)) == 1:
        return _pixelated(pictures.to(torch.float32), sides[0], level, is_smooth=is_smooth)
    rows = [
        _pixelated(pictures[one : one + 1].to(torch.float32), side, level[one : one + 1], is_smooth=is_smooth)
        for one, side in enumerate(sides)
    ]
    return torch.cat(rows)


def squares(pictures: Tensor, side: int) -> Tensor:
    """Return (N, 3, H, W) float32 in squares of `side` pixels, smaller ones at the right and below."""
    return _enlarged(_halved(pictures.to(torch.float32), side), side, pictures.shape[2:], is_smooth=False)


def _pixelated(pictures: Tensor, side: int, level: Tensor, *, is_smooth: bool) -> Tensor:
    size = pictures.shape[2:]
    # On a CPU only what is shown: mostly there is one head, and all squares are of one size.
    first, last = (int(level.min()), int(level.max())) if level.is_cpu else (0, LEVELS - 1)
    small, shown = _halved(pictures, side), None
    for number in range(last + 1):
        if number:
            small, side = _halved(small, 2), side * 2
        if number >= first:
            squares = _enlarged(small, side, size, is_smooth=is_smooth)
            shown = squares if shown is None else torch.where((level >= number)[:, None], squares, shown)
    assert shown is not None
    return shown


def _halved(pictures: Tensor, by: int) -> Tensor:
    return nnf.avg_pool2d(pictures, by, ceil_mode=True, count_include_pad=False)


def _enlarged(small: Tensor, side: int, size: Sequence[int], *, is_smooth: bool) -> Tensor:
    if is_smooth:
        # Without it one sees the squares' middles as a grid of stars.
        soft = nnf.avg_pool2d(nnf.pad(small, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        whole = (small.shape[2] * side, small.shape[3] * side)
        large = nnf.interpolate(soft, size=whole, mode="bilinear", align_corners=False)
    else:
        large = small.repeat_interleave(side, dim=2).repeat_interleave(side, dim=3)
    return large[:, :, : size[0], : size[1]]
