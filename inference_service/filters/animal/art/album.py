"""All drawings of an animal, drawn once: when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from inference_service.filters.animal.art.brush import Sprite
from inference_service.filters.animal.art.coats import COATS, Kind
from inference_service.filters.animal.art.ears import drawn_ear
from inference_service.filters.animal.art.features import (
    drawn_nose,
    drawn_teeth,
    drawn_tongue,
    drawn_whiskers,
)
from inference_service.filters.animal.art.muzzles import drawn_muzzle


@dataclass(frozen=True, slots=True)
class Album:
    """The drawings of one animal; `whiskers` are empty where it has none."""

    ear: Sprite
    muzzle: Sprite
    mouth: Sprite
    whiskers: Sprite
    nose: Sprite


@lru_cache(len(COATS))
def album(kind: Kind) -> Album:
    """Return an animal's drawings; the first time they are drawn, in a third of a second of a core."""
    coat = COATS[kind]
    mouth = drawn_tongue(5) if coat.mouth == "tongue" else drawn_teeth(coat.mouth == "fangs")
    return Album(
        drawn_ear(coat.ear, 1),
        drawn_muzzle(coat, 2),
        mouth,
        drawn_whiskers(coat, 4),
        drawn_nose(coat, 3),
    )
