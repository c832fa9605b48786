"""The last painting blended in where the camera's picture stands still, so that nothing there flickers.

A denoiser makes much of a camera's faint noise. Where the camera changes by more than such noise, nothing of
the last painting is kept: what moves leaves no ghost. A session's state holds its last painting, bytes at the
working size, and the means of the camera's cells at that time: 0.8 MB at 512x512.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.base import Item

CELL = 8
"""Pixels each way whose mean is compared: a mean of 64 has an eighth of a pixel's noise."""
STILL_LEVELS = 2.0
"""A cell whose mean changes by less stands still."""
MOVING_LEVELS = 8.0
"""One that changes by more moves; in between the last painting counts partly."""
FORGET_AFTER = 15
"""Camera frames, half a second: a painting that is older says nothing about the camera now."""


def shares(items: Sequence[Item]) -> list[float]:
    """Return how much of each session's last painting stays where nothing moves; 0 where there is none."""
    found = []
    for item in items:
        # A worker that is behind leaves frames out; by their numbers the last painting fades as fast as ever.
        since = max(1, item.sequence - item.state.get("sequence", item.sequence))
        is_known = "painted" in item.state and since <= FORGET_AFTER
        found.append(item.params.steadiness**since if is_known else 0.0)
    return found


@dataclass(frozen=True, slots=True)
class Memory:
    """What a batch's sessions remember, float32 levels, and the cells of the camera now."""

    painted: Tensor
    """(N, 3, h, w)."""
    before: Tensor
    """(N, 3, h / 8, w / 8), like `now`."""
    now: Tensor

    @classmethod
    def of(cls, items: Sequence[Item], camera: Tensor) -> Self:
        """Return what is remembered; where that is nothing, the camera, (N, 3, h, w) levels, instead."""
        now = nnf.avg_pool2d(camera, CELL)
        painted = [item.state.get("painted", one) for item, one in zip(items, camera, strict=True)]
        before = [item.state.get("cells", one) for item, one in zip(items, now, strict=True)]
        return cls(torch.stack([one.to(camera.dtype) for one in painted]), torch.stack(before), now)

    def blended(self, new: Tensor, keep: Tensor) -> Tensor:
        """Return (N, 3, h, w): (N, 1, 1, 1) `keep` of the last painting where it stands still, else `new`."""
        share = stillness(self.now, self.before) * keep
        return new.lerp(self.painted, nnf.interpolate(share, size=new.shape[-2:], mode="bilinear"))

    def keep(self, items: Sequence[Item], painted: Tensor) -> None:
        """Put what was painted into the sessions' states; where it is not a number, what was there before."""
        levels = torch.where(painted.isnan(), self.painted, painted).round().to(torch.uint8)
        for item, painting, cells in zip(items, levels, self.now, strict=True):
            # Copies: a view would keep the whole batch in memory for as long as this session lasts.
            item.state["painted"] = painting.clone()
            item.state["cells"] = cells.clone()
            item.state["sequence"] = item.sequence


def stillness(now: Tensor, before: Tensor) -> Tensor:
    """Return (N, 1, ...) from 0, moves, to 1, stands still, of two pictures of cells."""
    change = (now - before).abs().amax(dim=1, keepdim=True)
    # The largest of a cell's neighbours too: a moving edge lies anywhere in its cell.
    change = nnf.max_pool2d(change, 3, stride=1, padding=1)
    share = ((MOVING_LEVELS - change) / (MOVING_LEVELS - STILL_LEVELS)).clamp(0, 1)
    return share * share * (3 - 2 * share)
