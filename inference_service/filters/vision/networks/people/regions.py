"""Where to look closer: turned squares from found points, and from the last frame's points.

A region is (..., 4) float32: centre x, centre y, side, angle. Pixels of the picture; the angle in radians is
that from the picture's x axis to the square's, clockwise as seen. A side of 0 stands for no region.

The rules and their numbers are MediaPipe's (`DetectionsToRectsCalculator`, `AlignmentPointsRectsCalculator`,
`RectTransformationCalculator` and the graphs that use them, named at each function).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference_service.filters.vision.rows import upload

FACE_SCALE = 1.5
BODY_SCALE = 1.25
MESH_EYE_CORNERS = (33, 263)
"""The outer corners, the person's right and left, which is left and right in the picture."""
BODY_CENTRE, BODY_CIRCLE = 33, 34
"""Of the body's 39 points: the middle of the hips, and one on a circle round it that holds the whole body."""
FARTHEST = 1e5
"""Pixels, of numbers that OpenCV is given: it counts in fixed point."""


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
    boxes = torch.cat(flat.aminmax(dim=-2), -1)
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
    outside of the picture its border goes on. On a CPU only the parts that are seen are copied.
    """
    if pictures.is_cpu and bool((regions.abs() < FARTHEST).all()):
        return _cut_by_opencv(pictures, regions.tolist(), owners.tolist(), size)
    return cut_on_device(pictures, regions, owners, size)


def cut_on_device(pictures: Tensor, regions: Tensor, owners: Tensor, size: int) -> Tensor:
    """Return what `cut` does, without a question to the device."""
    n, _, height, width = pictures.shape
    limits = upload(np.array([limits_of(n, height, width)], np.float32), pictures.device)
    return sampled(pictures, places(regions.float(), owners * height, limits, size))


def limits_of(n: int, height: int, width: int) -> tuple[float, float, float, float]:
    """Return what `places` has to know of pictures (n, 3, height, width)."""
    return width - 1, height - 1, 2 / max(width - 1, 1), 2 / max(n * height - 1, 1)


def places(regions: Tensor, above: Tensor, limits: Tensor, size: int) -> Tensor:
    """Return (K, size, size, 2): where `sampled` finds the regions (K, 4) float32.

    `above` (K,): rows of the pictures before theirs, which are stacked; `limits` (K or 1, 4).
    """
    steps = (torch.arange(size, device=regions.device, dtype=torch.float32) + 0.5) / size - 0.5
    x, y, side, angle = regions[:, :, None].unbind(1)
    across, down = steps * side * torch.cos(angle), steps * side * torch.sin(angle)
    last_column, last_row, to_u, to_v = limits[:, :, None, None].unbind(1)
    # Pixel centres are at half pixels; `grid_sample` wants them at whole ones here.
    columns = (x[..., None] + across[:, None] - down[:, :, None] - 0.5).clamp(min=0)
    rows = (y[..., None] + down[:, None] + across[:, :, None] - 0.5).clamp(min=0)
    # A row between two pictures is never met, as rows end at the last centre of each.
    rows = torch.minimum(rows, last_row) + above[:, None, None]
    return torch.stack((torch.minimum(columns, last_column) * to_u - 1, rows * to_v - 1), -1)


def sampled(pictures: Tensor, places: Tensor) -> Tensor:
    """Return (K, 3, size, size) float32 of pictures (N, 3, H, W), by `places`."""
    n, _, height, width = pictures.shape
    # All pictures are one, above each other: one sampling for regions of any of them, and no copy of a
    # picture.
    stack = pictures.float().permute(0, 2, 3, 1).reshape(1, n * height, width, -1).permute(0, 3, 1, 2)
    size = places.shape[1]
    grid = places.reshape(1, -1, size, 2)
    cuts = torch.nn.functional.grid_sample(stack, grid, "bilinear", "border", align_corners=True)
    return cuts.reshape(cuts.shape[1], -1, size, size).transpose(0, 1)


def sheet_to_picture(region: Sequence[float], size: int) -> NDArray[np.float64]:
    """Return (2, 3): from pixels of an upright square of `size` to those of the picture that it is cut of.

    Both by their indices, so that their centres are whole numbers, as OpenCV counts them.
    """
    x, y, side, angle = region
    scale = side / size
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    middle = size / 2 - 0.5
    return np.array(
        [
            [cos, -sin, x - 0.5 - cos * middle + sin * middle],
            [sin, cos, y - 0.5 - sin * middle - cos * middle],
        ]
    )


def _cut_by_opencv(
    pictures: Tensor, regions: Sequence[Sequence[float]], owners: Sequence[int], size: int
) -> Tensor:
    levels = pictures.permute(0, 2, 3, 1).numpy()
    cuts = np.empty((len(regions), size, size, levels.shape[-1]), np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for (x, y, side, angle), owner, into in zip(regions, owners, cuts, strict=True):
        reach = side / 2 * (abs(math.cos(angle)) + abs(math.sin(angle))) + 1
        rows, columns = (_span(at, reach, most) for at, most in zip((y, x), levels.shape[1:3], strict=True))
        part = levels[owner, rows, columns].astype(np.float32, order="C")
        matrix = sheet_to_picture((x - columns.start, y - rows.start, side, angle), size)
        cv2.warpAffine(part, matrix, (size, size), into, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return torch.from_numpy(cuts).permute(0, 3, 1, 2)


def _span(at: float, reach: float, most: int) -> slice:
    """Return the pixels of `most` that lie within `reach` of a place, at least the nearest one."""
    low = min(max(math.floor(at - reach), 0), most - 1)
    return slice(low, max(low + 1, min(math.ceil(at + reach) + 1, most)))


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
