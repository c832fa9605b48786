"""What becomes of the faces of a frame: which stay, which are new, and where their points rest.

Pure functions on tensors of fixed shapes, which a GPU records.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import regions, tracking

STEADY = 0.72
"""Share of its last place that a point keeps per frame as far as it rests; a mesh jitters by some tenths of
a pixel."""
REST = 0.012
"""The way of a point in one frame, against the face's square, at which it keeps 1/e of that share."""
COMING, GOING = 1 / 3, 1 / 4
"""What a look gains and loses per frame when a face comes and goes."""


def kept(points: Tensor, is_tracked: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `tracking.keep` does of meshes (N, M, 468, 3), and (N,): 0, or not finite where one is."""
    poison = (scores.sum(1) + points.sum((1, 2, 3))) * 0
    return *tracking.keep(regions.of_meshes(points), is_tracked, scores), poison


def joined(
    places: Tensor, stays: Tensor, boxes: Tensor, marks: Tensor, scores: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what `tracking.join` does of found faces (`Detections`), which are new, and (N,): 0, or not
    finite where a score is."""
    found = regions.of_found_faces(boxes, marks)
    places, is_there = tracking.join(places, stays, found, scores > 0)
    return places, is_there, is_there & ~stays, scores.sum(1) * 0


def settled(
    points: Tensor,
    before: Tensor,
    presence: Tensor,
    places: Tensor,
    is_there: Tensor,
    stays: Tensor,
    is_new: Tensor,
    facts: Tensor,
) -> tuple[Tensor, ...]:
    """Return `points`, `regions` and `presence` of `Followed`, and the places and whether there is a face.

    `facts` (N, 3): what `_times` says, then the poison. All of a picture is 0 where that is not finite.
    """
    elapsed, is_first, bad = facts.unbind(1)
    points = steadied(points, before, is_there & stays, regions.of_meshes(before)[..., 2], elapsed)
    presence = _present(presence, is_there, is_new, elapsed, is_first > 0)
    points = torch.where(is_there[..., None, None], points, before)
    shown = regions.of_meshes(points) * (presence > 0)[..., None]
    is_sane = bad.isfinite()
    is_there = is_there & is_sane[:, None]
    return (
        torch.where(is_sane[:, None, None, None], points, 0),
        torch.where(is_sane[:, None, None], shown, 0),
        torch.where(is_sane[:, None], presence, 0),
        torch.where(is_there[..., None], places, 0),
        is_there,
    )


def steadied(points: Tensor, before: Tensor, is_known: Tensor, side: Tensor, elapsed: Tensor) -> Tensor:
    """Return `points` (N, M, 468, 3) with a share of where they were `before`, as far as they rest.

    `is_known` (N, M): there is a before. `side` (N, M) of the face's square, in pixels; `elapsed` (N,) in
    frames. Where the whole face moves nothing of the last frame is used, so a look never trails behind.
    """
    way = (points - before)[..., :2]
    rest = REST * side.clamp(min=1)[..., None]
    whole = torch.linalg.vector_norm(way.mean(2), dim=-1)[..., None]
    moved = torch.maximum(torch.linalg.vector_norm(way, dim=-1), 2 * whole)
    share = STEADY ** elapsed[:, None, None] * torch.exp(-(moved / rest).square().clamp(max=30))
    share = share * is_known[..., None]
    return torch.where(is_known[..., None, None], torch.lerp(points, before, share[..., None]), points)


def _present(presence: Tensor, is_there: Tensor, is_new: Tensor, elapsed: Tensor, is_first: Tensor) -> Tensor:
    frames = elapsed[:, None]
    gained = torch.where(is_new, COMING, presence + COMING * frames)
    gained = torch.where(is_first[:, None], 1.0, gained)
    return torch.where(is_there, gained, presence - GOING * frames).clamp(0, 1)
