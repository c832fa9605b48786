"""468 points on a face, from a turned square round it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import files, regions
from inference_service.filters.vision.networks.people.cutting import MOST_ROWS, Cutter
from inference_service.filters.vision.networks.people.recordable import Steps, floats

POINTS = 468


@dataclass(frozen=True, slots=True)
class Meshes:
    """K faces, float32."""

    points: Tensor
    """(K, 468, 3): x, y in pixels of the picture, and depth in pixels, smaller towards the camera, about 0
    in the middle of the head. `face_topology.py` names them."""
    scores: Tensor
    """(K,) 0..1: is there a face? Below 0.5 the points mean nothing."""


class FaceMesh:
    """Face meshes of regions in a batch."""

    def __init__(self, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Load the weights. Raises WeightsError if they are not those of this version."""
        self._network = files.load("face_mesh", device, dtype)
        size = self._network.input[1]
        self._cut = Cutter(device, size)
        rows = floats(POINTS * 3), floats(1), floats(4)
        self._read = Steps(device, partial(_read, size=size), *rows, most=MOST_ROWS)

    @torch.inference_mode()
    def __call__(self, pictures: Tensor, where: Tensor, owners: Tensor) -> Meshes:
        """Return the meshes in the regions `where` (K, 4) of `regions.py`; `owners` (K,) int64 are their
        pictures.

        `pictures` are (N, 3, H, W) RGB in [0, 255], uint8 or floating; they stay as they are.
        """
        cuts = self._cut(pictures, where, owners).mul_(1 / 255)
        raw, logits = self._network(cuts, is_lent=True)
        return Meshes(*self._read(raw.flatten(1), logits.flatten(1), where.float()))


def _read(raw: Tensor, logits: Tensor, where: Tensor, *, size: int) -> tuple[Tensor, Tensor]:
    points = torch.unflatten(raw.float(), 1, (POINTS, 3)) / size
    return regions.to_picture(points, where), logits.float().flatten().sigmoid()
