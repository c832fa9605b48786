"""Where to look closer: turned squares from found points, and from the last frame's points.

A region is (..., 4) float32: centre x, centre y, side, angle. Pixels of the picture; the angle in radians is
that from the picture's x axis to the square's, clockwise as seen. A side of 0 stands for no region.

The rules and their numbers are MediaPipe's (`DetectionsToRectsCalculator`, `AlignmentPointsRectsCalculator`,
`RectTransformationCalculator` and the graphs that use them, named at each function).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

FACE_SCALE = 1.5
BODY_SCALE = 1.25
MESH_EYE_CORNERS = (33, 263)
"""The outer corners, the person's right and left, which is left and right in the picture."""
BODY_CENTRE, BODY_CIRCLE = 33, 34
"""Of the body's 39 points: the middle of the hips, and one on a circle round it that holds the whole body."""


def of_found_faces(boxes: Tensor, points: Tensor) -> Tensor:
    """Return regions (..., 4) of boxes (..., 4) and points (..., 6, 2) of a face finder.

    Turned by the eyes, 1.5 times the box's longer side: `face_detection_front_detection_to_roi.pbtxt`.
    """
    return _squares(boxes, points[..., 0, :], points[..., 1, :])


def of_meshes(points: Tensor) -> Tensor:
    """Return the regions (..., 4) for the next frame of mesh points (..., 468, 2 or 3).

    Turned by the eyes' outer corners, 1.5 times the longer side of the upright box round all points:
    `face_landmark_landmarks_to_roi.pbtxt`.
    """
    flat = points[..., :2]
    boxes = torch.cat((flat.amin(-2), flat.amax(-2)), -1)
    right, left = MESH_EYE_CORNERS
    return _squares(boxes, flat[..., right, :], flat[..., left, :])


def of_found_bodies(points: Tensor) -> Tensor:
    """Return regions (..., 4) of points (..., 4, 2) of a body finder.

    The first point is the middle of the hips and the second one on a circle round the body, straight above
    for one who stands: `pose_detection_to_roi.pbtxt`, which takes 1.25 times that circle's square.
    """
    return _circled(points[..., 0, :], points[..., 1, :])


def of_bodies(points: Tensor) -> Tensor:
    """Return the regions (..., 4) for the next frame of body points (..., 39, 2 or 3).

    As `of_found_bodies`, by the body's own two points of that kind: `pose_landmarks_to_roi.pbtxt`.
    """
    return _circled(points[..., BODY_CENTRE, :2], points[..., BODY_CIRCLE, :2])


def _squares(boxes: Tensor, start: Tensor, end: Tensor) -> Tensor:
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    side = (boxes[..., 2:] - boxes[..., :2]).amax(-1) * FACE_SCALE
    along = end - start
    angle = torch.atan2(along[..., 1], along[..., 0])
    return torch.stack((middle[..., 0], middle[..., 1], side, angle), -1)


def _circled(middle: Tensor, rim: Tensor) -> Tensor:
    along = rim - middle
    side = 2 * BODY_SCALE * along.norm(dim=-1)
    # Up is 0: a quarter turn more than the angle of the way to the rim, within half a turn either way.
    angle = torch.atan2(along[..., 1], along[..., 0]) + math.pi / 2
    angle = torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
    return torch.stack((middle[..., 0], middle[..., 1], side, angle), -1)


def cut(pictures: Tensor, regions: Tensor, owners: Tensor, size: int) -> Tensor:
    """Return (K, 3, size, size) float32: what the regions (K, 4) show, upright, in the pictures' range.

    `pictures` (N, 3, H, W) of any type; `owners` (K,) int64 say which picture each region is of. Bilinear;
    outside of the picture its border goes on. Fast on channels-last pictures, which are then not copied.
    """
    n, _, height, width = pictures.shape
    steps = (torch.arange(size, device=pictures.device, dtype=torch.float32) + 0.5) / size - 0.5
    x, y, side, angle = regions.float()[:, :, None].unbind(1)
    across, down = steps * side * torch.cos(angle), steps * side * torch.sin(angle)
    # Pixel centres are at half pixels; `grid_sample` wants them at whole ones here.
    columns = (x[..., None] + across[:, None] - down[:, :, None] - 0.5).clamp(0, width - 1)
    rows = (y[..., None] + down[:, None] + across[:, :, None] - 0.5).clamp(0, height - 1)
    # All pictures are one, above each other: one sampling for regions of any of them, and no copy of a
    # picture. A row between two pictures is never met, as rows end at the last centre of each.
    rows = rows + owners[:, None, None] * height
    tall = n * height
    grid = torch.stack((columns * (2 / max(width - 1, 1)) - 1, rows * (2 / max(tall - 1, 1)) - 1), -1)
    stack = pictures.float().permute(0, 2, 3, 1).reshape(1, tall, width, -1).permute(0, 3, 1, 2)
    grid = grid.reshape(1, -1, size, 2)
    cuts = torch.nn.functional.grid_sample(stack, grid, "bilinear", "border", align_corners=True)
    return cuts.reshape(cuts.shape[1], -1, size, size).transpose(0, 1)


def to_picture(points: Tensor, regions: Tensor) -> Tensor:
    """Return (K, P, 2 or 3) points of a region, in [0, 1] within it, as points of the picture.

    A third coordinate, depth, is in sides of the region and becomes pixels.
    """
    x, y, side, angle = regions[:, :, None].unbind(1)
    u, v = (points[..., 0] - 0.5) * side, (points[..., 1] - 0.5) * side
    cos, sin = torch.cos(angle), torch.sin(angle)
    placed = [x + u * cos - v * sin, y + u * sin + v * cos]
    if points.shape[-1] > len(placed):
        placed.append(points[..., 2] * side)
    return torch.stack(placed, -1)
