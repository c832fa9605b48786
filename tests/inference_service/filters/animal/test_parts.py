"""The parts of `animal`, on the average face turned by known angles: cards, muzzle, light, drawings."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from inference_service.filters.animal.art.album import album
from inference_service.filters.animal.art.brush import DRAWN, SIZES, Sheet, blurred, ellipse, floats
from inference_service.filters.animal.art.coats import COATS
from inference_service.filters.animal.art.ears import drawn_ear
from inference_service.filters.animal.art.muzzles import WINDOW
from inference_service.filters.animal.cards import EARS, KINDS, MOUTH, NOSE, WHISKERS, Cards, Placed
from inference_service.filters.animal.light import Light, Lights, keep, lights_before, steady
from inference_service.filters.animal.muzzle import SIDE, Muzzle
from inference_service.filters.base import Item
from inference_service.filters.vision.networks.people import face_topology as face
from inference_service.filters.vision.people.head_pose import PoseFitter
from tests.inference_service.filters.vision.people.test_heads import mesh

CPU = torch.device("cpu")
FITTER, CARDS = PoseFitter(CPU), Cards(CPU)


def opened(points: Tensor, pixels: float) -> Tensor:
    """The same with a lower lip that many pixels farther down."""
    moved = points.clone()
    moved[:, (14, 17, 87, 317, 178, 402), 1] += pixels
    return moved


def placed(points: Tensor, kind: str = "cat", size: float = 1.0) -> Placed:
    kinds = torch.tensor([KINDS.index(kind)])
    return CARDS.place(FITTER.fit(points), points, kinds, torch.tensor([size]))


def at(cards: Placed, number: int, u: float = 0.5, v: float = 0.5) -> Tensor:
    homogeneous = cards.maps[0, number] @ torch.tensor([u, v, 1.0])
    return homogeneous[:2] / homogeneous[2]


@pytest.mark.parametrize("kind", KINDS)
def test_ears_are_above_the_eyes_on_either_side_and_the_nose_on_the_nose(kind: str) -> None:
    points = mesh()[0]
    cards = placed(points, kind)
    left, right = (at(cards, number) for number in EARS)
    eyes = points[0, list(face.RIGHT_EYE), 1].mean()
    assert right[0] < 175 < 225 < left[0]
    assert max(left[1], right[1]) < eyes - 20
    assert abs(left[0] + right[0] - 400) < 1
    assert torch.linalg.vector_norm(at(cards, NOSE) - points[0, face.NOSE_TIP, :2]) < 8


def test_cards_follow_a_head_that_turns_and_tilts() -> None:
    left, right = (at(placed(mesh(0.5)[0]), number) for number in EARS)
    still_left, still_right = (at(placed(mesh()[0]), number) for number in EARS)
    assert abs(left[0] - right[0]) < 0.95 * abs(still_left[0] - still_right[0])
    tilted = placed(mesh(tilt=0.6)[0])
    way = at(tilted, EARS[0]) - at(tilted, EARS[1])
    assert abs(torch.atan2(way[1], way[0]) - 0.6) < 0.05


def test_cards_hang_on_a_nose_that_is_longer_than_the_average() -> None:
    points = mesh()[0]
    longer = points.clone()
    longer[:, face.NOSE_TIP, 1] += 9
    way = at(placed(longer), NOSE) - at(placed(points), NOSE)
    assert way[1] > 7


def test_larger_ears_keep_their_roots() -> None:
    small, large = placed(mesh()[0], size=1.0), placed(mesh()[0], size=1.5)
    assert torch.allclose(at(small, 0, 0.5, 0.88), at(large, 0, 0.5, 0.88), atol=0.5)
    assert at(large, 0, 0.5, 0.1)[1] < at(small, 0, 0.5, 0.1)[1] - 20
    assert torch.allclose(at(small, NOSE), at(large, NOSE))


def test_the_ear_that_is_turned_away_goes_behind_the_head() -> None:
    straight = placed(mesh()[0], "dog").past_head[0]
    assert straight.mean() > 0.9
    for turn in (-1.2, 1.2):
        past = placed(mesh(turn)[0], "dog").past_head[0].mean((1, 2))
        assert past.max() > 0.9
        assert past.min() < past.max() - 0.2


@pytest.mark.parametrize(("kind", "wide"), [("dog", 18.0), ("rabbit", 8.0), ("cat", 8.0)])
def test_tongue_and_teeth_come_with_the_mouth(kind: str, wide: float) -> None:
    closed = mesh()[0].clone()
    closed[:, 14] = closed[:, 13]
    open_ = opened(closed, wide)
    assert placed(closed, kind).opacity[0, MOUTH] == 0
    cards = placed(open_, kind)
    assert cards.opacity[0, MOUTH] > 0.9
    top, bottom = at(cards, MOUTH, 0.5, 0.06), at(cards, MOUTH, 0.5, 1.0)
    upper, lower = (open_[0, point, :2] for point in face.LIP_MIDDLES)
    assert upper[1] - 3 < top[1] < lower[1]
    assert bottom[1] > top[1] + 6
    assert abs(top[0] - 200) < 2


def test_a_tongue_grows_with_the_opening() -> None:
    lengths = []
    for wide in (18.0, 28.0):
        cards = placed(opened(mesh()[0], wide), "dog")
        lengths.append((at(cards, MOUTH, 0.5, 1.0) - at(cards, MOUTH, 0.5, 0.0))[1])
    assert lengths[1] > lengths[0] + 4


def test_whoever_has_no_whiskers_shows_none() -> None:
    assert placed(mesh()[0], "bear").opacity[0, list(WHISKERS)].eq(0).all()
    assert placed(mesh()[0], "cat").opacity[0, list(WHISKERS)].gt(0.9).all()


def test_no_mesh_makes_finite_cards() -> None:
    cards = placed(torch.zeros(1, 468, 3))
    assert all(part.isfinite().all() for part in (cards.maps, cards.opacity, cards.past_head, cards.across))


MUZZLE = Muzzle(CPU)


def shown_at(points: Tensor, place: Tensor) -> tuple[Tensor, float]:
    """Which place of the drawing a pixel shows, in centimetres of the model, and how much of it."""
    maps = MUZZLE.maps(points)
    left, top, side = maps.where[0]
    column, row = (((place - torch.stack((left, top))) / side * SIDE).long()).tolist()
    if not (0 <= column < SIDE and 0 <= row < SIDE):
        return torch.zeros(2), 0.0
    u, v = maps.places[0, :, row, column]
    return torch.stack((WINDOW[0] + WINDOW[2] * u, WINDOW[1] - WINDOW[2] * v)), float(
        maps.share[0, 0, row, column]
    )


@pytest.mark.parametrize("turn", [0.0, 0.4])
@pytest.mark.parametrize("point", [195, 5, 205, 425, 164, 36, 266])
def test_the_muzzle_lies_on_the_mesh(turn: float, point: int) -> None:
    points = mesh(turn)[0]
    found, share = shown_at(points, points[0, point, :2])
    assert share == 1
    assert torch.linalg.vector_norm(found - face.face_model().points[point, :2]) < 0.35


def test_an_open_mouth_and_the_lower_lip_are_free_of_fur() -> None:
    points = opened(mesh()[0], 25.0)
    upper, lower = (points[0, point, :2] for point in face.LIP_MIDDLES)
    assert shown_at(points, torch.lerp(upper, lower, 0.6))[1] == 0
    assert shown_at(points, upper - torch.tensor([0.0, 5.0]))[1] == 1


def lit_face(lean: tuple[float, float], level: float) -> tuple[Tensor, Tensor]:
    """The average face on a picture that gets brighter to the right and downwards, per 100 pixels."""
    rows, columns = torch.arange(300.0)[:, None] - 150, torch.arange(400.0) - 200
    picture = (level + (lean[0] * columns + lean[1] * rows) / 100).clamp(0, 1) * 255
    return picture.to(torch.uint8).expand(1, 3, -1, -1), mesh()[0]


def light_of(lean: tuple[float, float], level: float) -> Light:
    picture, points = lit_face(lean, level)
    return Lights(CPU).find(picture, torch.zeros(1, dtype=torch.int64), points, FITTER.fit(points))


def test_light_from_aside_leans_the_way_it_comes() -> None:
    assert light_of((0.25, 0.0), 0.5).lean[0, 0] > 0.08
    assert light_of((-0.25, 0.0), 0.5).lean[0, 0] < -0.08
    assert light_of((0.0, 0.25), 0.5).lean[0, 1] > 0.05
    assert light_of((0.0, 0.0), 0.5).lean.abs().max() < 0.02


def test_a_darker_face_has_a_darker_animal() -> None:
    levels = [light_of((0.0, 0.0), level).level[0].mean() for level in (0.05, 0.2, 0.5)]
    assert levels[0] < 0.5 * levels[1] < 0.25 * levels[2] * 1.05


def test_light_is_steadied_and_a_new_face_has_its_own_at_once() -> None:
    item = Item(b"", 0, None)
    one, other = (Light(torch.full((2, 3), level), torch.zeros(2, 3)) for level in (0.4, 0.8))

    def levels(found: Light, *is_seen: bool, is_sane: bool = True) -> list[float]:
        before = lights_before([item], 2, CPU)[0]
        kept = steady(found, before, torch.tensor(is_seen), torch.tensor([is_sane, is_sane]))
        keep(kept[None], [item])
        return kept[:, :3].mean(1).tolist()

    assert levels(one, True, False) == pytest.approx([0.4, 0.0])
    assert levels(other, True, True) == pytest.approx([0.46, 0.8])
    assert levels(other, False, True, is_sane=False) == pytest.approx([0.46, 0.8])
    assert levels(other, False, True) == pytest.approx([0.0, 0.8])
    assert levels(other, True, True) == pytest.approx([0.8, 0.8])


def test_a_drawing_is_the_same_every_time_and_ears_grow_out_of_hair() -> None:
    one, again = (drawn_ear(COATS["mouse"].ear, 1) for _ in range(2))
    assert all(np.array_equal(*pair) for pair in zip(one.paint, again.paint, strict=True))
    assert [paint.shape for paint in one.paint] == [(size, size, 4) for size in SIZES]
    alpha = one.paint[0][..., 3]
    assert alpha.max() == 1
    assert alpha.min() == 0
    assert alpha[-4:].max() < 0.1
    assert 0.2 < alpha[int(0.9 * len(alpha))].max() < 1


def test_a_tongue_is_red_and_teeth_are_white() -> None:
    middle = SIZES[1] // 2
    red, green, blue = album("dog").mouth.paint[1][middle, middle, :3]
    assert red > 1.5 * max(green, blue)
    tooth = album("rabbit").mouth.paint[1][middle, int(0.4 * SIZES[1])]
    assert tooth[:3].min() > 180
    assert tooth[3] == 1


def test_spots_are_painted_and_blurred_in_their_own_part_of_the_sheet_as_on_all_of_it() -> None:
    spots = np.maximum(ellipse(0.3, 0.02, 0.02, 0.05), ellipse(0.4, 0.2, 0.01, 0.01))
    expected = cv2.GaussianBlur(spots, (0, 0), 0.02 * DRAWN)
    assert expected.max() > 0.1
    assert np.abs(blurred(spots, 0.02) - expected).max() < 1e-6
    none = np.zeros_like(spots)
    assert not blurred(none, 0.02).any()
    sheet = Sheet(0)
    sheet.fill(floats(np.ones_like(spots)), (200, 100, 0))
    sheet.fill(spots, (0, 100, 200), (0, 0, 0))
    sheet.fill(none, (255, 255, 255))
    paint = sheet.done(none).paint[0]
    assert paint[..., 3].min() == 1
    assert paint[-40:, :, 0].min() == paint[-40:, :, 0].max() == 200
    # As light as the lower colour makes it at this height.
    at = round(0.2 * SIZES[0]), round(0.4 * SIZES[0])
    assert abs(paint[at][2] - 160) < 3
