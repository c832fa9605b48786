"""A glance at each camera a few times in a second: where are faces?

For filters that do not hide anything and need no face to the pixel. Faces are looked for by both detectors;
where they find none, whole bodies are, since those have a head even when it is turned away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.base import Item
from inference_service.filters.vision.networks.people.body_finder import BodyFinder
from inference_service.filters.vision.networks.people.face_finder import FaceFinder
from inference_service.filters.vision.people.looking import sampled, stretched

MOST_FACES = 8
MOST_BODIES = 4


class Faces(NamedTuple):
    """What the last glance at N pictures has found."""

    boxes: Tensor
    """(N, MOST_FACES, 4) float32: left, top, right, bottom, from brows to chin, in pixels; finite."""
    is_real: Tensor
    """(N, MOST_FACES) bool."""
    is_fresh: Sequence[bool]
    """Was this picture looked at, or is it an older one's answer?"""


@dataclass(frozen=True, slots=True)
class _Glance:
    """What is kept in a session's state, under the name `glance`."""

    boxes: Tensor
    is_real: Tensor
    next: int
    """Sequence of the frame to look at next."""


class Glances:
    """The finders."""

    def __init__(self, device: torch.device, every: int, dtype: torch.dtype = torch.float32) -> None:
        """Load the weights; every so many frames of a camera are looked at.

        Raises WeightsError if they are not those of this version.
        """
        self._every = every
        self._faces = FaceFinder(device, limit=MOST_FACES, dtype=dtype)
        self._bodies = BodyFinder(device, MOST_BODIES, dtype)

    def look(self, items: Sequence[Item], pictures: Callable[[Sequence[int]], Tensor]) -> Faces:
        """Return the faces of N cameras, and write the sessions' states.

        `pictures` returns those of these numbers, (n, 3, H, W) uint8 RGB; it is called where some are due.
        """
        due = [number for number, item in enumerate(items) if self._is_due(item)]
        if due:
            boxes, is_real = self._found(pictures(due))
            for place, number in enumerate(due):
                item = items[number]
                # Cameras that begin together are not looked at in the same batch for ever.
                wait = self._every if "glance" in item.state else 1 + item.session[-1] % self._every
                kept = boxes[place].clone(), is_real[place].clone()
                item.state["glance"] = _Glance(*kept, item.sequence + wait)
        glances: list[_Glance] = [item.state["glance"] for item in items]
        return Faces(
            torch.stack([one.boxes for one in glances]),
            torch.stack([one.is_real for one in glances]),
            [number in due for number in range(len(items))],
        )

    def _is_due(self, item: Item) -> bool:
        last: _Glance | None = item.state.get("glance")
        return last is None or not 0 < last.next - item.sequence <= self._every

    def _found(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        pictures, _ = stretched(pictures, sampled(pictures))
        faces = self._faces(pictures)
        boxes, scores = faces.boxes, faces.scores
        is_alone = scores[:, 0] > 0
        if not pictures.is_cpu or not bool(is_alone.all()):
            bodies = self._bodies(pictures)
            boxes = torch.where(is_alone[:, None, None], boxes, _widened(bodies.boxes))
            scores = torch.where(is_alone[:, None], scores, _widened(bodies.scores))
        is_real = (scores > 0) & boxes.isfinite().all(-1)
        return torch.where(is_real[..., None], boxes, 0), is_real


def _widened(of_bodies: Tensor) -> Tensor:
    """Return (N, MOST_FACES, ...) of (N, MOST_BODIES, ...), 0 in the other places."""
    missing = of_bodies.new_zeros(of_bodies.shape[0], MOST_FACES - MOST_BODIES, *of_bodies.shape[2:])
    return torch.cat((of_bodies, missing), 1)
