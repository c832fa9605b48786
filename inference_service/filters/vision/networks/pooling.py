"""Features of a region, resampled to a fixed grid (ROIAlign: He et al., "Mask R-CNN", 2017, section 3).

Two ways that differ in rounding only. `align_exactly` calls torchvision's operator, bit for bit what
detectron2 does. It must pool every region on every level and keep a quarter, and it wants features
channels-first. In half precision it computes coordinates in half precision too, with an error of an eighth
of a cell at worst. `gather` reads channels-last features as rows of a table and sums 16 weighted rows per
output in one kernel: all levels at once, coordinates in single precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as nnf

SAMPLES = 2
"""Per output and direction: what the model was trained with."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Where the levels of a pyramid lie in the table of `gather`; all (L,) on the device."""

    scale: Tensor
    """float32: cells per pixel of the network's input."""
    height: Tensor
    """float32, in cells."""
    width: Tensor
    first: Tensor
    """int64: cells of one picture in the levels before."""

    @classmethod
    def of(cls, shapes: Sequence[tuple[int, int]], strides: Sequence[int], device: torch.device) -> Levels:
        """Describe levels of `shapes` (height, width) in cells."""
        cells = [0]
        for height, width in shapes:
            cells.append(cells[-1] + height * width)
        return cls(
            torch.tensor([1 / stride for stride in strides], device=device),
            torch.tensor([float(height) for height, _ in shapes], device=device),
            torch.tensor([float(width) for _, width in shapes], device=device),
            torch.tensor(cells[:-1], device=device),
        )


def level_of(boxes: Tensor, levels: int) -> Tensor:
    """Return (R,) int64: the pyramid level, 0 the finest (stride 4), for (R, 4) boxes.

    Lin et al., "Feature Pyramid Networks" (2017), equation 1: 224 pixels belong to stride 16, level 2 here.
    """
    side = torch.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    return (torch.floor(2 + torch.log2(side / 224 + 1e-8))).clamp(0, levels - 1).to(torch.int64)


def align_exactly(
    features: Sequence[Tensor], picture: Tensor, boxes: Tensor, strides: Sequence[int], side: int
) -> Tensor:
    """Return (R, C, side, side): `boxes` (R, 4) of pictures number `picture` (R,), from the fitting level.

    `features` are (N, C, H, W), one per level, with `strides` in pixels of the network's input.
    """
    from torchvision.ops import roi_align

    dtype = features[0].dtype
    regions = torch.cat((picture[:, None].to(dtype), boxes.to(dtype)), dim=1)
    pooled: list[Tensor] = [
        roi_align(level, regions, side, 1 / stride, SAMPLES, aligned=False)
        for level, stride in zip(features, strides, strict=True)
    ]
    chosen = pooled[0]
    belongs = level_of(boxes, len(features))[:, None, None, None]
    for number, candidate in enumerate(pooled[1:], start=1):
        chosen = torch.where(belongs == number, candidate, chosen)
    return chosen


def gather(features: Sequence[Tensor], picture: Tensor, boxes: Tensor, levels: Levels, side: int) -> Tensor:
    """Return the same as `align_exactly`, channels last in memory; so should the features be."""
    count, channels = features[0].shape[:2]
    rows = [level.permute(0, 2, 3, 1).reshape(-1, channels) for level in features]
    table = rows[0] if len(rows) == 1 else torch.cat(rows)
    level = level_of(boxes, len(features))
    scale, height, width = levels.scale[level], levels.height[level], levels.width[level]
    y, y_share = _taps(boxes[:, 1] * scale, boxes[:, 3] * scale, height, side)
    x, x_share = _taps(boxes[:, 0] * scale, boxes[:, 2] * scale, width, side)
    row_length = width.to(torch.int64)
    start = levels.first[level] * count + picture * (height.to(torch.int64) * row_length)
    # (R, side down, side across, taps down, taps across)
    index = start[:, None, None] + y * row_length[:, None, None]
    index = index[:, :, None, :, None] + x[:, None, :, None, :]
    share = y_share[:, :, None, :, None] * x_share[:, None, :, None, :]
    taps = index.shape[-1] * index.shape[-2]
    summed = nnf.embedding_bag(
        index.view(-1, taps), table, mode="sum", per_sample_weights=share.view(-1, taps).to(table.dtype)
    )
    return summed.view(-1, side, side, channels).permute(0, 3, 1, 2)


def _taps(begin: Tensor, end: Tensor, size: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Return cells (R, side, 2 * SAMPLES) int64 and their shares, for one direction of regions in cells."""
    # Regions narrower than a cell are pooled as if they were one wide, as the model was trained.
    step = (end - begin).clamp(min=1) / side
    sample = (torch.arange(side * SAMPLES, device=begin.device) + 0.5) / SAMPLES
    at = begin[:, None] + sample * step[:, None]
    last = size[:, None] - 1
    is_inside = (at >= -1) & (at <= size[:, None])
    at = torch.minimum(at.clamp(min=0), last)
    low = at.floor()
    high = torch.minimum(low + 1, last)
    upper = at - low
    cells = torch.stack((low, high), dim=-1).to(torch.int64)
    shares = torch.stack((1 - upper, upper), dim=-1) * (is_inside[..., None] / SAMPLES)
    return cells.view(-1, side, 2 * SAMPLES), shares.view(-1, side, 2 * SAMPLES)
