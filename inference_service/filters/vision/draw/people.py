"""People drawn as coloured skeletons, as OpenPose draws its 18 points (Cao et al., 2017)."""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.vision.draw import canvas
from inference_service.filters.vision.draw.lines import discs, lines

ORDER = (0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""The network's points in OpenPose's order; 17 is the neck, in the middle between the shoulders."""
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Pairs of OpenPose's points, in its order."""
FACE_POINTS, FACE_LIMBS = (0, 14, 15, 16, 17), (12, 13, 14, 15, 16)
COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0),
    (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255),
    (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""RGB; limb and point of one number have one colour."""
LEFT_SHOULDER, RIGHT_SHOULDER = 5, 6
DISC = 1.45
"""Radius of a point against that of a limb."""
_PARTS = len(LIMBS) + len(ORDER)


class Look(NamedTuple):
    """How each of N pictures is to be drawn, all (N,) float32 on the device."""

    radius: Tensor
    """Half the width of a limb against the picture's height."""
    min_point_score: Tensor
    has_face: Tensor
    """1 or 0."""
    camera: Tensor
    """How much of the camera's picture is left below: 0 is black."""


class PeoplePainter:
    """Draws skeletons on one device."""

    def __init__(self, device: torch.device) -> None:
        self._order = torch.tensor(ORDER, device=device)
        self._limbs = torch.tensor(LIMBS, device=device)
        self._colours = torch.tensor((*COLOURS[: len(LIMBS)], *COLOURS), dtype=torch.float32, device=device)
        self._is_face = torch.zeros(_PARTS, dtype=torch.bool)
        self._is_face[[*FACE_LIMBS, *(len(LIMBS) + point for point in FACE_POINTS)]] = True
        self._is_face = self._is_face.to(device)

    def draw(
        self, pictures: Tensor, place: Tensor, score: Tensor, is_real: Tensor, look: Look, thickest: float
    ) -> Tensor:
        """Return (N, 3, H, W) float32 drawings over uint8 RGB `pictures` of that shape.

        `place` (N, K, 17, 2) and `score` (N, K, 17) as of `rcnn_keypoints.Points`, `is_real` (N, K); the
        first of K lies on top. `thickest`: no less than any of `look.radius`, on the host.
        """
        n, _, height, width = pictures.shape
        count = is_real.shape[1]
        points, is_seen = self._points(place, score, look.min_point_score)
        ends = points[:, :, self._limbs]
        has_part = torch.cat((is_seen[:, :, self._limbs].all(-1), is_seen), dim=-1)
        has_part &= is_real[..., None] & ((look.has_face > 0)[:, None, None] | ~self._is_face)
        person = count - 1 - torch.arange(count, device=pictures.device)
        number = person[:, None] * _PARTS + torch.arange(1, _PARTS + 1, device=pictures.device)
        shape = torch.where(has_part, number, 0).flatten(0, 1)
        picture = torch.arange(n, device=pictures.device)[:, None].expand(n, count).flatten()
        radius = (look.radius * height)[:, None].expand(n, count).flatten()
        keys = self._write(
            ends.flatten(0, 1),
            points.flatten(0, 1),
            shape,
            picture,
            radius,
            thickest * height,
            (n, height, width),
        )
        shown, cover = canvas.read_crossed(keys)
        colours = torch.nn.functional.embedding((shown - 1).clamp(min=0) % _PARTS, self._colours)
        ground = pictures.to(torch.float32) * look.camera[:, None, None, None]
        share = (cover.to(torch.float32) / canvas.FULL)[:, None]
        return torch.lerp(ground, colours.permute(0, 3, 1, 2), share)

    def _points(self, place: Tensor, score: Tensor, min_score: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N, K, 18, 2) places in OpenPose's order, and which of them are seen."""
        is_seen = score > min_score[:, None, None]
        shoulders = slice(LEFT_SHOULDER, RIGHT_SHOULDER + 1)
        neck = place[:, :, shoulders].mean(dim=2, keepdim=True)
        has_neck = is_seen[:, :, shoulders].all(dim=2, keepdim=True)
        place, is_seen = torch.cat((place, neck), dim=2), torch.cat((is_seen, has_neck), dim=2)
        return place[:, :, self._order], is_seen[:, :, self._order]

    def _write(
        self,
        ends: Tensor,
        points: Tensor,
        shape: Tensor,
        picture: Tensor,
        radius: Tensor,
        thickest: float,
        size: tuple[int, int, int],
    ) -> Tensor:
        """Write limbs (R, 17, 2, 2) and points (R, 18, 2) of R people, with `shape` (R, 35) of both."""
        longest = max(size[1:])
        if ends.device.type == "cpu":
            # Asking what there is costs nothing here, and drawing nothing does.
            real = (shape > 0).any(dim=1).nonzero()[:, 0]
            ends, points, shape, picture, radius = (
                one[real] for one in (ends, points, shape, picture, radius)
            )
            limbs = shape[:, : len(LIMBS)] > 0
            spans = (ends[:, :, 1] - ends[:, :, 0]).abs().amax(dim=2)[limbs]
            longest = int(spans.max().ceil()) if len(spans) else 0
        in_limbs, in_points = (
            [one[:, None].expand(-1, many).flatten() for one in (picture, radius)]
            for many in (len(LIMBS), len(ORDER))
        )
        limb, disc = shape[:, : len(LIMBS)].flatten(), shape[:, len(LIMBS) :].flatten()
        bars = lines(ends.flatten(0, 1), in_limbs[0], limb, in_limbs[1], longest, thickest, size)
        dots = discs(points.flatten(0, 1), in_points[0], disc, DISC * in_points[1], DISC * thickest, size)
        return canvas.write(size, ends.device, chain(bars, [dots]))
