"""How heads are held: the average face moved, turned and scaled onto a mesh as a rigid body.

The rotation that fits best is the largest eigenvector of a 4 x 4 matrix (B. K. P. Horn, "Closed-form solution
of absolute orientation using unit quaternions", JOSA A 1987). On a GPU it is found by squaring that matrix
again and again, so that nothing asks the device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.vision.networks.people.face_topology import face_model

SQUARINGS = 14
AXES = (1.0, -1.0, -1.0)
"""From the model's axes (x to the person's left, y up, z towards the camera) to the picture's."""
DISTANCE_CM = 55.0
"""Of a face from its camera, for perspective: what is behind is smaller."""


class HeadPoses(NamedTuple):
    """Of K heads; the model's centimetres become pixels."""

    rotation: Tensor
    """(K, 3, 3): of vectors in the model's axes, to x right, y down, z away from the camera."""
    scale: Tensor
    """(K,): pixels a centimetre, at the face."""
    offset: Tensor
    """(K, 2): where the model's origin, in the middle of the head, is in the picture."""
    middle: Tensor
    """(K, 3): the middle of the face, turned, in centimetres from that origin; perspective is about it."""

    def project(self, points_cm: Tensor) -> Tensor:
        """Return (K, P, 2) pixels of points (K or 1, P, 3) in the model's axes."""
        turned = points_cm @ self.rotation.transpose(1, 2)
        away = turned - self.middle[:, None]
        nearness = DISTANCE_CM / (DISTANCE_CM + away[..., 2:]).clamp(min=1.0)
        flat = self.middle[:, None, :2] + away[..., :2] * nearness
        return self.offset[:, None] + self.scale[:, None, None] * flat

    def homographies(self, origin: Tensor, across: Tensor, down: Tensor) -> Tensor:
        """Return (K, C, 3, 3): from (u, v, 1) on flat cards to homogeneous pixels.

        A card is `origin + u across + v down`, all (K or 1, C, 3) centimetres in the model's axes.
        """
        turn = self.rotation.transpose(1, 2)
        columns = torch.stack((across @ turn, down @ turn, origin @ turn - self.middle[:, None]), -1)
        depth = columns[:, :, 2:] / DISTANCE_CM
        depth = torch.cat((depth[..., :2], depth[..., 2:] + 1), -1)
        centre = self.offset + self.scale[:, None] * self.middle[:, :2]
        flat = columns[:, :, :2] * self.scale[:, None, None, None] + centre[:, None, :, None] * depth
        return torch.cat((flat, depth), 2)


class PoseFitter:
    """Fits the project's average face; holds it on its device."""

    def __init__(self, device: torch.device) -> None:
        """Load the model. Raises WeightsError if its file is not the one of this version."""
        model = face_model()
        chosen = (model.weights > 0).nonzero().flatten()
        weights = model.weights[chosen]
        self._chosen = chosen.to(device)
        self._weights = (weights / weights.sum())[:, None].to(device)
        points = model.points[chosen]
        self._middle = (points * weights[:, None]).sum(0) / weights.sum()
        self._points = (points - self._middle).to(device)
        self._middle = self._middle.to(device)
        self._axes = torch.tensor(AXES, device=device)
        self._spread = (self._weights * self._points.square()).sum()

    def fit(self, points: Tensor) -> HeadPoses:
        """Return the poses of meshes (K, 468, 3) in pixels."""
        seen = points[:, self._chosen]
        centre = (seen * self._weights).sum(1, keepdim=True)
        seen = seen - centre
        own = self._points * self._axes
        product = torch.einsum("pi,kpj->kij", own * self._weights, seen)
        rotation = _best_rotation(product)
        scale = torch.einsum("kij,kji->k", rotation, product) / self._spread
        rotation = rotation * self._axes
        middle = rotation @ self._middle
        offset = centre[:, 0, :2] - scale[:, None] * middle[:, :2]
        return HeadPoses(rotation, scale, offset, middle)


def _best_rotation(product: Tensor) -> Tensor:
    """Return (K, 3, 3) rotations R that make the sum of R a . b largest; `product` (K, 3, 3) sums a b^T."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(1) for row in product.unbind(1))
    rows = (
        (xx + yy + zz, yz - zy, zx - xz, xy - yx),
        (yz - zy, xx - yy - zz, xy + yx, zx + xz),
        (zx - xz, xy + yx, yy - xx - zz, yz + zy),
        (xy - yx, zx + xz, yz + zy, zz - xx - yy),
    )
    matrix = torch.stack([torch.stack(row, -1) for row in rows], -2)
    size = torch.linalg.vector_norm(matrix, dim=(1, 2), keepdim=True).clamp(min=1e-9)
    vector = _largest(matrix / size)
    w, x, y, z = (vector / torch.linalg.vector_norm(vector, dim=1, keepdim=True).clamp(min=1e-12)).unbind(1)
    return torch.stack(
        (
            torch.stack((1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)), -1),
            torch.stack((2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)), -1),
            torch.stack((2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)), -1),
        ),
        -2,
    )


def _largest(matrix: Tensor) -> Tensor:
    """Return (K, 4): the eigenvectors of the largest eigenvalues of symmetric (K, 4, 4) of norm 1."""
    if matrix.is_cpu and bool(matrix.isfinite().all()):
        return torch.linalg.eigh(matrix).eigenvectors[..., -1]
    return by_squaring(matrix)


def by_squaring(matrix: Tensor) -> Tensor:
    """Return what `_largest` does, without a question to the device."""
    # All eigenvalues above 0, so that squaring keeps the largest.
    matrix = matrix + torch.eye(4, device=matrix.device)
    for _ in range(SQUARINGS):
        matrix = matrix @ matrix
        matrix = matrix / torch.linalg.vector_norm(matrix, dim=(1, 2), keepdim=True).clamp(min=1e-20)
    # Every column is the eigenvector now, times a number; the longest is the surest.
    lengths = torch.linalg.vector_norm(matrix, dim=1)
    longest = lengths.argmax(1)
    return matrix.gather(2, longest[:, None, None].expand(-1, 4, 1))[..., 0]
