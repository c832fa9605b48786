"""Pictures resized as Pillow resizes them, bit for bit, on any device, as detectron2's predictor does first.

Pillow blends whole levels with shares in fixed point, first along rows, then along columns, and rounds to
whole levels in between. So does this; torch's own resizing rounds other values that lie half-way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

SHARE_BITS = 22
"""Of Pillow's fixed point: 32 bits less 8 for a level and 2 for sums that exceed one."""


@dataclass(frozen=True, slots=True)
class Blend:
    """How values along one direction are made of others: T taps for each of `size` results."""

    place: Tensor
    """(T, size) int64, on the device: which value."""
    share: Tensor
    """(T, size) int32: how much of it, in units of 2 ** -SHARE_BITS."""

    @classmethod
    def between(cls, before: int, after: int, device: torch.device) -> Blend | None:
        """Return the blend that makes `after` values of `before`, None where there is nothing to do.

        Bilinear: a triangle as wide as two values, of those on the side where they are fewer.
        """
        if before == after:
            return None
        scale = before / after
        reach = max(scale, 1.0)
        centre = (np.arange(after) + 0.5) * scale
        first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
        end = np.minimum((centre + reach + 0.5).astype(np.int64), before)
        place = first + np.arange((end - first).max())[:, None]
        share = np.maximum(1 - np.abs((place - centre + 0.5) / reach), 0) * (place < end)
        whole = np.floor(share / share.sum(axis=0) * (1 << SHARE_BITS) + 0.5).astype(np.int32)
        return cls(
            torch.from_numpy(np.minimum(place, before - 1)).to(device), torch.from_numpy(whole).to(device)
        )


def resize(pictures: Tensor, across: Blend | None, down: Blend | None) -> Tensor:
    """Return the (N, 3, H', W') levels of (N, 3, H, W) uint8 pictures, int32 where there was work to do."""
    levels = pictures
    if across is not None:
        levels = _blended(levels, across, dim=3)
    if down is not None:
        levels = _blended(levels, down, dim=2)
    return levels


def _blended(levels: Tensor, blend: Blend, dim: int) -> Tensor:
    total: Tensor | int = 1 << (SHARE_BITS - 1)
    for place, share in zip(blend.place, blend.share, strict=True):
        total = total + levels.index_select(dim, place).to(torch.int32) * (
            share if dim == 3 else share[:, None]
        )
    assert isinstance(total, Tensor)
    return (total >> SHARE_BITS).clamp_(0, 255)
