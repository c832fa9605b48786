"""Faces from frame to frame: meshes follow the known ones, looks at the whole picture bring new ones.

On a GPU every frame is looked at, in fixed shapes, without a question to the device. On a CPU, where answers
cost nothing and networks much, a picture is looked at

- in its session's first frame, then in every third one (`LOOK_EVERY`, counted by the frames' sequence),
- at once where a known face was lost,
- at once where the picture has changed outside of the covers since the last look, by `CHANGE` in any cell of
  about 32 pixels' side.

So a face that comes in is looked for in that very frame, unless it changes no such cell: then two frames
later at the latest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.base import Item
from inference_service.filters.vision import levels
from inference_service.filters.vision.networks.people import face_mesh, tracking
from inference_service.filters.vision.networks.people.face_mesh import FaceMesh
from inference_service.filters.vision.networks.people.recordable import Steps, flags, floats
from inference_service.filters.vision.people import heads
from inference_service.filters.vision.people.covers import AXIS_X, IS_THERE, RADIUS, X, Y
from inference_service.filters.vision.people.following import meshes_of
from inference_service.filters.vision.people.heads import Heads
from inference_service.filters.vision.people.looking import (
    MOST_FACES,
    Found,
    Looker,
    both,
    sampled,
    stretched,
)
from inference_service.filters.vision.people.settling import kept

LOOK_EVERY = 3
CHANGE = 0.05
"""Of a cell's mean luminance, 0..1."""
CELL = 32
"""Side of a cell in pixels, about: a whole number of cells lies side by side."""
HEADS = 2 * MOST_FACES + 1
"""Followed faces, then found ones."""


class Sight(NamedTuple):
    """What is seen in N pictures."""

    heads: Heads
    is_real: Tensor
    """(N, HEADS) bool."""
    looked: Sequence[int]
    """The pictures that were looked at."""
    persons: Tensor
    """(len(looked), 1, h, w) float32: probability of a person."""
    is_crowd: Tensor
    """(len(looked),) bool: there are more faces than can be followed."""
    is_blind: Tensor
    """(N,) bool: the picture is too flat to tell."""
    poison: Tensor
    """(N,) float32: 0, or not finite where a network's answer is not."""


class Faces:
    """The networks, and what a session's state keeps of faces: `regions`, `is_tracked`, `cells`, `looked`."""

    def __init__(self, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Load the weights. Raises WeightsError if they are not those of this version."""
        self._device = device
        self._is_cpu = device.type == "cpu"
        self._looker = Looker(device, dtype)
        self._mesh = FaceMesh(device, dtype)
        m, points = MOST_FACES, floats(MOST_FACES, face_mesh.POINTS, 3)
        found = floats(m + 1, 4), floats(m + 1)
        self._join = Steps(device, _joined, floats(m, 4), flags(m), *found, floats())
        self._keep = Steps(device, kept, points, flags(m), floats(m))
        self._heads = Steps(device, _heads, points, floats(m), flags(m), *found)

    @property
    def mask_size(self) -> tuple[int, int]:
        """(height, width) of `Sight.persons`."""
        return self._looker.mask_size

    def see(self, batch: Tensor, items: Sequence[Item], least: Tensor, covers: Tensor) -> Sight:
        """Return what is in (N, 3, H, W) uint8 pictures; `least` (N,) are the faces' lowest scores.

        `covers` (N, M, COLUMNS) are those of the last frame. Writes the sessions' states.
        """
        samples = sampled(batch)
        pictures, is_blind = stretched(batch, samples)
        none = tracking.start(1, MOST_FACES, self._device)
        places = torch.stack([item.state.get("regions", none[0][0]) for item in items])
        is_tracked = torch.stack([item.state.get("is_tracked", none[1][0]) for item in items])
        points, scores = self._no_meshes(len(items))
        looked = list(range(len(items)))
        if self._is_cpu:
            cells = _cells(batch)
            points, scores = meshes_of(self._mesh, pictures, places, is_tracked)
            next_places, stays, _ = self._keep(points, is_tracked, scores)
            is_lost = (is_tracked & ~stays).any(1)
            size = levels.size_of(batch)
            states = zip(items, cells, covers, is_lost.tolist(), strict=True)
            is_due = [self._is_due(*of, size) for of in states]
            looked = [number for number in looked if is_due[number]]
            self._note(items, looked, cells)
            places, is_tracked = next_places, stays
        found, persons = self._look(pictures, items, looked, least)
        found_scores, is_crowd = found.scores, is_blind
        if looked:
            old = is_tracked
            places, is_tracked, found_scores, is_crowd = self._join(places, is_tracked, *found, least)
            is_new = is_tracked & ~old if self._is_cpu else is_tracked
            new_points, new_scores = meshes_of(self._mesh, pictures, places, is_new)
            if self._is_cpu:
                new_points = torch.where(is_new[..., None, None], new_points, points)
                new_scores = torch.where(is_new, new_scores, scores)
            points, scores = new_points, new_scores
            places, is_tracked, _ = self._keep(points, is_tracked, scores)
        *seen, is_real, poison = self._heads(points, scores, is_tracked, found.regions, found_scores)
        for number, item in enumerate(items):
            is_sane = not self._is_cpu or bool(poison[number].isfinite())
            if is_sane:
                # Nobody writes into them, so sessions may share them.
                item.state.update(regions=places[number], is_tracked=is_tracked[number])
        if self._is_cpu:
            is_crowd = is_crowd[looked]
        return Sight(Heads(*seen), is_real, looked, persons, is_crowd, is_blind, poison)

    def _is_due(self, item: Item, cells: Tensor, covers: Tensor, is_lost: bool, size: levels.Size) -> bool:
        last = item.state.get("cells")
        if last is None or is_lost or item.sequence - item.state["looked"] >= LOOK_EVERY:
            return True
        is_changed = (cells - last).abs()[0] > CHANGE
        return bool(is_changed.any()) and bool((is_changed & ~_is_under(covers, is_changed, size)).any())

    def _note(self, items: Sequence[Item], looked: Sequence[int], cells: Tensor) -> None:
        for number in looked:
            items[number].state.update(cells=cells[number].clone(), looked=items[number].sequence)

    def _look(
        self, pictures: Tensor, items: Sequence[Item], looked: Sequence[int], least: Tensor
    ) -> tuple[Found, Tensor]:
        """Return the faces of all pictures, none in those not `looked` at, and the persons of those."""
        n = len(items)
        if not self._is_cpu:
            return self._looker.all_faces(pictures, least), self._looker.persons(pictures)
        squares, scores = torch.zeros(n, MOST_FACES + 1, 4), torch.zeros(n, MOST_FACES + 1)
        if not looked:
            return Found(squares, scores), torch.zeros(0, 1, 1, 1)
        seen = pictures if len(looked) == n else pictures[looked]
        finding = self._looker.begin_faces(seen, least[looked])
        # Meanwhile.
        persons = self._looker.persons(seen)
        found = finding()
        # Turned copies cost time: only where the last look has left a person without a face.
        turned = [place for place, number in enumerate(looked) if items[number].state.get("is_person", False)]
        if turned:
            more = self._looker.turned_faces(seen[turned], least[looked][turned])
            joined = both(Found(found.regions[turned], found.scores[turned]), more)
            found.regions[turned], found.scores[turned] = joined
        squares[looked], scores[looked] = found
        return Found(squares, scores), persons

    def _no_meshes(self, n: int) -> tuple[Tensor, Tensor]:
        return (
            torch.zeros(n, MOST_FACES, face_mesh.POINTS, 3, device=self._device),
            torch.zeros(n, MOST_FACES, device=self._device),
        )


def _joined(
    places: Tensor, is_tracked: Tensor, found: Tensor, scores: Tensor, least: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what `tracking.join` does of `Found` that scores no less than `least` (N,), these scores, and
    (N,) bool: there are more faces than can be followed."""
    sure = torch.where(scores >= least[:, None], scores, 0)
    return *tracking.join(places, is_tracked, found, sure > 0), sure, scores[:, MOST_FACES] > 0


def _heads(
    points: Tensor, scores: Tensor, is_tracked: Tensor, found: Tensor, found_scores: Tensor
) -> tuple[Tensor, ...]:
    """Return the parts of `Heads` of meshes and of found faces, which are real, and the poison."""
    poison = (scores.sum(1) + points.sum((1, 2, 3)) + found_scores.sum(1)) * 0
    known, unsure = heads.of_meshes(points), heads.of_found(found)
    unsure_is_real = (found_scores > 0) & ~_is_near(unsure, known, is_tracked)
    is_real = torch.cat((is_tracked, unsure_is_real), 1) & poison.isfinite()[:, None]
    return *heads.joined(known, unsure), is_real, poison


def _is_near(some: Heads, known: Heads, is_known: Tensor) -> Tensor:
    """Return (N, F) bool: the middle of a head lies on one that is known."""
    away = torch.linalg.vector_norm(some.centre[:, :, None] - known.centre[:, None], dim=-1)
    is_alike = known.radius[:, None] > 0.6 * some.radius[:, :, None]
    is_near: Tensor = (away < 0.3 * known.radius[:, None]) & is_alike & is_known[:, None]
    return is_near.any(-1)


def _cells(pictures: Tensor) -> Tensor:
    """Return (N, 1, h, w) float32: the mean luminance of each cell, 0..1, of uint8 pictures on a CPU."""
    height, width = (-(-side // CELL) for side in levels.size_of(pictures))
    return levels.shrunk(levels.grey(pictures), (height, width)).float() / 255


def _is_under(covers: Tensor, cells: Tensor, size: levels.Size) -> Tensor:
    """Return (h, w) bool: which cells of a picture of `size` lie under one of `covers` (M, COLUMNS)."""
    height, width = cells.shape
    rows = covers[covers[:, IS_THERE] > 0][:, :AXIS_X, None, None]
    to_x = (torch.arange(width) + 0.5) * (size[1] / width) - rows[:, X]
    to_y = ((torch.arange(height) + 0.5) * (size[0] / height))[:, None] - rows[:, Y]
    return (torch.hypot(to_x, to_y) < (0.88 * rows[:, RADIUS] - CELL / 2)).any(0)
