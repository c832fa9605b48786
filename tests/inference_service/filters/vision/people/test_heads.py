"""Heads from points given by hand: the whole face lies inside, also from the side and from behind."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inference_service.filters.vision.coco import POINTS
from inference_service.filters.vision.people.heads import Heads, heads_of

BOX = (0.0, 0.0, 60.0, 170.0)
"""In centimetres, as are all places: a grown person, standing; the head's middle is at (30, 12)."""
FRONT = {
    "nose": (30.0, 15.0),
    "left eye": (33.2, 11.0),
    "right eye": (26.8, 11.0),
    "left ear": (37.5, 12.0),
    "right ear": (22.5, 12.0),
    "left shoulder": (48.0, 36.0),
    "right shoulder": (12.0, 36.0),
}
SIDE = {
    "nose": (41.0, 15.0),
    "left eye": (38.0, 11.0),
    "left ear": (29.0, 12.0),
    "left shoulder": (31.0, 36.0),
}
CHIN, CROWN = (30.0, 23.0), (30.0, 1.0)


def head(places: dict[str, tuple[float, float]], box: tuple[float, float, float, float] = BOX) -> Heads:
    place = torch.tensor([places.get(name, (500.0, 500.0)) for name in POINTS])[None, None]
    score = torch.tensor([5.0 if name in places else 0.0 for name in POINTS])[None, None]
    return heads_of(place, score, torch.tensor([[box]]), 1.0)


def away(found: Heads, place: tuple[float, float]) -> float:
    """Distance from the middle, in radii."""
    return float(torch.linalg.vector_norm(torch.tensor(place) - found.centre[0, 0]) / found.radius[0, 0])


def test_a_face_from_the_front_is_measured() -> None:
    found = head(FRONT)
    assert 10 < found.radius[0, 0] < 14
    assert away(found, CHIN) < 1.05
    assert away(found, CROWN) < 1.15
    assert torch.allclose(found.axis[0, 0], torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize("hidden", [name for name in FRONT if "shoulder" not in name])
def test_one_hidden_point_changes_little(hidden: str) -> None:
    found = head({name: place for name, place in FRONT.items() if name != hidden})
    assert 9.5 < found.radius[0, 0] < 15
    assert away(found, CHIN) < 1.2
    assert away(found, (30.0, 12.0)) < 0.35


def test_a_face_from_the_side_lies_inside() -> None:
    found = head(SIDE)
    for place in (*SIDE.values(), (38.0, 23.0)):
        if place != SIDE["left shoulder"]:
            assert away(found, place) < 1.1
    assert found.radius[0, 0] < 20


def test_the_back_of_a_head_is_above_the_shoulders() -> None:
    # Seen from behind, the left shoulder is on the left.
    found = head({"left shoulder": (12.0, 36.0), "right shoulder": (48.0, 36.0)})
    assert away(found, (30.0, 12.0)) < 0.2
    assert away(found, CHIN) < 1
    assert away(found, CROWN) < 1.05


def test_without_any_point_it_is_the_top_of_the_box() -> None:
    found = head({})
    assert away(found, CHIN) < 1
    assert away(found, CROWN) < 1.05
    close = head({}, (100.0, 50.0, 116.0, 72.0))
    assert away(close, (108.0, 61.0)) < 0.5


@pytest.mark.parametrize("degrees", [-40, -15, 25, 60])
def test_the_axis_follows_the_tilt(degrees: float) -> None:
    angle = math.radians(degrees)

    def turned(place: tuple[float, float]) -> tuple[float, float]:
        x, y = place[0] - 30, place[1] - 12
        return (
            30 + x * math.cos(angle) - y * math.sin(angle),
            12 + x * math.sin(angle) + y * math.cos(angle),
        )

    found = head({name: turned(place) for name, place in FRONT.items()})
    assert torch.allclose(found.axis[0, 0], torch.tensor([math.cos(angle), math.sin(angle)]), atol=1e-3)
    assert away(found, turned(CHIN)) < 1.1


def test_from_behind_no_head_is_upside_down() -> None:
    found = head({"left ear": (22.5, 12.0), "right ear": (37.5, 12.0)})
    assert torch.allclose(found.axis[0, 0], torch.tensor([1.0, 0.0]))


def test_a_stray_point_makes_no_head_larger_than_the_person() -> None:
    found = head(FRONT | {"left ear": (59.0, 169.0)})
    assert found.radius[0, 0] <= 0.75 * 170


def test_places_that_are_not_taken_give_finite_heads() -> None:
    found = heads_of(torch.zeros(2, 3, 17, 2), torch.zeros(2, 3, 17), torch.zeros(2, 3, 4), 1.0)
    assert all(isinstance(one, Tensor) and one.isfinite().all() for one in found)
