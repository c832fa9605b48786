"""All drawings of all animals, drawn once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from inference_service.filters.animal.art import drawings
from inference_service.filters.animal.art.brush import Sprite
from inference_service.filters.animal.art.coats import COATS, Kind


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
    """Draw an animal, the first time; takes a tenth of a second or two."""
    coat = COATS[kind]
    mouth = (
        drawings.drawn_tongue(5) if coat.mouth == "tongue" else drawings.drawn_teeth(coat.mouth == "fangs")
    )
    return Album(
        drawings.drawn_ear(coat.ear, 1),
        drawings.drawn_muzzle(coat, 2),
        mouth,
        drawings.drawn_whiskers(coat, 4),
        drawings.drawn_nose(coat, 3),
    )
