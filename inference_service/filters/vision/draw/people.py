"""People drawn as coloured skeletons: by OpenCV on a CPU, from tensors that nobody waits for on a GPU.

Coordinates are those of pixels' borders: the middle of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference_service.filters.vision.draw import canvas
from inference_service.filters.vision.draw.lines import discs, lines
from inference_service.filters.vision.draw.skeletons import FINE, Limb, Skeleton
from inference_service.filters.vision.levels import interleaved

DISC = 1.45
"""Radius of a point against that of a limb."""
LEAST_RADIUS = 0.75
"""Half the width of a line, in pixels, however small the picture is."""
_SHIFT = 4
"""OpenCV takes coordinates in sixteenths of a pixel."""
_CIRCLE = np.stack(
    [(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 2 * np.pi, 20, endpoint=False)]
)
_FARTHEST = 1e5
"""Pixels out of the picture: what lies farther does not fit OpenCV's numbers."""


class Look(NamedTuple):
    """How each of N pictures is to be drawn, all (N,) float32 on the device."""

    radius: Tensor
    """Half the width of a limb against the picture's height."""
    min_point_score: Tensor
    has_face: Tensor
    """1 or 0; so are those of `has_ends`, hands and feet."""
    has_ends: Tensor
    camera: Tensor
    """How much of the camera's picture is left below: 0 is black."""


class PeoplePainter:
    """Draws skeletons of one kind on one device."""

    def __init__(self, skeleton: Skeleton, device: torch.device) -> None:
        self._skeleton = skeleton
        parts = skeleton.parts
        points, limbs = skeleton.points, skeleton.limbs
        self._limbs = torch.tensor([limb.ends for limb in limbs], device=device)
        # Each drawn point is the mean of one or two of the network's.
        self._first = torch.tensor([point.of[0] for point in points], device=device)
        self._second = torch.tensor([point.of[-1] for point in points], device=device)
        self._colours = torch.tensor([part.colour for part in parts], dtype=torch.float32, device=device)
        self._is_face = torch.tensor([part.kind == "face" for part in parts], device=device)
        self._is_end = torch.tensor([part.kind == "end" for part in parts], device=device)
        widths = [
            (1.0 if isinstance(part, Limb) else DISC) * (1 if part.kind == "body" else FINE) for part in parts
        ]
        self._widths = torch.tensor(widths, device=device)

    def draw(
        self, pictures: Tensor, place: Tensor, score: Tensor, is_real: Tensor, look: Look, thickest: float
    ) -> Tensor:
        """Return (N, 3, H, W) drawings over uint8 RGB `pictures` of that shape, which may be overwritten.

        uint8 on a CPU, else float32. `place` (N, K, P, 2) and `score` (N, K, P) are those of the network's
        points, `is_real` (N, K) says whom to draw; the first of K lies on top. A limb is drawn where both
        ends are. `thickest`: no less than any of `look.radius`, on the host.
        """
        points, has_part = self.parts(place, score, is_real, look)
        if pictures.is_cpu:
            return self._on_cpu(pictures, points, has_part, look)
        return self.on_device(pictures, points, has_part, look, thickest)

    def parts(self, place: Tensor, score: Tensor, is_real: Tensor, look: Look) -> tuple[Tensor, Tensor]:
        """Return the drawn points (N, K, Q, 2), and (N, K, L + Q): which limbs, then points, to draw."""
        points = (place[:, :, self._first] + place[:, :, self._second]) / 2
        is_seen = torch.minimum(score[:, :, self._first], score[:, :, self._second])
        is_seen = (is_seen > look.min_point_score[:, None, None]) & points.isfinite().all(-1)
        has_part = torch.cat((is_seen[:, :, self._limbs].all(-1), is_seen), dim=-1)
        has_part &= (look.has_face > 0)[:, None, None] | ~self._is_face
        has_part &= (look.has_ends > 0)[:, None, None] | ~self._is_end
        return points, has_part & is_real[..., None]

    def _on_cpu(self, pictures: Tensor, points: Tensor, has_part: Tensor, look: Look) -> Tensor:
        drawn = interleaved(pictures)
        height = drawn.shape[1]
        places = points.clamp(-_FARTHEST, _FARTHEST).numpy()
        for number, image_rgb in enumerate(drawn):
            camera = float(look.camera[number])
            if camera < 1:
                cv2.convertScaleAbs(image_rgb, image_rgb, camera)
            radius = max(LEAST_RADIUS, float(look.radius[number]) * height)
            for person in reversed(range(points.shape[1])):
                self._person(image_rgb, places[number, person], has_part[number, person].numpy(), radius)
        return torch.from_numpy(drawn).permute(0, 3, 1, 2)

    def _person(
        self,
        image_rgb: NDArray[np.uint8],
        points: NDArray[np.float32],
        has_part: NDArray[np.bool_],
        radius: float,
    ) -> None:
        widths = self._widths.numpy() * radius
        for part in np.flatnonzero(has_part):
            shape = self._skeleton.parts[part]
            if isinstance(shape, Limb):
                one, other = points[list(shape.ends)]
                _bar(image_rgb, one, other, max(LEAST_RADIUS, widths[part]), shape.colour)
            else:
                point = points[part - len(self._skeleton.limbs)]
                _disc(image_rgb, point, max(LEAST_RADIUS, widths[part]), shape.colour)

    def on_device(
        self, pictures: Tensor, points: Tensor, has_part: Tensor, look: Look, thickest: float
    ) -> Tensor:
        """Draw what `parts` has returned, float32, without a question to the device."""
        n, _, height, width = pictures.shape
        count, parts = has_part.shape[1:]
        device = pictures.device
        person = count - 1 - torch.arange(count, device=device)
        number = person[:, None] * parts + torch.arange(1, parts + 1, device=device)
        shape = torch.where(has_part, number, 0).flatten(0, 1)
        picture = torch.arange(n, device=device)[:, None, None].expand(n, count, parts).flatten(0, 1)
        radius = (look.radius * height).clamp(min=LEAST_RADIUS)[:, None, None] * self._widths
        radius = radius.clamp(min=LEAST_RADIUS).expand(n, count, parts).flatten(0, 1)
        thickest = max(LEAST_RADIUS, thickest * height)
        limbs = len(self._limbs)
        size = (n, height, width)
        points = points.clamp(-_FARTHEST, _FARTHEST).flatten(0, 1)
        bars = lines(
            points[:, self._limbs].flatten(0, 1),
            picture[:, :limbs].flatten(),
            shape[:, :limbs].flatten(),
            radius[:, :limbs].flatten(),
            max(size[1:]),
            thickest,
            size,
        )
        dots = discs(
            points.flatten(0, 1),
            picture[:, limbs:].flatten(),
            shape[:, limbs:].flatten(),
            radius[:, limbs:].flatten(),
            DISC * thickest,
            size,
        )
        shown, cover = canvas.read_crossed(canvas.write(size, device, chain(bars, [dots])))
        colours = torch.nn.functional.embedding((shown - 1).clamp(min=0) % parts, self._colours)
        ground = pictures.to(torch.float32) * look.camera[:, None, None, None]
        share = (cover.to(torch.float32) / canvas.FULL)[:, None]
        return torch.lerp(ground, colours.permute(0, 3, 1, 2), share)


def _bar(
    image_rgb: NDArray[np.uint8],
    one: NDArray[np.float32],
    other: NDArray[np.float32],
    radius: float,
    colour: tuple[int, int, int],
) -> None:
    """Draw a line with smooth edges, its ends cut off straight; in place."""
    way = other - one
    length = float(np.hypot(*way))
    if length < 1e-3:
        return
    # OpenCV's smooth edge lies outside of the polygon.
    across = np.array((-way[1], way[0])) * ((radius - 0.5) / length)
    corners = np.stack((one + across, other + across, other - across, one - across)) - 0.5
    fixed = np.rint(corners * (1 << _SHIFT)).astype(np.int32)
    cv2.fillConvexPoly(image_rgb, fixed, colour, cv2.LINE_AA, _SHIFT)


def _disc(
    image_rgb: NDArray[np.uint8], centre: NDArray[np.float32], radius: float, colour: tuple[int, int, int]
) -> None:
    """Draw a disc with a smooth edge, in place; OpenCV's own small circles look like crosses."""
    rim = centre - 0.5 + (radius - 0.5) * _CIRCLE
    cv2.fillConvexPoly(image_rgb, np.rint(rim * (1 << _SHIFT)).astype(np.int32), colour, cv2.LINE_AA, _SHIFT)
