"""39 points of a body, from a turned square round it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import files, regions
from inference_service.filters.vision.networks.people.cutting import Cutter
from inference_service.filters.vision.networks.people.recordable import Steps, floats

POINTS = 39
"""33 of the body, two that tell where to look next, four that are of no use alone."""
DEPTH_SCALE = 0.4
"""`normalize_z` of MediaPipe's `tensors_to_pose_landmarks_and_segmentation.pbtxt`."""
CELL = 4
"""Pixels of the network's input that a cell of its heatmap stands for, on a side."""
REACH = 3
"""Cells of the heatmap that are looked at on each side: half of its `kernel_size` of 7."""
CERTAIN = 0.5
"""Probability in the heatmap from which on it moves a point: its `min_confidence_to_refine`."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """K people, float32."""

    points: Tensor
    """(K, 39, 3): x, y in pixels of the picture, which may lie outside of it, and depth in pixels, smaller
    towards the camera, 0 at the hips. `body_topology.py` names the first 33."""
    visibility: Tensor
    """(K, 39) 0..1: is the point in the picture, with nothing before it?"""
    presence: Tensor
    """(K, 39) 0..1: is the point in the picture?"""
    scores: Tensor
    """(K,) 0..1: is there a person? Below 0.5 the points mean nothing."""


class BodyPoints:
    """Body points of regions in a batch."""

    def __init__(self, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Load the weights. Raises WeightsError if they are not those of this version."""
        self._network = files.load("body_points", device, dtype)
        size = self._network.input[1]
        self._cut = Cutter(device, size)
        cells = size // CELL
        rows = floats(POINTS * 5), floats(1), floats(POINTS, cells, cells), floats(4)
        self._read = Steps(device, partial(_read, size=size), *rows)

    @torch.inference_mode()
    def __call__(self, pictures: Tensor, where: Tensor, owners: Tensor) -> Bodies:
        """Return the points in the regions `where` (K, 4) of `regions.py`; `owners` (K,) int64 are their
        pictures.

        `pictures` are (N, 3, H, W) RGB in [0, 255], uint8 or floating; they stay as they are.
        """
        cuts = self._cut(pictures, where, owners).mul_(1 / 255)
        raw, score, heatmap = self._network(cuts, is_lent=True)
        return Bodies(*self._read(raw.flatten(1), score.flatten(1), heatmap, where.float()))


def _read(raw: Tensor, score: Tensor, heatmap: Tensor, where: Tensor, *, size: int) -> tuple[Tensor, ...]:
    """Return the parts of `Bodies` by the network's answer to squares of `size` pixels."""
    values = torch.unflatten(raw.float(), 1, (POINTS, 5))
    flat = refined(values[..., :2] / size, heatmap.float())
    depth = values[..., 2:3] / (size * DEPTH_SCALE)
    points = regions.to_picture(torch.cat((flat, depth), -1), where)
    return points, values[..., 3].sigmoid(), values[..., 4].sigmoid(), score.float().flatten()


def refined(points: Tensor, heatmap: Tensor) -> Tensor:
    """Return (K, P, 2) points in [0, 1], moved to where the heatmap (K, P, h, w), of logits, sees them.

    Each becomes the mean of the cells round it, weighted by their probability, where one of these is at least
    `CERTAIN`; what lies outside of the map stays. MediaPipe's `RefineLandmarksFromHeatmapCalculator`, which
    takes a cell's corner for its place.
    """
    k, count, height, width = heatmap.shape
    # Numbers and no tensor of both sides: that would be copied to the device at every call.
    column, row = (points[..., 0] * width).floor(), (points[..., 1] * height).floor()
    is_inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    reach = torch.arange(-REACH, REACH + 1, device=points.device, dtype=points.dtype)
    columns, rows = column[..., None] + reach, row[..., None] + reach
    is_cell = ((rows >= 0) & (rows < height))[..., :, None] & ((columns >= 0) & (columns < width))[
        ..., None, :
    ]
    # Also where a point is no number: an index out of bounds is the end of a GPU's process.
    index = _cell(rows, height)[..., :, None] * width + _cell(columns, width)[..., None, :]
    logits = heatmap.reshape(k, count, -1).gather(2, index.reshape(k, count, -1))
    weights = logits.sigmoid() * is_cell.reshape(k, count, -1)
    weights = weights.reshape(k, count, len(reach), len(reach))
    total = weights.sum((-1, -2)).clamp(min=1e-9)
    x = (weights.sum(-2) * columns).sum(-1) / total
    y = (weights.sum(-1) * rows).sum(-1) / total
    is_moved = is_inside & (weights.amax((-1, -2)) >= CERTAIN)
    return torch.where(is_moved[..., None], torch.stack((x / width, y / height), -1), points)


def _cell(values: Tensor, cells: int) -> Tensor:
    return values.long().clamp(0, cells - 1)
