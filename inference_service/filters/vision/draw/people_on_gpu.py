"""People drawn as skeletons from tensors that nobody waits for, by torch's operators or by kernels."""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.device.kernels.twin import Twin, kernel_of
from inference_service.filters.vision.draw import canvas
from inference_service.filters.vision.draw.lines import discs, lines
from inference_service.filters.vision.draw.skeletons import (
    DISC,
    FARTHEST,
    FINE,
    LEAST_RADIUS,
    SKELETONS,
    Limb,
    Skeleton,
)
from inference_service.filters.vision.poison import poisoned


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


class Parts(NamedTuple):
    """A skeleton as tensors: L limbs, then Q drawn points, each the mean of one or two of the network's."""

    limbs: Tensor
    """(L, 2) int64: the drawn points at both ends."""
    first: Tensor
    """(Q,) int64, as `second`: the network's points."""
    second: Tensor
    colours: Tensor
    """(L + Q, 3) float32, RGB, 0 to 255."""
    widths: Tensor
    """(L + Q,) float32: the radius against that of a limb."""
    is_face: Tensor
    """(L + Q,) bool, as `is_end`: of the face, of hands and feet."""
    is_end: Tensor

    @classmethod
    def of(cls, skeleton: Skeleton, device: torch.device) -> Parts:
        """Move a skeleton to the device."""
        parts, points = skeleton.parts, skeleton.points
        widths = [
            (1.0 if isinstance(part, Limb) else DISC) * (1 if part.kind == "body" else FINE) for part in parts
        ]
        return cls(
            torch.tensor([limb.ends for limb in skeleton.limbs], device=device),
            torch.tensor([point.of[0] for point in points], device=device),
            torch.tensor([point.of[-1] for point in points], device=device),
            torch.tensor([part.colour for part in parts], dtype=torch.float32, device=device),
            torch.tensor(widths, device=device),
            torch.tensor([part.kind == "face" for part in parts], device=device),
            torch.tensor([part.kind == "end" for part in parts], device=device),
        )

    def seen(self, place: Tensor, score: Tensor, is_real: Tensor, look: Look) -> tuple[Tensor, Tensor]:
        """Return the drawn points (N, K, Q, 2), and (N, K, L + Q): which limbs, then points, to draw."""
        points = (place[:, :, self.first] + place[:, :, self.second]) / 2
        is_seen = torch.minimum(score[:, :, self.first], score[:, :, self.second])
        is_seen = (is_seen > look.min_point_score[:, None, None]) & points.isfinite().all(-1)
        has_part = torch.cat((is_seen[:, :, self.limbs].all(-1), is_seen), dim=-1)
        has_part &= (look.has_face > 0)[:, None, None] | ~self.is_face
        has_part &= (look.has_ends > 0)[:, None, None] | ~self.is_end
        return points, has_part & is_real[..., None]


def by_torch(
    pictures: Tensor,
    place: Tensor,
    score: Tensor,
    is_real: Tensor,
    look: Look,
    poison: Tensor,
    parts: Parts,
    thickest: float,
) -> Tensor:
    """Return (N, 3, H, W) float32 drawings over uint8 RGB pictures; see `PeoplePainter.draw`."""
    n, _, height, width = pictures.shape
    points, has_part = parts.seen(place, score, is_real, look)
    people, count = has_part.shape[1:]
    device = pictures.device
    person = people - 1 - torch.arange(people, device=device)
    number = person[:, None] * count + torch.arange(1, count + 1, device=device)
    shape = torch.where(has_part, number, 0).flatten(0, 1)
    picture = torch.arange(n, device=device)[:, None, None].expand(n, people, count).flatten(0, 1)
    radius = (look.radius * height).clamp(min=LEAST_RADIUS)[:, None, None] * parts.widths
    radius = radius.clamp(min=LEAST_RADIUS).expand(n, people, count).flatten(0, 1)
    thickest = max(LEAST_RADIUS, thickest * height)
    limbs = len(parts.limbs)
    size = (n, height, width)
    points = points.clamp(-FARTHEST, FARTHEST).flatten(0, 1)
    bars = lines(
        points[:, parts.limbs].flatten(0, 1),
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
    colours = torch.nn.functional.embedding((shown - 1).clamp(min=0) % count, parts.colours)
    ground = pictures.to(torch.float32) * look.camera[:, None, None, None]
    share = (cover.to(torch.float32) / canvas.FULL)[:, None]
    return poisoned(torch.lerp(ground, colours.permute(0, 3, 1, 2), share), poison)


def _samples(device: torch.device) -> list[tuple[object, ...]]:
    """Return two people with all their points on one line each, and one with a slanted limb away from them.

    Where edges of two colours meet, rounding decides which one is seen. On these lines nothing is rounded.
    """
    points = 33
    pictures = torch.randint(40, 216, (4, 480, 640, 3), dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
    place = torch.zeros((4, 3, points, 2), device=device)
    along = torch.arange(points, device=device)
    place[:, 0, :, 0], place[:, 0, :, 1] = along * 16.0 + 20, 100.5
    place[:, 1, :, 0], place[:, 1, :, 1] = 60.25, along * 12.0 + 40
    place[:, 2] = along[:, None] * torch.tensor([11.3, 7.7], device=device) + 200
    score = torch.ones((4, 3, points), device=device)
    score[:, 2] = (along == 13) | (along == 15)  # Left elbow and wrist.
    is_real = torch.ones((4, 3), dtype=torch.bool, device=device)
    rows = torch.tensor([0.009, 0.5, 1.0, 1.0, 1.0], device=device).repeat(4, 1)
    parts = Parts.of(SKELETONS["body"], device)
    poison = torch.zeros(4, device=device)
    return [(pictures, place, score, is_real, Look(*rows.unbind(1)), poison, parts, 0.009)]


PEOPLE = Twin(
    "people", by_torch, kernel_of("inference_service.filters.vision.draw.kernels.people", "draw"), _samples
)
