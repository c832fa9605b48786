"""Where on a face make-up goes: soft maps of lips, lids, lines, brows, cheeks and skin, by a mesh.

Points and maps are those of an upright square sheet of `SIDE` pixels, a fifth larger than the face. What has
no fine edges is made in half that size. What has them lies at eyes and mouth, so on a CPU the rest of the
sheet is left out there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.vision.draw.polygons import Rings
from inference_service.filters.vision.networks.people import face_topology as face
from inference_service.filters.vision.people.matte import box_mean

SIDE = 208
REACH = 0.8125
"""Side of a sheet against that of the face's square in `regions.py`: a face tilted by 45 degrees fits in."""

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

EYES, BROWS, LID, CREASE, LASHES = range(5)
OUTER, INNER, KEPT_OUT = range(3)
MARGIN = 12
"""Of a box, in pixels: what is softened reaches so far beyond its outline, and one pixel is left."""

Box = tuple[slice, slice]
"""Rows and columns of a sheet."""
WHOLE: Box = (slice(0, SIDE), slice(0, SIDE))


class Areas(NamedTuple):
    """(K, 1, h, w) float32 each, 0 to 1."""

    eyes: Box
    """Of the sheet; that is where `lid`, `line` and `brows` are, at its full size."""
    lid: Tensor
    line: Tensor
    brows: Tensor
    mouth: Box
    """That is where `lips` are, at the sheet's full size."""
    lips: Tensor
    cheeks: Tensor
    """Of the whole sheet in half its size, as `skin`."""
    skin: Tensor
    """Without eyes, brows, lips and nostrils."""


class Finder:
    """Finds the areas; holds the points' numbers on its device."""

    def __init__(self, device: torch.device, has_boxes: bool | None = None) -> None:
        """With `has_boxes` only parts of the sheets are worked on, for which the device is asked where they
        are. None: on a CPU."""
        self._has_boxes = device.type == "cpu" if has_boxes is None else has_boxes
        eyes = (face.RIGHT_EYE, face.LEFT_EYE, face.RIGHT_BROW, face.LEFT_BROW)
        mouth = (face.LIPS_OUTER, face.LIPS_INNER, NOSTRILS)
        self._eye_points, self._mouth_points, self._oval = (
            torch.tensor([point for ring in rings for point in ring], device=device)
            for rings in (eyes, mouth, (face.OVAL,))
        )
        own = zip((EYES, EYES, BROWS, BROWS), (len(ring) for ring in eyes), strict=True)
        # What is made of points rather than of them themselves comes after these.
        made = [(layer, corners) for layer, corners in ((LID, 18), (CREASE, 18), (LASHES, 19)) for _ in LIDS]
        self._eyes = Rings([*own, *made], device)
        self._mouth = Rings(list(enumerate(len(ring) for ring in mouth)), device)
        self._face = Rings([(0, len(face.OVAL))], device)
        self._lids, self._creases, self._below = (
            torch.tensor(ring, device=device) for ring in (LIDS, CREASES, BELOW_BROWS)
        )
        self._lift, self._thick = (torch.tensor(shares, device=device)[:, None] for shares in (LIFT, LINE))

    def areas(self, points: Tensor) -> Areas:
        """Return the maps of meshes (K, 468, 2) in pixels of the sheet."""
        at_eyes, (eye, brows, lid, crease, line) = self._part(self._eyes, self._eye_corners(points))
        at_mouth, (outer, inner, nostrils) = self._part(self._mouth, points[:, self._mouth_points])
        shadow = (0.55 * _soft(lid, 2) + 0.6 * _soft(crease, 4)).clamp(max=1) * (1 - _soft(eye, 1))
        barred = points.new_zeros(len(points), 1, SIDE, SIDE)
        barred[..., *at_eyes] = torch.maximum(eye, brows)
        barred[..., *at_mouth] = torch.maximum(barred[..., *at_mouth], torch.maximum(outer, nostrils))
        skin = self._inside(points) * (1 - _soft(nnf.max_pool2d(nnf.max_pool2d(barred, 2), 3, 1, 1), 2))
        return Areas(
            at_eyes,
            shadow,
            _soft(line, 1),
            _soft(brows, 2),
            at_mouth,
            _soft((outer - inner).clamp(min=0), 1),
            _cheeks(points / 2, SIDE // 2) * skin,
            skin,
        )

    def _part(self, rings: Rings, corners: Tensor) -> tuple[Box, Sequence[Tensor]]:
        """Return the part of the sheets that polygons (K, E, 2) need, and the maps of their layers there."""
        rows, columns = box = _box(corners) if self._has_boxes else WHOLE
        if self._has_boxes:
            corners = corners - corners.new_tensor((columns.start, rows.start))
        maps = rings.filled(corners, (rows.stop - rows.start, columns.stop - columns.start))
        return box, maps.split(1, 1)

    def _inside(self, points: Tensor) -> Tensor:
        """Return (K, 1, SIDE / 2, SIDE / 2): the face within its outline, softened."""
        own = points[:, self._oval]
        own = torch.lerp(own, own.mean(1, keepdim=True), INSET)
        return _soft(self._face.filled(own / 2, (SIDE // 2, SIDE // 2)), 3)

    def _eye_corners(self, points: Tensor) -> Tensor:
        """Return (K, E, 2): the corners of all polygons at eyes and brows, one after the other."""
        own = points[:, self._eye_points]
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


def _box(corners: Tensor) -> Box:
    """Return the part of a sheet that holds all corners (K, E, 2) and a margin; at least a pixel."""
    (left, top), (right, bottom) = (ends.tolist() for ends in corners.flatten(0, 1).aminmax(dim=0))
    return _span(top, bottom), _span(left, right)


def _span(low: float, high: float) -> slice:
    start = min(max(math.floor(low) - MARGIN, 0), SIDE - 1)
    return slice(start, max(start + 1, min(math.ceil(high) + MARGIN, SIDE)))


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
