"""People drawn as coloured skeletons: by OpenCV on a CPU, from tensors that nobody waits for on a GPU.

Coordinates are those of pixels' borders: the middle of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference_service.filters.vision.draw.people_on_gpu import PEOPLE, Look, Parts
from inference_service.filters.vision.draw.skeletons import FARTHEST, LEAST_RADIUS, Limb, Skeleton
from inference_service.filters.vision.levels import interleaved
from inference_service.filters.vision.poison import poisoned

_SHIFT = 4
"""OpenCV takes coordinates in sixteenths of a pixel."""
_CIRCLE = np.stack(
    [(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 2 * np.pi, 20, endpoint=False)]
)


class PeoplePainter:
    """Draws skeletons of one kind on one device."""

    def __init__(self, skeleton: Skeleton, device: torch.device) -> None:
        self._skeleton = skeleton
        self._parts = Parts.of(skeleton, device)

    def draw(
        self,
        pictures: Tensor,
        place: Tensor,
        score: Tensor,
        is_real: Tensor,
        look: Look,
        poison: Tensor,
        thickest: float,
    ) -> Tensor:
        """Return (N, 3, H, W) drawings over uint8 RGB `pictures` of that shape, which may be overwritten.

        uint8 on a CPU where all is well, else float32, all of a picture NaN where its `poison` (N,) is not
        finite. `place` (N, K, P, 2) and `score` (N, K, P) are those of the network's points, `is_real` (N, K)
        says whom to draw; the first of K lies on top. A limb is drawn where both ends are. `thickest`: no
        less than any of `look.radius`, on the host.
        """
        if pictures.is_cpu:
            points, has_part = self._parts.seen(place, score, is_real, look)
            return poisoned(self._on_cpu(pictures, points, has_part, look), poison)
        return PEOPLE(pictures, place, score, is_real, look, poison, self._parts, thickest)

    def _on_cpu(self, pictures: Tensor, points: Tensor, has_part: Tensor, look: Look) -> Tensor:
        drawn = interleaved(pictures)
        height = drawn.shape[1]
        places = points.clamp(-FARTHEST, FARTHEST).numpy()
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
        widths = self._parts.widths.numpy() * radius
        for part in np.flatnonzero(has_part):
            shape = self._skeleton.parts[part]
            if isinstance(shape, Limb):
                one, other = points[list(shape.ends)]
                _bar(image_rgb, one, other, max(LEAST_RADIUS, widths[part]), shape.colour)
            else:
                point = points[part - len(self._skeleton.limbs)]
                _disc(image_rgb, point, max(LEAST_RADIUS, widths[part]), shape.colour)


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
