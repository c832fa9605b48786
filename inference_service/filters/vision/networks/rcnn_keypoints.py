"""torchvision's Keypoint R-CNN: 17 points of each person, of all people in all pictures at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.vision.networks.rcnn import Found, Network
from inference_service.filters.vision.networks.rcnn_grid import Grid

REACH = 16
"""Pixels of the network's input, in each direction, round the highest cell of a map, that are looked at."""
NEAR_CELLS = 1.25
"""Cells of a map round the highest one in which its peak is looked for."""
_SHARPNESS = -0.75
"""Of bicubic interpolation, as torch has it (Keys, 1981, with another parameter)."""


class Points(NamedTuple):
    """Where the points of N pictures' K people are."""

    place: Tensor
    """(N, K, 17, 2) float32, x and y in pixels of the picture."""
    score: Tensor
    """(N, K, 17) float32: the height of the network's map there, torchvision's `keypoints_scores`."""
    poison: Tensor
    """(N,) float32: 0, or NaN for a picture for which the network's output is not finite."""


class KeypointNetwork(Network):
    """Finds people (label 1), as `Network` finds things, and then their points."""

    def __init__(self, model: Any, device: torch.device, dtype: torch.dtype) -> None:
        """Take torchvision's `KeypointRCNN`, on the CPU, to pieces, in place; all limits are its own."""
        super().__init__(model, device, dtype)
        heads = model.roi_heads
        self._point_side = heads.keypoint_roi_pool.output_size[0]
        self._point_head = self.placed(heads.keypoint_head)
        self._heat = self.placed(heads.keypoint_predictor.kps_score_lowres)
        self._up_scale = float(heads.keypoint_predictor.up_scale)

    def see(self, pictures: Tensor, min_scores: Tensor) -> tuple[Found, Points]:
        """Return the people in (N, 3, H, W) uint8 RGB `pictures`, scored above `min_scores`, (N,)."""
        grid = self.grid((pictures.shape[2], pictures.shape[3]))
        is_wanted = torch.ones(len(pictures), self.classes, dtype=torch.bool, device=pictures.device)
        found = self.find(pictures, min_scores, is_wanted, grid)
        return found, self.points(found, grid)

    def points(self, found: Found, grid: Grid) -> Points:
        """Return the points of the people of `find`; all 0 for places that are not taken."""
        people = found.things
        n, count = people.is_real.shape
        picture = torch.arange(n, device=self.device).repeat_interleave(count, output_size=n * count)
        boxes, is_real, real = people.network_boxes.flatten(0, 1), people.is_real.flatten(), None
        if self.asks:
            real = is_real.nonzero()[:, 0]
            picture, boxes = picture[real], boxes[real]
        pooled = self.pool(found.features, picture, boxes, grid, self._point_side)
        maps = self._heat(self._point_head(pooled)).to(torch.float32)
        maps = nnf.interpolate(maps, scale_factor=self._up_scale, mode="bilinear", align_corners=False)
        rows = torch.cat((*peaks(maps, boxes), maps.flatten(2).sum(2)[..., None] * 0), dim=-1)
        if real is not None:
            rows = rows.new_zeros(n * count, *rows.shape[1:]).index_copy_(0, real, rows)
        rows = torch.where(is_real[:, None, None], rows, 0).view(n, count, -1, 4)
        (height, width), (network_height, network_width) = grid.picture, grid.network
        across, down = rows[..., 0] * (width / network_width), rows[..., 1] * (height / network_height)
        poison = rows[..., 3].flatten(1).sum(1)
        return Points(torch.stack((across, down), dim=-1), rows[..., 2], poison)


def peaks(maps: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the place (R, P, 2), x and y, and the height (R, P, 1) of each map's peak.

    `maps`: (R, P, s, s) float32, each over one of `boxes` (R, 4), in whose units the places are. torchvision
    (`heatmaps_to_keypoints`) enlarges each map to whole pixels of its box, bicubically, and takes the
    highest pixel. Here the same pixels are computed round the highest cell alone, for all maps at once. The
    result is the same pixel, with two exceptions: another cell is about as high, or a box is so large that a
    cell has more than REACH pixels. Of these only each second, third and so on is looked at.
    """
    cells = maps.shape[-1]
    size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    pixels = size.ceil()
    best = maps.flatten(2).argmax(dim=2)
    column, column_pixel = _taps(best % cells, pixels[:, :1], cells)
    row, row_pixel = _taps(best // cells, pixels[:, 1:], cells)
    heights = row.weight @ maps @ column.weight.transpose(2, 3)
    heights = heights + row.veto[..., :, None] + column.veto[..., None, :]
    score, place = heights.flatten(2).max(dim=2)
    side = column_pixel.shape[-1]
    x = column_pixel.gather(2, (place % side)[..., None])
    y = row_pixel.gather(2, (place // side)[..., None])
    pixel = torch.cat((x, y), dim=-1)
    return (pixel + 0.5) * (size / pixels)[:, None] + boxes[:, None, :2], score[..., None]


class _Taps(NamedTuple):
    weight: Tensor
    """(R, P, samples, cells): how a map's cells make each sample."""
    veto: Tensor
    """(R, P, samples): minus infinity for a sample that is not to be taken."""


def _taps(cell: Tensor, pixels: Tensor, cells: int) -> tuple[_Taps, Tensor]:
    """Return how to sample one direction of maps at pixels round `cell` (R, P), and which pixels these are.

    `pixels` (R, 1): how many the box has in this direction.
    """
    per_cell = pixels / cells
    step = torch.ceil(per_cell * NEAR_CELLS / REACH).clamp(min=1)
    middle = ((cell + 0.5) * per_cell - 0.5).round()
    offset = torch.arange(-REACH, REACH + 1, device=cell.device)
    pixel = middle[..., None] + offset * step[..., None]
    at = (pixel + 0.5) / per_cell[..., None] - 0.5
    # Where a pixel is wider than that, the nearest one is near enough.
    reach = torch.clamp(0.5 / per_cell + 1e-3, min=NEAR_CELLS)[..., None]
    is_near = ((at - cell[..., None]).abs() <= reach) & (pixel >= 0) & (pixel < pixels[..., None])
    low = at.floor()
    taps = torch.arange(-1, 3, device=cell.device)
    share = _cubic((at - low)[..., None] - taps)
    # Beyond the border the border's own cell goes on.
    place = (low[..., None] + taps).clamp(0, cells - 1)
    hit = place[..., None] == torch.arange(cells, device=cell.device)
    weight = (share[..., None] * hit).sum(dim=-2)
    return _Taps(weight, torch.where(is_near, 0.0, -torch.inf)), pixel


def _cubic(distance: Tensor) -> Tensor:
    d = distance.abs()
    a = _SHARPNESS
    inner = ((a + 2) * d - (a + 3)) * d * d + 1
    outer = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, inner, torch.where(d < 2, outer, 0.0))
