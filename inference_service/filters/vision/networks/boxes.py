"""Boxes in fixed shapes: the same tensors whatever is found in a picture, so that nobody waits for a count.

A box is (x1, y1, x2, y2), float32, in pixels; sizes are (height, width). Leading dimensions are free.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_GROWTH = math.log(1000.0 / 16)
"""Of a box against its anchor, as its logarithm; detectron2's `Box2BoxTransform` clamps at the same value."""


def decode(deltas: Tensor, anchors: Tensor, weights: tuple[float, float]) -> Tensor:
    """Return the boxes that `deltas` (..., 4) make of `anchors` (..., 4).

    `weights` are those of the centre and of the size. Ren et al., "Faster R-CNN" (2015), equation 2.
    """
    deltas = deltas.float()
    size = anchors[..., 2:] - anchors[..., :2]
    centre = anchors[..., :2] + 0.5 * size
    centre = deltas[..., :2] / weights[0] * size + centre
    size = torch.exp(torch.clamp(deltas[..., 2:] / weights[1], max=MAX_GROWTH)) * size
    return torch.cat((centre - 0.5 * size, centre + 0.5 * size), dim=-1)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return `boxes` without what lies outside of a picture of `size`."""
    across, down = boxes[..., 0::2].clamp(0, size[1]), boxes[..., 1::2].clamp(0, size[0])
    return torch.stack((across, down), dim=-1).flatten(-2)


def is_nonempty(boxes: Tensor) -> Tensor:
    """Return (...) bool: both sides are longer than nothing."""
    return (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])


def pairwise_iou(boxes: Tensor) -> Tensor:
    """Return (B, K, K) intersection over union of (B, K, 4) boxes; NaN between two of no area."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    across = torch.minimum(x2[:, :, None], x2[:, None]) - torch.maximum(x1[:, :, None], x1[:, None])
    down = torch.minimum(y2[:, :, None], y2[:, None]) - torch.maximum(y1[:, :, None], y1[:, None])
    common = across.clamp_(min=0).mul_(down.clamp_(min=0))
    area = (x2 - x1) * (y2 - y1)
    return common / (area[:, :, None] + area[:, None] - common)


def suppress(
    boxes: Tensor,
    is_valid: Tensor,
    threshold: float,
    rounds: int | None = None,
    groups: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return which boxes greedy non-maximum suppression keeps, (B, K) bool, and (B,) bool: is it so?

    `boxes` (B, K, 4) are sorted, best first; only those of `is_valid` (B, K) count. Greedy suppression keeps
    a box where no better kept one, of the same group if there are `groups` (B, K), overlaps it by more than
    `threshold`. Applied to all boxes at once, again and again, that rule settles. After n rounds it is right
    for every box at the end of a chain of up to n others, each overlapping the next. Their number is fixed
    where asking whether they are done would wait for a GPU. The second result then tells which rows have not
    settled. After an even number of rounds these keep too many boxes and never too few, since too many in
    one round make too few in the next. None: until they have.
    """
    count = boxes.shape[1]
    is_better = torch.ones(count, count, dtype=torch.bool, device=boxes.device).triu(1)
    overlaps = (pairwise_iou(boxes) > threshold) & is_better & is_valid[:, :, None]
    if groups is not None:
        overlaps = overlaps & (groups[:, :, None] == groups[:, None])
    # As a product: one kernel that reads the matrix once, where `any` would write it anew each round.
    matrix = overlaps.to(torch.float16 if boxes.is_cuda else torch.float32)
    kept = is_valid
    for _ in range(count if rounds is None else rounds):
        before, kept = kept, _round(kept, matrix, is_valid)
        if rounds is None and torch.equal(before, kept):
            break
    is_settled = (_round(kept, matrix, is_valid) == kept).all(dim=1)
    return kept, is_settled


def _round(kept: Tensor, matrix: Tensor, is_valid: Tensor) -> Tensor:
    return is_valid & (torch.bmm(kept[:, None].to(matrix.dtype), matrix)[:, 0] == 0)
