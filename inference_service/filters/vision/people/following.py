"""Faces of looks, up to four, from frame to frame: meshes follow them, finders bring new ones.

On a CPU, where a finder costs more than a mesh, the picture is searched

- in a session's first frame,
- in every frame in which a face was lost,
- in every third one while there is no face, else in every fifteenth one while there is a free place.

On a GPU every frame is searched, in fixed shapes, without a question to the device.

Nothing is hidden by this, so a face that is missed for a moment does no harm; `faces.py` is for filters that
hide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inference_service.filters.base import Item
from inference_service.filters.vision.networks.people import face_mesh, regions, tracking
from inference_service.filters.vision.networks.people.face_finder import FaceFinder
from inference_service.filters.vision.networks.people.face_mesh import FaceMesh
from inference_service.filters.vision.people.looking import sampled, stretched
from inference_service.filters.vision.rows import upload

MOST_FACES = 4
LEAST_SCORE = 0.5
SEARCH_FOR_FIRST, SEARCH_FOR_MORE = 3, 15
"""Frames from one search to the next while nobody is followed, and while there is a free place."""
STEADY = 0.72
"""Share of its last place that a point keeps per frame as far as it rests; a mesh jitters by some tenths of
a pixel."""
REST = 0.012
"""The way of a point in one frame, against the face's square, at which it keeps 1/e of that share."""
FAR = 0.08
"""How far a face may lie from where it was looked for, against its square (in radians, if it has turned),
before a CPU looks again where it is: a mesh is exact in the middle of its square only."""
COMING, GOING = 1 / 3, 1 / 4
"""What a look gains and loses per frame when a face comes and goes."""


class Followed(NamedTuple):
    """Up to `MOST_FACES` faces of each of N pictures, M places; a face keeps its place."""

    points: Tensor
    """(N, M, 468, 3) float32, as `FaceMesh` gives them, steadied; those of the last frame where lost."""
    regions: Tensor
    """(N, M, 4) float32: turned squares of `regions.py` round the points; side 0 where there is no face."""
    presence: Tensor
    """(N, M) float32, 0 to 1: how much of a look to draw. It fades in and out; full in a first frame."""
    poison: Tensor
    """(N,) float32: 0, or not finite where a network's answer is not. Such a picture has no faces, and its
    session's state is left as it was."""


class Follower:
    """The networks, and what a session's state keeps: `places`, `is_followed`, `points`, `presence`, `seen`,
    `searched`."""

    def __init__(self, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Load the weights. Raises WeightsError if they are not those of this version."""
        self._device = device
        self._is_cpu = device.type == "cpu"
        self._find = FaceFinder(device, limit=MOST_FACES, dtype=dtype)
        self._mesh = FaceMesh(device, dtype)

    def follow(self, batch: Tensor, items: Sequence[Item]) -> Followed:
        """Return the faces of (N, 3, H, W) uint8 pictures, and write the sessions' states."""
        n = len(items)
        pictures, _ = stretched(batch, sampled(batch))
        nobody = tracking.start(n, MOST_FACES, self._device)
        none = torch.zeros(n, MOST_FACES, face_mesh.POINTS, 3, device=self._device)
        places = _kept(items, "places", nobody[0])
        was_there = _kept(items, "is_followed", nobody[1])
        before, presence = _kept(items, "points", none), _kept(items, "presence", none[..., 0, 0])
        points, scores = self._meshes(pictures, places, was_there)
        bad = _poison(points, scores)
        places, stays = tracking.keep(regions.of_meshes(points), was_there, scores)
        searched = self._due(items, was_there, stays)
        is_there, is_new = stays, torch.zeros_like(stays)
        if searched:
            found, found_scores = self._search(pictures, searched)
            bad = bad + found_scores.sum(1) * 0
            places, is_there = tracking.join(places, stays, found, found_scores > 0)
            is_new = is_there & ~stays
            new_points, new_scores = self._meshes(pictures, places, is_new)
            bad = bad + _poison(new_points, new_scores)
            points = torch.where(is_new[..., None, None], new_points, points)
            scores = torch.where(is_new, new_scores, scores)
            places, is_there = tracking.keep(regions.of_meshes(points), is_there, scores)
        elapsed = self._elapsed(items)
        points = steadied(points, before, is_there & stays, regions.of_meshes(before)[..., 2], elapsed)
        is_first = upload(np.array(["seen" not in item.state for item in items]), self._device)
        presence = _present(presence, is_there, is_new, elapsed, is_first)
        points = torch.where(is_there[..., None, None], points, before)
        shown = regions.of_meshes(points) * (presence > 0)[..., None]
        is_sane = bad.isfinite()
        self._remember(items, is_sane, searched, places, is_there, points, presence)
        presence = torch.where(is_sane[:, None], presence, 0)
        return Followed(
            torch.where(is_sane[:, None, None, None], points, 0),
            torch.where(is_sane[:, None, None], shown, 0),
            presence,
            bad,
        )

    def _meshes(self, pictures: Tensor, places: Tensor, is_wanted: Tensor) -> tuple[Tensor, Tensor]:
        """As `meshes_of`, but looks again at a face that is not where it was looked for."""
        points, scores = meshes_of(self._mesh, pictures, places, is_wanted)
        if not self._is_cpu:
            return points, scores
        better = regions.of_meshes(points)
        is_off = is_wanted & (scores >= tracking.LOST) & _is_off(places, better)
        if is_off.any():
            again, new_scores = meshes_of(self._mesh, pictures, better, is_off)
            points = torch.where(is_off[..., None, None], again, points)
            scores = torch.where(is_off, new_scores, scores)
        return points, scores

    def _due(self, items: Sequence[Item], was_there: Tensor, stays: Tensor) -> list[int]:
        if not self._is_cpu:
            return list(range(len(items)))
        counts, has_lost = stays.sum(1).tolist(), (was_there & ~stays).any(1).tolist()
        due = []
        for number, item in enumerate(items):
            every = SEARCH_FOR_MORE if counts[number] else SEARCH_FOR_FIRST
            last = item.state.get("searched")
            is_time = last is None or not 0 <= item.sequence - last < every
            if has_lost[number] or (is_time and counts[number] < MOST_FACES):
                due.append(number)
        return due

    def _search(self, pictures: Tensor, searched: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return squares (N, MOST_FACES, 4) and scores (N, MOST_FACES), 0 in pictures not `searched`."""
        n = len(pictures)
        if len(searched) == n:
            found = self._find(pictures, LEAST_SCORE)
            return regions.of_found_faces(found.boxes, found.points), found.scores
        squares, scores = torch.zeros(n, MOST_FACES, 4), torch.zeros(n, MOST_FACES)
        if searched:
            chosen = list(searched)
            found = self._find(pictures[chosen], LEAST_SCORE)
            squares[chosen] = regions.of_found_faces(found.boxes, found.points)
            scores[chosen] = found.scores
        return squares, scores

    def _elapsed(self, items: Sequence[Item]) -> Tensor:
        frames = [max(1, item.sequence - item.state.get("seen", item.sequence)) for item in items]
        return upload(np.array(frames, np.float32), self._device)

    def _remember(
        self,
        items: Sequence[Item],
        is_sane: Tensor,
        searched: Sequence[int],
        places: Tensor,
        is_there: Tensor,
        points: Tensor,
        presence: Tensor,
    ) -> None:
        # On a GPU asking would hold up the host; there what is not finite is left out of the kept tensors.
        is_good = is_sane.tolist() if self._is_cpu else [True] * len(items)
        is_there = is_there & is_sane[:, None]
        for number, item in enumerate(items):
            if not is_good[number]:
                continue
            item.state["seen"] = item.sequence
            if number in searched:
                item.state["searched"] = item.sequence
            item.state["places"] = torch.where(is_there[number, :, None], places[number], 0)
            item.state["is_followed"] = is_there[number].clone()
            item.state["points"] = torch.where(is_sane[number], points[number], 0)
            item.state["presence"] = torch.where(is_sane[number], presence[number], 0)


def meshes_of(mesh: FaceMesh, pictures: Tensor, places: Tensor, is_wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return the points (N, M, 468, 3) and scores (N, M) of the regions (N, M, 4); 0 where not wanted."""
    n, count = is_wanted.shape
    owners = torch.arange(n, device=pictures.device)[:, None].expand(n, count)
    if pictures.device.type != "cpu":
        made = mesh(pictures, places.flatten(0, 1), owners.flatten())
        points, scores = made.points.reshape(n, count, -1, 3), made.scores.reshape(n, count)
        return torch.where(is_wanted[..., None, None], points, 0), torch.where(is_wanted, scores, 0)
    points, scores = torch.zeros(n, count, face_mesh.POINTS, 3), torch.zeros(n, count)
    if is_wanted.any():
        made = mesh(pictures, places[is_wanted], owners[is_wanted])
        points[is_wanted], scores[is_wanted] = made.points, made.scores
    return points, scores


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


def _is_off(places: Tensor, better: Tensor) -> Tensor:
    """Return (N, M) bool: a region (N, M, 4) is far from the one that its own points give."""
    side = better[..., 2].clamp(min=1)
    away = torch.linalg.vector_norm(places[..., :2] - better[..., :2], dim=-1) / side
    turned = torch.sin((places[..., 3] - better[..., 3]) / 2).abs() * 2
    grown = (places[..., 2] / side - 1).abs() / 2
    is_off: Tensor = torch.maximum(torch.maximum(away, turned), grown) > FAR
    return is_off


def _present(presence: Tensor, is_there: Tensor, is_new: Tensor, elapsed: Tensor, is_first: Tensor) -> Tensor:
    frames = elapsed[:, None]
    gained = torch.where(is_new, COMING, presence + COMING * frames)
    gained = torch.where(is_first[:, None], 1.0, gained)
    return torch.where(is_there, gained, presence - GOING * frames).clamp(0, 1)


def _poison(points: Tensor, scores: Tensor) -> Tensor:
    return (scores.sum(1) + points.sum((1, 2, 3))) * 0


def _kept(items: Sequence[Item], name: str, none: Tensor) -> Tensor:
    return torch.stack([item.state.get(name, one) for item, one in zip(items, none, strict=True)])
