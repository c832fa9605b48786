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
from inference_service.filters.vision.networks.people.detections import Detections
from inference_service.filters.vision.networks.people.face_finder import FaceFinder
from inference_service.filters.vision.networks.people.face_mesh import FaceMesh
from inference_service.filters.vision.networks.people.recordable import Steps, flags, floats
from inference_service.filters.vision.people.looking import sampled, stretched
from inference_service.filters.vision.people.settling import joined, kept, settled
from inference_service.filters.vision.rows import upload

MOST_FACES = 4
LEAST_SCORE = 0.5
SEARCH_FOR_FIRST, SEARCH_FOR_MORE = 3, 15
"""Frames from one search to the next while nobody is followed, and while there is a free place."""
FAR = 0.08
"""How far a face may lie from where it was looked for, against its square (in radians, if it has turned),
before a CPU looks again where it is: a mesh is exact in the middle of its square only."""


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
        m, points = MOST_FACES, floats(MOST_FACES, face_mesh.POINTS, 3)
        self._keep = Steps(device, kept, points, flags(m), floats(m))
        self._join = Steps(device, joined, floats(m, 4), flags(m), floats(m, 4), floats(m, 6, 2), floats(m))
        self._settle = Steps(
            device, settled, points, points, floats(m), floats(m, 4), flags(m), flags(m), flags(m), floats(3)
        )

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
        places, stays, bad = self._keep(points, was_there, scores)
        searched = self._due(items, was_there, stays)
        is_there, is_new = stays, torch.zeros_like(stays)
        if searched:
            found = self._search(pictures, searched)
            places, is_there, is_new, poison = self._join(
                places, stays, found.boxes, found.points, found.scores
            )
            new_points, new_scores = self._meshes(pictures, places, is_new)
            points = torch.where(is_new[..., None, None], new_points, points)
            scores = torch.where(is_new, new_scores, scores)
            places, is_there, again = self._keep(points, is_there, scores)
            bad = bad + poison + again
        facts = torch.cat((self._times(items), bad[:, None]), 1)
        points, shown, presence, places, is_there = self._settle(
            points, before, presence, places, is_there, stays, is_new, facts
        )
        self._remember(items, bad, searched, places, is_there, points, presence)
        return Followed(points, shown, presence, bad)

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

    def _search(self, pictures: Tensor, searched: Sequence[int]) -> Detections:
        """Return the faces of all pictures, none in those not `searched`."""
        n = len(pictures)
        if len(searched) == n:
            return self._find(pictures, LEAST_SCORE)
        chosen = list(searched)
        found = self._find(pictures[chosen], LEAST_SCORE)
        made = []
        for some in (found.scores, found.boxes, found.points):
            all_of_them = some.new_zeros(n, *some.shape[1:])
            all_of_them[chosen] = some
            made.append(all_of_them)
        return Detections(*made)

    def _times(self, items: Sequence[Item]) -> Tensor:
        """Return (N, 2): frames since the last one, and whether there was none."""
        frames = [max(1, item.sequence - item.state.get("seen", item.sequence)) for item in items]
        is_first = ["seen" not in item.state for item in items]
        return upload(np.array((frames, is_first), np.float32).T.copy(), self._device)

    def _remember(
        self,
        items: Sequence[Item],
        bad: Tensor,
        searched: Sequence[int],
        places: Tensor,
        is_there: Tensor,
        points: Tensor,
        presence: Tensor,
    ) -> None:
        # On a GPU asking would hold up the host; there what is not finite is left out of the kept tensors.
        is_good = bad.isfinite().tolist() if self._is_cpu else [True] * len(items)
        for number, item in enumerate(items):
            if not is_good[number]:
                continue
            item.state["seen"] = item.sequence
            if number in searched:
                item.state["searched"] = item.sequence
            # Nobody writes into them, so sessions may share them.
            item.state["places"], item.state["is_followed"] = places[number], is_there[number]
            item.state["points"], item.state["presence"] = points[number], presence[number]


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


def _is_off(places: Tensor, better: Tensor) -> Tensor:
    """Return (N, M) bool: a region (N, M, 4) is far from the one that its own points give."""
    side = better[..., 2].clamp(min=1)
    away = torch.linalg.vector_norm(places[..., :2] - better[..., :2], dim=-1) / side
    turned = torch.sin((places[..., 3] - better[..., 3]) / 2).abs() * 2
    grown = (places[..., 2] / side - 1).abs() / 2
    is_off: Tensor = torch.maximum(torch.maximum(away, turned), grown) > FAR
    return is_off


def _kept(items: Sequence[Item], name: str, none: Tensor) -> Tensor:
    return torch.stack([item.state.get(name, one) for item, one in zip(items, none, strict=True)])
