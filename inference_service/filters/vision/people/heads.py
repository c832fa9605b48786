"""Where heads are, from face meshes and from found faces: middle, size, tilt and turn, rather too large.

A head is an ellipse of half the height `radius`; `draw.masks.COVER` has its width. Proportions were measured
on photographs: a mesh ends at the hair line, a found face at the brows, and a cover has to hide the hair
line too.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import face_topology as face
from inference_service.filters.vision.networks.people.regions import FACE_SCALE, MESH_EYE_CORNERS

HALF_WIDTH = 0.88
"""Of a cover, against its radius."""
MESH_MARGIN = 1.18
"""Radius against what just holds the mesh: hair line, ears and the lower side of the chin lie outside."""
MESH_RISE = 0.14
"""How far a cover's middle lies above the mesh's, against the radius."""
BOX_RADIUS, BOX_RISE = 0.80, 0.22
"""Of a head of which only the box is known, against the box's side."""


CLOSED, OPEN = 0.04, 0.5
"""Opening of the mouth against its width, when it counts as closed and as wide open."""


class Heads(NamedTuple):
    """K heads in each of N pictures, float32, in pixels."""

    centre: Tensor
    """(N, K, 2), x and y."""
    radius: Tensor
    """(N, K), half the cover's height at a size of 1."""
    axis: Tensor
    """(N, K, 2), of length 1: from the left to the right of the upright head as one sees it."""
    mimic: Tensor
    """(N, K, 3): turn, the sine of the angle to the right as one sees it; nod, the same downwards; mouth,
    from 0 (closed) to 1 (wide open)."""


def of_meshes(points: Tensor) -> Heads:
    """Return the heads of meshes (N, K, 468, 3) in pixels."""
    flat = points[..., :2]
    right, left = (flat[..., corner, :] for corner in MESH_EYE_CORNERS)
    axis = _unit(left - right)
    down = torch.stack((-axis[..., 1], axis[..., 0]), -1)
    across = (flat * axis[..., None, :]).sum(-1)
    along = (flat * down[..., None, :]).sum(-1)
    half_u, middle_u = _extent(across)
    half_v, middle_v = _extent(along)
    radius = MESH_MARGIN * torch.maximum(half_v, half_u / HALF_WIDTH)
    middle_v = middle_v - MESH_RISE * radius
    centre = middle_u[..., None] * axis + middle_v[..., None] * down
    return Heads(centre, radius, axis, _mimic(points, across, along))


def of_found(regions: Tensor) -> Heads:
    """Return the heads of found faces, whose turned squares (N, K, 4) are those of `regions.py`."""
    x, y, side, angle = regions.unbind(-1)
    axis = torch.stack((torch.cos(angle), torch.sin(angle)), -1)
    down = torch.stack((-axis[..., 1], axis[..., 0]), -1)
    box = side / FACE_SCALE
    centre = torch.stack((x, y), -1) - BOX_RISE * box[..., None] * down
    mimic = torch.zeros(*side.shape, 3, device=regions.device)
    return Heads(centre, BOX_RADIUS * box, axis, mimic)


def joined(one: Heads, other: Heads) -> Heads:
    """Return the heads of both, those of `one` first."""
    return Heads(*(torch.cat(pair, 1) for pair in zip(one, other, strict=True)))


def _mimic(points: Tensor, across: Tensor, along: Tensor) -> Tensor:
    # The face's own plane, by points that do not move with the mimic: temples, forehead and chin.
    depth = points[..., 2]
    width = (across[..., 454] - across[..., 234]).abs().clamp(min=1e-3)
    height = (along[..., face.CHIN] - along[..., face.FOREHEAD]).abs().clamp(min=1e-3)
    rise_u = depth[..., 454] - depth[..., 234]
    rise_v = depth[..., face.CHIN] - depth[..., face.FOREHEAD]
    turn = rise_u / torch.hypot(rise_u, width)
    nod = rise_v / torch.hypot(rise_v, height)
    upper, lower = face.LIP_MIDDLES
    first, last = face.MOUTH_CORNERS
    gap = torch.linalg.vector_norm(points[..., upper, :] - points[..., lower, :], dim=-1)
    wide = torch.linalg.vector_norm(points[..., first, :] - points[..., last, :], dim=-1).clamp(min=1e-3)
    mouth = ((gap / wide - CLOSED) / (OPEN - CLOSED)).clamp(0, 1)
    return torch.stack((turn, nod, mouth), -1)


def _extent(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return half the extent of (N, K, P) and its middle, (N, K) each."""
    low, high = values.amin(-1), values.amax(-1)
    return (high - low) / 2, (high + low) / 2


def _unit(vectors: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    upright = torch.cat((torch.ones_like(length), torch.zeros_like(length)), -1)
    return torch.where(length > 1e-3, vectors / length.clamp(min=1e-3), upright)
