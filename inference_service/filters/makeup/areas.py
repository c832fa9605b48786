"""Where on a face make-up goes: soft maps of lips, lids, lines, brows, cheeks and skin, by a mesh.

Points and maps are those of an upright square sheet of `SIDE` pixels, 1.5 times as large as the face. What
has no fine edges is made in half that size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.vision.draw.polygons import filled
from inference_service.filters.vision.networks.people import face_topology as face
from inference_service.filters.vision.people.matte import box_mean

SIDE = 256

# The numbers below are MediaPipe's too: rings round the eyes, from the outer corner to the inner one.
LIDS = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133),
    (263, 466, 388, 387, 386, 385, 384, 398, 362),
)
CREASES = (
    (33, 247, 30, 29, 27, 28, 56, 190, 133),
    (263, 467, 260, 259, 257, 258, 286, 414, 362),
)
BELOW_BROWS = (
    (226, 113, 225, 224, 223, 222, 221, 189, 133),
    (446, 342, 445, 444, 443, 442, 441, 413, 362),
)
CHEEKS = ((50, 205, 116, 117), (280, 425, 345, 346))
"""Cheekbone, apple, towards the ear, under the eye."""
NOSTRILS = (98, 97, 2, 326, 327, 370, 94, 141)
"""Round the lower edge of the nose and the upper end of the lip below."""

LIFT = (0.0, 0.25, 0.5, 0.62, 0.6, 0.52, 0.4, 0.25, 0.0)
"""How far shadow reaches from the lid to the brow, from the outer corner to the inner one."""
LINE = (1.0, 1.0, 0.95, 0.85, 0.75, 0.62, 0.5, 0.38, 0.22)
"""How thick a line along the lashes is, against its thickest."""
LINE_WIDTH = 0.075
"""Thickness at the outer corner, against the eye's width."""
WING = (0.2, 0.1)
"""How far the line goes on beyond the outer corner, outwards and upwards, against the eye's width."""
INSET = 0.05
"""How far skin ends within the face's outline, against the way to the middle: hair lies on its border."""

OUTER, INNER, EYES, BROWS, KEPT_OUT, OVAL, LID, CREASE, LASHES = range(9)
_COUNT = 9


class Areas(NamedTuple):
    """(K, 1, h, w) float32 each, 0 to 1."""

    lips: Tensor
    lid: Tensor
    line: Tensor
    brows: Tensor
    """These have `SIDE` pixels, those below half of it."""
    cheeks: Tensor
    skin: Tensor
    """Without eyes, brows, lips and nostrils."""


class Finder:
    """Finds the areas; holds the points' numbers on its device."""

    def __init__(self, device: torch.device) -> None:
        rings = (
            (OUTER, face.LIPS_OUTER),
            (INNER, face.LIPS_INNER),
            (EYES, face.RIGHT_EYE),
            (EYES, face.LEFT_EYE),
            (BROWS, face.RIGHT_BROW),
            (BROWS, face.LEFT_BROW),
            (KEPT_OUT, NOSTRILS),
            (OVAL, face.OVAL),
        )
        # What is made of points rather than of them themselves comes after these: 18, 18 and 19 corners.
        made = [(layer, corners) for layer, corners in ((LID, 18), (CREASE, 18), (LASHES, 19)) for _ in LIDS]
        layers = [layer for layer, ring in rings for _ in ring]
        layers += [layer for layer, corners in made for _ in range(corners)]
        lengths = [len(ring) for _, ring in rings] + [corners for _, corners in made]
        starts = np.cumsum([0, *lengths])
        follows = [
            start + (place + 1) % length
            for start, length in zip(starts, lengths, strict=False)
            for place in range(length)
        ]
        self._points = torch.tensor([point for _, ring in rings for point in ring], device=device)
        self._layers = torch.tensor(layers, device=device)
        self._follows = torch.tensor(follows, device=device)
        self._is_oval = (self._layers == OVAL)[:, None]
        self._lids, self._creases, self._below = (
            torch.tensor(ring, device=device) for ring in (LIDS, CREASES, BELOW_BROWS)
        )
        self._lift, self._thick = (torch.tensor(shares, device=device)[:, None] for shares in (LIFT, LINE))
        self._middle = torch.tensor(face.OVAL, device=device)

    def areas(self, points: Tensor) -> Areas:
        """Return the maps of meshes (K, 468, 2) in pixels of the sheet."""
        corners = self._corners(points)
        maps = filled(corners, corners[:, self._follows], self._layers, _COUNT, SIDE)
        outer, inner, eyes, brows, kept_out, oval, lid, crease, line = maps.chunk(_COUNT, 1)
        lips = _soft((outer - inner).clamp(min=0), 1)
        shadow = (0.55 * _soft(lid, 2) + 0.6 * _soft(crease, 4)).clamp(max=1) * (1 - _soft(eyes, 1))
        barred = torch.maximum(torch.maximum(eyes, outer), torch.maximum(brows, kept_out))
        barred = nnf.max_pool2d(nnf.max_pool2d(barred, 2), 3, 1, 1)
        skin = _soft(nnf.avg_pool2d(oval, 2), 3) * (1 - _soft(barred, 2))
        return Areas(
            lips, shadow, _soft(line, 1), _soft(brows, 2), _cheeks(points / 2, SIDE // 2) * skin, skin
        )

    def _corners(self, points: Tensor) -> Tensor:
        """Return (K, E, 2): the corners of all polygons, one after the other."""
        own = points[:, self._points]
        middle = points[:, self._middle].mean(1, keepdim=True)
        count = own.shape[1]
        own = torch.where(self._is_oval[:count], torch.lerp(own, middle, INSET), own)
        edge, fold = points[:, self._lids], points[:, self._creases]
        below = torch.lerp(edge, points[:, self._below], self._lift)
        lids = torch.cat((edge, fold.flip(2)), 2)
        creases = torch.cat((edge, below.flip(2)), 2)
        return torch.cat((own, *(each.flatten(1, 2) for each in (lids, creases, self._lines(edge, fold)))), 1)

    def _lines(self, edge: Tensor, fold: Tensor) -> Tensor:
        """Return the corners of lines along the lashes, which grow outwards and have a wing."""
        outer, inner = edge[:, :, :1], edge[:, :, -1:]
        out = outer - inner
        width = torch.linalg.vector_norm(out, dim=-1, keepdim=True).clamp(min=1e-3)
        up = fold[:, :, 4:5] - edge[:, :, 4:5]
        up = up / torch.linalg.vector_norm(up, dim=-1, keepdim=True).clamp(min=1e-3)
        thick = self._thick * (LINE_WIDTH * width)
        tip = outer + WING[0] * out + WING[1] * width * up
        return torch.cat((edge - 0.15 * thick * up, (edge + thick * up).flip(2), tip), 2)


def _cheeks(points: Tensor, side: int) -> Tensor:
    """Return soft ovals that rise from the apples of the cheeks towards the ears."""
    steps = torch.arange(side, device=points.device, dtype=torch.float32) + 0.5
    total = points.new_zeros(())
    for bone, apple, ear, under in CHEEKS:
        middle = 0.45 * points[:, bone] + 0.27 * points[:, apple] + 0.28 * points[:, ear]
        along = points[:, ear] - points[:, apple]
        across = points[:, apple] - points[:, under]
        far = torch.linalg.vector_norm(along, dim=-1).clamp(min=1e-3)[:, None, None]
        long, short = 0.42 * far, 0.36 * torch.linalg.vector_norm(across, dim=-1)[:, None, None]
        axis_x, axis_y = (along[:, :, None, None] / far[:, None]).unbind(1)
        x, y = steps - middle[:, 0, None, None], steps[:, None] - middle[:, 1, None, None]
        u, v = (x * axis_x + y * axis_y) / long, (y * axis_x - x * axis_y) / short.clamp(min=1e-3)
        total = torch.maximum(total, torch.exp(-0.5 * (u * u + v * v).clamp(max=40)))
    return total[:, None]


def _soft(maps: Tensor, radius: int) -> Tensor:
    return box_mean(box_mean(maps, radius), radius)
