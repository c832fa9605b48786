"""Skeletons drawn from points that are given by hand, looked up pixel by pixel, on a CPU and as on a GPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from inference_service.filters.pose import Pose, row
from inference_service.filters.vision.coco import POINTS
from inference_service.filters.vision.draw.canvas import FULL, read_crossed, write
from inference_service.filters.vision.draw.lines import lines
from inference_service.filters.vision.draw.people import PeoplePainter
from inference_service.filters.vision.draw.people_on_gpu import Look, Parts, by_torch
from inference_service.filters.vision.draw.skeletons import OPENPOSE as COLOURS
from inference_service.filters.vision.draw.skeletons import SKELETONS
from inference_service.filters.vision.networks.people.body_topology import NAMES

CPU = torch.device("cpu")
SIZE = (200, 240)
GREY = 90


def person(**places: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """(17, 2) and (17,): the points named are seen."""
    by_name = {name.replace("_", " "): place for name, place in places.items()}
    rows = torch.tensor([by_name.get(name, (0.0, 0.0)) for name in POINTS])
    return rows, torch.tensor([1.0 if name in by_name else 0.0 for name in POINTS])


Draw = Callable[..., Tensor]


@pytest.fixture(params=["cpu", "device"])
def draw(request: pytest.FixtureRequest) -> Draw:
    """Draws people of COCO's points on a grey picture, by OpenCV or by tensors; (H, W, 3) uint8."""

    def drawn(*people: tuple[Tensor, Tensor], **params: Any) -> Tensor:
        place = torch.stack([place for place, _ in people])[None]
        score = torch.stack([score for _, score in people])[None]
        return drawn_by(request.param, place, score, **params)

    return drawn


def drawn_by(way: str, place: Tensor, score: Tensor, skeleton: str = "coco", **params: Any) -> Tensor:
    chosen = Pose.Params.model_validate(params)
    pictures = torch.full((1, 3, *SIZE), GREY, dtype=torch.uint8)
    look = Look(*torch.from_numpy(row(chosen))[None, 2:].unbind(1))
    is_real = torch.ones(1, place.shape[1], dtype=torch.bool)
    kind = SKELETONS[skeleton]  # type: ignore[index]
    rows = place, score, is_real, look, torch.zeros(1)
    thickest = chosen.line_width / 200
    if way == "cpu":
        made = PeoplePainter(kind, CPU).draw(pictures, *rows, thickest)
        assert made.dtype is torch.uint8
    else:
        made = by_torch(pictures, *rows, Parts.of(kind, CPU), thickest)
    return made[0].permute(1, 2, 0).round().to(torch.uint8)


def test_a_limb_is_a_bar_of_its_colour_between_its_points(draw: Draw) -> None:
    drawn = draw(person(right_shoulder=(60.0, 100.0), right_elbow=(160.0, 100.0)), line_width=4.0)
    # 8 pixels wide; OpenPose's third limb.
    assert (drawn[96:104, 80:140] == torch.tensor(COLOURS[2])).all()
    assert (drawn[:90] == GREY).all()
    assert (drawn[94, 80:140] == GREY).all()
    assert (drawn[105, 80:140] == GREY).all()
    assert (drawn[100, 170:] == GREY).all()


def test_points_are_discs_on_the_limbs(draw: Draw) -> None:
    drawn = draw(person(right_shoulder=(60.0, 100.0), right_elbow=(160.0, 100.0)), line_width=4.0)
    assert (drawn[99:101, 59:61] == torch.tensor(COLOURS[2])).all()
    assert (drawn[99:101, 159:161] == torch.tensor(COLOURS[3])).all()
    assert (drawn[95:105, 159:161] == torch.tensor(COLOURS[3])).all()


def test_the_neck_is_between_the_shoulders(draw: Draw) -> None:
    drawn = draw(person(right_shoulder=(60.0, 100.0), left_shoulder=(180.0, 60.0)), line_width=2.0)
    assert (drawn[80, 120] == torch.tensor(COLOURS[1])).all()
    alone = draw(person(left_shoulder=(180.0, 60.0)), line_width=2.0)
    assert (alone[80, 120] == GREY).all()
    assert (alone[60, 180] == torch.tensor(COLOURS[5])).all()


@pytest.mark.parametrize(
    "end", [(200.0, 60.0), (200.0, 180.0), (60.0, 190.0), (40.0, 20.0), (100.5, 100.5), (110.0, 20.0)]
)
def test_a_line_covers_pixels_by_their_distance_in_any_direction(end: tuple[float, float]) -> None:
    start = (100.0, 100.0)
    ends = torch.tensor([[start, end]])
    one = torch.ones(1, dtype=torch.int64)
    marks = lines(ends, one - 1, one, torch.tensor([4.0]), 110, 4.0, (1, *SIZE))
    _, cover = read_crossed(write((1, *SIZE), CPU, marks))
    y, x = torch.meshgrid(torch.arange(SIZE[0]) + 0.5, torch.arange(SIZE[1]) + 0.5, indexing="ij")
    along = torch.tensor(end) - torch.tensor(start)
    share = (((x - 100) * along[0] + (y - 100) * along[1]) / along.square().sum()).clamp(0, 1)
    away = torch.hypot(x - 100 - share * along[0], y - 100 - share * along[1])
    expected = ((4.5 - away).clamp(0, 1) * FULL).round()
    assert (cover[0] - expected).abs().max() <= 1


def test_weak_points_and_the_face_are_left_out_where_asked_for(draw: Draw) -> None:
    place, score = person(nose=(100.0, 40.0), left_eye=(120.0, 30.0), left_wrist=(30.0, 150.0))
    score = torch.where(score > 0, 0.4, score)
    assert (draw((place, score), min_point_score=0.5) == GREY).all()
    without = draw((place, score), has_face=False, min_point_score=0.3)
    assert (without[:100] == GREY).all()
    assert (without[150, 30] == torch.tensor(COLOURS[7])).all()
    assert (draw((place, score), min_point_score=0.3)[40, 100] == torch.tensor(COLOURS[0])).all()


def test_on_black_nothing_is_left_of_the_camera(draw: Draw) -> None:
    drawn = draw(person(right_shoulder=(60.0, 100.0), right_elbow=(160.0, 100.0)), camera=0.0)
    assert (drawn[:80] == 0).all()
    assert drawn[100, 100].any()
    half = draw(person(nose=(10.0, 10.0)), camera=0.5)
    assert (half[100:] == GREY // 2).all()


def test_the_surest_person_lies_on_top(draw: Draw) -> None:
    first = person(right_shoulder=(60.0, 100.0), right_elbow=(160.0, 100.0))
    second = person(left_shoulder=(60.0, 100.0), left_elbow=(160.0, 100.0))
    drawn = draw(first, second, line_width=4.0)
    assert (drawn[100, 80:140] == torch.tensor(COLOURS[2])).all()


def test_both_ways_of_drawing_show_the_same() -> None:
    random = torch.Generator().manual_seed(3)
    # Some lie outside of the picture.
    place = torch.rand(1, 3, len(NAMES), 2, generator=random) * 400 - 100
    score = torch.rand(1, 3, len(NAMES), generator=random)
    for width in (0.2, 2.0, 5.0):
        one, other = (drawn_by(way, place, score, "body", line_width=width) for way in ("cpu", "device"))
        away = (one.int() - other.int()).abs().amax(-1)
        assert (one != GREY).any(-1).float().mean() > 0.1
        # Where lines cross, one lies on top on a CPU, and elsewhere the one that covers more of a pixel.
        assert (away > 60).float().mean() < 0.08
        assert (((one != GREY).any(-1)) != ((other != GREY).any(-1))).float().mean() < 0.04


def test_hands_and_feet_are_drawn_where_asked_for() -> None:
    names = ("left elbow", "left wrist", "left thumb", "left index", "left pinky")
    place = torch.zeros(1, 1, len(NAMES), 2)
    score = torch.zeros(1, 1, len(NAMES))
    for number, name in enumerate(names):
        place[0, 0, NAMES.index(name)] = torch.tensor([40.0 + 40 * number, 100.0 + 10 * (number % 2)])
        score[0, 0, NAMES.index(name)] = 0.9
    for way in ("cpu", "device"):
        with_hand = drawn_by(way, place, score, "body")
        without = drawn_by(way, place, score, "body", has_hands_and_feet=False)
        assert (with_hand[:, 130:] != GREY).any()
        assert (without[:, 130:] == GREY).all()
        assert (without[:, :70] == with_hand[:, :70]).all()


def test_lines_are_seen_in_a_tiny_picture() -> None:
    place, score = (one[None, None] for one in person(right_shoulder=(2.0, 5.0), right_elbow=(9.0, 5.0)))
    pictures = torch.full((1, 3, 12, 12), GREY, dtype=torch.uint8)
    look = Look(*(torch.tensor([value]) for value in (0.001, 0.5, 1.0, 1.0, 1.0)))
    is_real = torch.ones(1, 1, dtype=torch.bool)
    painter = PeoplePainter(SKELETONS["coco"], CPU)
    drawn = painter.draw(pictures, place, score, is_real, look, torch.zeros(1), 0.001)
    assert (drawn[0, :, 4:6, 5] != GREY).any()


def test_a_point_that_is_no_number_draws_nothing_of_its_limbs_and_raises_nothing() -> None:
    place, score = (one[None, None].clone() for one in person(right_shoulder=(60.0, 99.0), nose=(9.0, 9.0)))
    place[0, 0, POINTS.index("right shoulder")] = torch.nan
    drawn = drawn_by("cpu", place, score)
    assert (drawn[9, 9] != GREY).any()


def test_parameters_are_checked_and_small_enough_to_travel() -> None:
    for wrong in ({"camera": 1.5}, {"line_width": 0}, {"min_score": 0.0}, {"min_point_score": 1.5}):
        with pytest.raises(ValidationError):
            Pose.Params.model_validate(wrong)
    schema = Pose.Params.model_json_schema()
    assert len(json.dumps(schema)) < 32 * 1024
    assert all({"title", "description", "default"} <= set(one) for one in schema["properties"].values())
