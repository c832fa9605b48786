"""The fur of a muzzle lies on the mesh itself, so it follows nose and lip as skin does.

Dense places of the drawing (`texels`) are moved with the mesh's triangles and spread over a small map of the
picture. What each pixel of that map has gathered tells which place of the drawing it shows.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.animal.art.muzzles import WINDOW
from inference_service.filters.vision.networks.people import face_topology as face
from inference_service.filters.vision.networks.people.face_topology import face_model

TEXELS = 96
"""Places on a side of the drawing."""
SIDE = 60
"""Pixels of the small map."""
LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324, 146, 91, 181, 84, 17, 314, 405, 321, 375)
"""Fur ends at the upper lip, and the mouth stays free."""
LOWEST = -4.5
"""Of a triangle's corners, in centimetres of the model: beside the mouth's corners fur ends too."""
REACH = (-4.6, 4.6, -4.9, 5.0)
"""Left, right, bottom, top of what may be drawn on, in centimetres of the model."""


class Maps(NamedTuple):
    """Of K faces."""

    where: Tensor
    """(K, 3): left, top and side of a square in the picture, in pixels."""
    places: Tensor
    """(K, 2, SIDE, SIDE): u and v of the drawing at each pixel of that square, 0..1."""
    share: Tensor
    """(K, 1, SIDE, SIDE), 0 to 1: is there any?"""


class Muzzle:
    """Which texels lie in which triangles, on one device."""

    def __init__(self, device: torch.device) -> None:
        """Load the face model. Raises WeightsError if its file is not the one of this version."""
        corners, shares, places = _texels()
        self._corners = torch.from_numpy(corners).to(device)
        self._shares = torch.from_numpy(shares).to(device)
        self._places = torch.from_numpy(places).to(device)

    def maps(self, points: Tensor) -> Maps:
        """Return the maps of meshes (K, 468, 2 or 3)."""
        k, count = len(points), len(self._corners)
        corner = points[:, self._corners.flatten(), :2].view(k, count, 3, 2)
        texels = (corner * self._shares[:, :, None]).sum(2)
        first, second = corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0]
        # Counter-clockwise with y up is clockwise with y down: what is turned away is the other way round.
        is_front = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0] < 0
        low, high = texels.amin(1), texels.amax(1)
        side = (high - low).amax(1).clamp(min=1.0) * (SIDE / (SIDE - 4))
        left_top = (low + high) / 2 - side[:, None] / 2
        at = (texels - left_top[:, None]) / side[:, None, None] * SIDE - 0.5
        # Also where a point is no number: an index out of bounds is the end of a GPU's process.
        cell = at.floor().long().clamp(0, SIDE - 2)
        part = (at - cell).clamp(0, 1)
        value = torch.cat((self._places.expand(k, -1, -1), torch.ones(k, count, 1, device=points.device)), -1)
        value = value * is_front[..., None]
        base = (torch.arange(k, device=points.device)[:, None] * SIDE + cell[..., 1]) * SIDE + cell[..., 0]
        sums = torch.zeros(k * SIDE * SIDE, 3, device=points.device)
        right, down = part.chunk(2, -1)
        shares = ((1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down)
        spread = torch.cat([value * share for share in shares], 1)
        around = torch.cat([base + step for step in (0, 1, SIDE, SIDE + 1)], 1)
        sums.index_add_(0, around.flatten(), spread.flatten(0, 1))
        gathered = sums.view(k, SIDE, SIDE, 3).permute(0, 3, 1, 2)
        wide = _mean(gathered, 1)
        weight = wide[:, 2:]
        usual = weight.amax((2, 3), keepdim=True).clamp(min=1e-3)
        share = ((weight / usual - 0.02) / 0.06).clamp(0, 1)
        # Beside what was gathered its places go on, so that nothing else is shown between pixels at the edge.
        wider = _mean(gathered, 4)
        nearby = torch.where(share > 0, wide, wider)
        places = nearby[:, :2] / nearby[:, 2:].clamp(min=1e-6)
        return Maps(torch.cat((left_top, side[:, None]), 1), places, share)


def _mean(maps: Tensor, radius: int) -> Tensor:
    """Return the mean of each square of `2 * radius + 1` pixels of (K, 3, h, w); there is nothing outside."""
    side = 2 * radius + 1
    if not maps.is_cpu:
        return nnf.avg_pool2d(maps, side, 1, radius, count_include_pad=True)
    planes = maps.contiguous().numpy().reshape(-1, *maps.shape[-2:])
    means = np.empty_like(planes)
    for one, into in zip(planes, means, strict=True):
        cv2.blur(one, (side, side), into, borderType=cv2.BORDER_CONSTANT)
    return torch.from_numpy(means).view(maps.shape)


def _texels() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of each texel its triangle's corners (T, 3) int64, their shares (T, 3), its u and v (T, 2)."""
    model = face_model()
    points, triangles = model.points.numpy(), model.triangles.numpy()
    left, top, side = WINDOW
    steps = (np.arange(TEXELS, dtype=np.float32) + 0.5) / TEXELS
    u, v = (axis.ravel() for axis in np.meshgrid(steps, steps))
    x, y = left + side * u, top - side * v
    low_x, high_x, low_y, high_y = REACH
    is_wanted = (x > low_x) & (x < high_x) & (y > low_y) & (y < high_y)
    u, v, x, y = (axis[is_wanted] for axis in (u, v, x, y))
    depth = np.full(len(x), -np.inf, np.float32)
    corners, shares = np.zeros((len(x), 3), np.int64), np.zeros((len(x), 3), np.float32)
    inner, lower = set(face.LIPS_INNER), set(LOWER_LIP)
    for triangle in triangles:
        corner_set = set(triangle.tolist())
        if inner.issuperset(corner_set) or lower & corner_set or points[triangle, 1].min() < LOWEST:
            continue
        (x0, y0, z0), (x1, y1, z1), (x2, y2, z2) = points[triangle]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area <= 1e-6:
            continue
        second = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
        third = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
        own = np.stack((1 - second - third, second, third), -1)
        z = own @ np.array((z0, z1, z2), np.float32)
        is_nearer = (own.min(-1) >= 0) & (z > depth)
        depth[is_nearer], corners[is_nearer], shares[is_nearer] = z[is_nearer], triangle, own[is_nearer]
    is_found = np.isfinite(depth)
    return corners[is_found], shares[is_found], np.stack((u, v), -1)[is_found].astype(np.float32)
