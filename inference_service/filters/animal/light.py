"""The light on a face, from how bright its skin is where it leans which way: for drawings to be lit alike.

Skin is taken for matt (J. H. Lambert): its luma is about `mean + lean . normal`. Both are found by least
squares over a hundred points of the mesh, whose normals on the average face are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.base import Item
from inference_service.filters.vision.networks.people import face_topology as face
from inference_service.filters.vision.people.head_pose import HeadPoses

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601-7, 2.5.1."""
WELL_LIT = 0.55
"""Luma of skin at which a drawing is as bright as it was drawn."""
DARKEST, BRIGHTEST = 0.1, 1.0
SKIN_SHARE = 0.65
"""How much of the brightness is the skin's; the rest is the picture's, as skin is not of one colour."""
CAST = 0.1
"""Share of the picture's own colour that is taken for that of the light."""
RIDGE = 6.0
MOST_LEAN = 0.5
STEADY = 0.85
"""Share of the last light that is kept per frame."""
SAMPLING = 8
"""Every eighth pixel of every eighth row tells how bright a picture is."""


class Light(NamedTuple):
    """On K heads."""

    level: Tensor
    """(K, 3): by which red, green and blue of a drawing are multiplied."""
    lean: Tensor
    """(K, 3): how much brighter it gets towards the picture's right, down, and away, about -0.5 to 0.5."""


class Lights:
    """Finds the light; holds the normals of a face on its device."""

    def __init__(self, device: torch.device) -> None:
        """Load the face model. Raises WeightsError if its file is not the one of this version."""
        model = face.face_model()
        corners = model.points[model.triangles]
        facets = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = torch.zeros_like(model.points)
        for corner in range(3):
            normals.index_add_(0, model.triangles[:, corner], facets)
        normals = nnf.normalize(normals, dim=-1)
        chosen = _skin_points()
        design = torch.cat((torch.ones(len(chosen), 1), normals[chosen]), 1)
        ridge = torch.diag(torch.tensor([0.0, RIDGE, RIDGE, RIDGE]))
        self._solve = torch.linalg.solve(design.T @ design + ridge, design.T).to(device)
        self._chosen = torch.tensor(chosen, device=device)
        self.points = len(chosen)
        """Of a face's skin, that are looked at."""

    def find(self, pictures: Tensor, owners: Tensor, points: Tensor, poses: HeadPoses) -> Light:
        """Return the light on heads with meshes (K, 468, 3) in uint8 pictures (N, 3, H, W) of `owners`."""
        return self.of(*self.sampled(pictures, owners, points), poses.rotation)

    def sampled(self, pictures: Tensor, owners: Tensor, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what `of` looks at, of the same: (K, points, 3), (K, points) bool and (K, 3).

        That is the skin's colours, which of them lie in the picture, and the picture's mean; 0 to 255.
        """
        height, width = pictures.shape[-2:]
        x, y = points[:, self._chosen, :2].round().unbind(-1)
        # Also where a point is no number: an index out of bounds is the end of a GPU's process.
        column, row = x.long().clamp(0, width - 1), y.long().clamp(0, height - 1)
        is_inside = (x == column) & (y == row)
        colours = pictures.permute(0, 2, 3, 1)[owners[:, None], row, column]
        whole = pictures[:, :, ::SAMPLING, ::SAMPLING].float().mean((2, 3))
        return colours, is_inside, whole[owners]

    def of(self, colours: Tensor, is_inside: Tensor, whole: Tensor, rotation: Tensor) -> Light:
        """Return the light by what `sampled` gives; `rotation` (K, 3, 3) of `HeadPoses`."""
        colours, whole = colours.float() / 255, whole / 255
        luma = sum(colours[..., channel] * share for channel, share in enumerate(LUMA))
        mean = (luma * is_inside).sum(1, keepdim=True) / is_inside.sum(1, keepdim=True).clamp(min=1)
        found = torch.where(is_inside, luma, mean) @ self._solve.T
        lean = (found[:, None, 1:] @ rotation.transpose(1, 2))[:, 0] / mean.clamp(min=0.03)
        size = torch.linalg.vector_norm(lean, dim=-1, keepdim=True)
        lean = lean * (MOST_LEAN / size.clamp(min=MOST_LEAN))
        bright = (whole[:, 0] * LUMA[0] + whole[:, 1] * LUMA[1] + whole[:, 2] * LUMA[2]).clamp(min=0.01)
        cast = torch.lerp(torch.ones_like(whole), (whole / bright[:, None]).clamp(0.5, 1.6), CAST)
        level = SKIN_SHARE * mean[:, 0] / WELL_LIT + (1 - SKIN_SHARE) * bright / 0.42
        return Light(level.clamp(DARKEST, BRIGHTEST)[:, None] * cast, lean)


def _skin_points() -> list[int]:
    """Return the points of forehead, cheeks, nose and chin: not those at eyes, brows, lips and the border."""
    others = {*face.OVAL, *face.LIPS_OUTER, *face.LIPS_INNER, *face.RIGHT_EYE, *face.LEFT_EYE}
    others |= {*face.RIGHT_BROW, *face.LEFT_BROW, *face.NOSTRILS}
    return [point for point in range(468) if point not in others][::3]


def steady(found: Light, before: Tensor, is_seen: Tensor, is_sane: Tensor) -> Tensor:
    """Return (K, 6), level and lean, with a share of what they were `before`, (K, 6), 0 where nothing was.

    0 where a head is not `is_seen`, (K,); and as `before` where the picture is not `is_sane`, (K,).
    """
    new = torch.cat((found.level, found.lean), 1)
    # A level of 0 stands for no light yet.
    new = torch.where(before[:, :1] > 0, torch.lerp(new, before, STEADY), new) * (is_seen[:, None] > 0)
    return torch.where(is_sane[:, None] > 0, new, before)


def lights_before(items: Sequence[Item], places: int, device: torch.device) -> Tensor:
    """Return (N, `places`, 6): the light that `steady` gave in the sessions' last frames."""
    none = torch.zeros(places, 6, device=device)
    return torch.stack([item.state.get("light", none) for item in items])


def keep(lights: Tensor, items: Sequence[Item]) -> None:
    """Write (N, M, 6), which nobody else writes into, to the sessions' states."""
    for number, item in enumerate(items):
        item.state["light"] = lights[number]
