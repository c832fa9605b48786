"""`face` on heads given by hand: what is covered, for how long, and what a new state shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as nnf

from harness.network_inputs import photograph
from harness.photograph import read_astronaut, read_photo
from inference_service.filters.base import Item
from inference_service.filters.face import Face, row, rows_of, told, wishes_of
from inference_service.filters.vision.draw.covers import covered
from inference_service.filters.vision.people import hiding
from inference_service.filters.vision.people.covers import HOLD_FRAMES, IS_THERE, X
from inference_service.filters.vision.people.faces import Sight
from inference_service.filters.vision.people.heads import Heads
from inference_service.filters.vision.people.hiding import Hidden

CPU = torch.device("cpu")
SIZE = (120, 160)
PEOPLE = 3
FINE = torch.zeros(1)


def heads(*at: tuple[float, float, float]) -> tuple[Heads, Tensor]:
    """One picture's heads by middle and radius, and which of PEOPLE places are taken."""
    rows = torch.zeros(1, PEOPLE, 3)
    rows[0, : len(at)] = torch.tensor(at).reshape(-1, 3)
    axis = torch.tensor([1.0, 0.0]).expand(1, PEOPLE, 2)
    mimic = torch.zeros(1, PEOPLE, 3)
    return Heads(rows[..., :2], rows[..., 2], axis, mimic), torch.arange(PEOPLE)[None] < len(at)


def see(found: Heads, is_real: Tensor, items: Sequence[Item], persons: Tensor | None = None) -> Hidden:
    """What is hidden where the networks have found these heads, and persons (N, 1, h, w) if looked for."""
    n = len(items)
    looked = list(range(n)) if persons is not None else []
    persons = torch.zeros(0, 1, 1, 1) if persons is None else persons
    never = torch.zeros(n, dtype=torch.bool)
    sight = Sight(found, is_real, looked, persons, never[: len(looked)], never, torch.zeros(n))
    return hiding.hide(sight, items, hiding.covers_of(items, CPU), SIZE)


def noise() -> Tensor:
    """A picture in which nothing that is covered looks as it did."""
    return torch.randint(0, 256, (1, 3, *SIZE), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def shown(item: Item, *at: tuple[float, float, float], picture: Tensor | None = None) -> Tensor:
    """One frame of a session in which heads were found there: (H, W) bool, what is still the camera's."""
    picture = noise() if picture is None else picture
    seen = see(*heads(*at), [item])
    wishes = wishes_of([item], torch.from_numpy(row(item.params, SIZE[0]))[None], SIZE[0])
    after = covered(picture, seen.covers, seen.areas, seen.is_all, wishes, FINE)
    return (after[0].int() - picture[0].int()).abs().amax(0) < 1


def session(**params: object) -> Item:
    return Item(bytes(16), 100, Face.Params.model_validate(params))


def at(item: Item, sequence: int) -> Item:
    return Item(item.session, sequence, item.params, item.state)


@pytest.mark.parametrize("mode", ["mosaic", "blur", "mask"])
def test_a_face_is_covered_and_the_rest_is_not(mode: str) -> None:
    is_raw = shown(session(mode=mode), (80.0, 60.0, 20.0))
    assert is_raw[45:76, 67:94].float().mean() < 0.02
    assert is_raw[:20].all()
    assert is_raw[:, :20].all()
    assert is_raw.float().mean() > 0.6


def test_a_larger_size_covers_more() -> None:
    small, large = (shown(session(size=size), (80.0, 60.0, 20.0)).sum() for size in (1.0, 2.0))
    assert large < small - 1000


def test_where_no_face_was_found_yet_nothing_is_shown_for_half_a_second() -> None:
    item = session()
    for sequence in (100, 101, 100 + HOLD_FRAMES - 1):
        assert shown(at(item, sequence)).float().mean() < 0.02
    assert shown(at(item, 100 + HOLD_FRAMES)).all()


def test_once_a_face_was_found_the_rest_is_shown_at_once() -> None:
    item = session()
    assert not shown(item).any()
    assert shown(at(item, 101), (80.0, 60.0, 20.0)).float().mean() > 0.6
    assert shown(at(item, 102)).float().mean() > 0.6


def test_a_cover_is_held_for_half_a_second_and_no_longer() -> None:
    item = session()
    shown(item, (80.0, 60.0, 20.0))
    for sequence in (101, 107, 100 + HOLD_FRAMES):
        assert shown(at(item, sequence))[50:70, 70:90].float().mean() < 0.02
    assert shown(at(item, 101 + HOLD_FRAMES)).all()


def test_frames_that_are_missing_count_too() -> None:
    item = session()
    shown(item, (80.0, 60.0, 20.0))
    assert shown(at(item, 101 + HOLD_FRAMES)).all()


def test_a_held_cover_goes_on_as_the_head_moved() -> None:
    item = session()
    for frame in range(5):
        shown(at(item, 100 + frame), (40.0 + 6 * frame, 60.0, 16.0))
    shown(at(item, 110))
    covers = item.state["covers"]
    (held,) = covers[covers[:, IS_THERE] > 0]
    assert 64 + 6 * 4 < held[X] < 64 + 6 * 6 + 1


def test_a_head_that_is_found_again_has_one_cover() -> None:
    item = session()
    shown(item, (80.0, 60.0, 20.0))
    shown(at(item, 103))
    shown(at(item, 104), (84.0, 62.0, 20.0))
    assert item.state["covers"][:, IS_THERE].sum() == 1


def test_of_two_heads_the_one_that_is_lost_is_held() -> None:
    item = session()
    shown(item, (40.0, 60.0, 15.0), (120.0, 60.0, 15.0))
    is_raw = shown(at(item, 101), (41.0, 60.0, 15.0))
    assert is_raw[55:65, 115:125].float().mean() < 0.02
    assert is_raw[55:65, 36:46].float().mean() < 0.02
    assert is_raw[:, 76:84].all()


def test_a_cover_shrinks_slowly_and_grows_at_once() -> None:
    item = session()
    sizes = [
        int((~shown(at(item, 100 + frame), (80.0, 60.0, radius))).sum())
        for frame, radius in enumerate((20.0, 10.0, 30.0))
    ]
    alone = int((~shown(session(), (80.0, 60.0, 10.0))).sum())
    assert alone < 0.7 * sizes[1] < sizes[0] < sizes[2]
    assert abs(sizes[2] - int((~shown(session(), (80.0, 60.0, 30.0))).sum())) < 20


def test_more_heads_than_can_be_held_hide_everything() -> None:
    item = session()
    places = [(10.0 + 20 * column, 10.0 + 20 * line, 4.0) for line in range(6) for column in range(7)]
    rounds = [places[start : start + PEOPLE] for start in range(0, hiding.COVERS + 1, PEOPLE)]
    for number, some in enumerate(rounds):
        is_raw = shown(at(item, 100 + number), *some)
        assert (is_raw.float().mean() < 0.02) == (PEOPLE * (number + 1) > hiding.COVERS)


def test_a_person_without_a_face_is_covered_and_one_with_a_face_is_not() -> None:
    person = torch.zeros(1, 1, *SIZE)
    person[:, :, 30:110, 60:100] = 1.0
    item = session()
    item.state["has_found"] = torch.ones((), dtype=torch.bool)
    alone = see(*heads(), [item], person)
    assert alone.areas[0, 0, 16:40, 24:40].all()
    assert not alone.areas[0, 0, :12].any()
    assert not see(*heads((80.0, 45.0, 15.0)), [session()], person).areas.any()


def test_beside_a_face_that_is_found_another_person_is_still_covered() -> None:
    persons = torch.zeros(1, 1, *SIZE)
    persons[:, :, 30:110, 20:60] = 1.0
    persons[:, :, 30:110, 110:150] = 1.0
    hidden = see(*heads((40.0, 42.0, 12.0)), [session()], persons)
    assert hidden.areas[0, 0, 18:36, 46:58].all()
    assert not hidden.areas[0, 0, :, :20].any()


def test_an_uncertain_mask_hides_everything() -> None:
    item = session()
    shown(item, (80.0, 60.0, 20.0))
    assert see(*heads((80.0, 60.0, 20.0)), [at(item, 101)], torch.full((1, 1, *SIZE), 0.25)).is_all


def test_a_tilted_head_is_covered_along_its_tilt() -> None:
    item = session(size=1.5)
    found, is_real = heads((80.0, 60.0, 25.0))
    axis = torch.tensor([0.6, 0.8]).expand(1, PEOPLE, 2)
    seen = see(found._replace(axis=axis), is_real, [item])
    wishes = wishes_of([item], torch.from_numpy(row(item.params, SIZE[0]))[None], SIZE[0])
    after = covered(noise(), seen.covers, seen.areas, seen.is_all, wishes, FINE)
    is_raw = (after[0].int() - noise()[0].int()).abs().amax(0) < 1
    # 36 pixels from the middle: up and down the head within its ellipse, across it without.
    assert not is_raw[60 - 21, 80 + 28]
    assert not is_raw[60 + 21, 80 - 28]
    assert is_raw[60 - 28, 80 - 21]
    assert is_raw[60 + 28, 80 + 21]


def test_sessions_in_one_batch_have_what_each_has_alone() -> None:
    wishes: list[dict[str, Any]] = [
        {"mode": "mask"},
        {"mode": "blur", "mosaic": 6.0},
        {"mode": "mask", "mask": "smile"},
        {},
    ]
    items = [session(**wish) for wish in wishes]
    found, is_real = heads((80.0, 60.0, 20.0))
    many = Heads(*(one.expand(4, *one.shape[1:]) for one in found))
    seen = see(many, is_real.expand(4, -1), items)
    pictures = noise().expand(4, -1, -1, -1)
    rows = torch.stack([torch.from_numpy(row(item.params, SIZE[0])) for item in items])
    together = covered(pictures, seen.covers, seen.areas, seen.is_all, wishes_of(items, rows, SIZE[0]), FINE)
    for number, item in enumerate(items):
        own = see(found, is_real, [session(**wishes[number])])
        alone = covered(
            noise(),
            own.covers,
            own.areas,
            own.is_all,
            wishes_of([item], rows[number : number + 1], SIZE[0]),
            FINE,
        )
        assert torch.equal(together[number], alone[0])


def test_squares_on_a_large_face_are_few() -> None:
    picture = noise()
    item = session(mosaic=1.0, size=1.0)
    seen = see(*heads((80.0, 60.0, 55.0)), [item])
    wishes = wishes_of([item], torch.from_numpy(row(item.params, SIZE[0]))[None], SIZE[0])
    after = covered(picture, seen.covers, seen.areas, seen.is_all, wishes, FINE)
    assert len(after[0, 0, 60, 40:120].unique()) <= 9


def test_parameters_are_checked_and_small_enough_to_travel() -> None:
    for wrong in ({"mode": "none"}, {"size": 0.5}, {"mask_colour": "red"}, {"min_score": 0.0}, {"other": 1}):
        with pytest.raises(ValidationError):
            Face.Params.model_validate(wrong)
    schema = Face.Params.model_json_schema()
    assert len(json.dumps(schema)) < 32 * 1024
    assert all({"title", "description", "default"} <= set(one) for one in schema["properties"].values())
    assert Face.is_private
    assert Face.keeps_state
    assert np.array_equal(row(Face.Params(mask_colour="#ff8000"), 100)[2:5], [255, 128, 0])


@pytest.fixture(scope="module")
def face() -> Face:
    one = Face()
    one.load(CPU)
    return one


@pytest.mark.parametrize(
    ("size", "mode"),
    [
        ((2, 2), "mosaic"),
        ((16, 8), "blur"),
        ((34, 1280), "mask"),
        *(((480, 640), mode) for mode in ("mosaic", "blur", "mask")),
    ],
)
def test_black_and_tiny_pictures_pass_and_stay_covered(face: Face, size: tuple[int, int], mode: str) -> None:
    item = session(mode=mode)
    for sequence in (0, 1, 40):
        assert not face.apply(torch.zeros(1, 3, *size, dtype=torch.uint8), [at(item, sequence)]).any()


def test_an_empty_room_is_shown_after_half_a_second(face: Face) -> None:
    item, picture = session(), noise()
    face.apply(picture.clone(), [at(item, 0)])
    assert torch.equal(face.apply(picture.clone(), [at(item, HOLD_FRAMES)]), picture)


def test_forty_faces_are_all_hidden(face: Face) -> None:
    one = nnf.interpolate(photograph("astronaut")[:, :, :256, 96:352].float(), (120, 100)).to(torch.uint8)
    crowd = one.repeat(1, 1, 5, 8)
    item = session()
    for sequence in (0, 1, 20, 40):
        is_raw = (face.apply(crowd.clone(), [at(item, sequence)]).int() - crowd.int()).abs().amax(1) < 1
        for line in range(5):
            for column in range(8):
                top, left = 120 * line + 40, 100 * column + 36
                assert is_raw[0, top : top + 30, left : left + 30].float().mean() < 0.1


@pytest.mark.parametrize("has_gaps", [False, True])
def test_a_crowd_of_small_faces_is_hidden_though_each_is_doubtful(face: Face, has_gaps: bool) -> None:
    small = cv2.resize(read_photo(), (80, 80), interpolation=cv2.INTER_AREA)
    if has_gaps:
        part = cv2.resize(read_astronaut((640, 480))[20:300, 150:430], (64, 80), interpolation=cv2.INTER_AREA)
        small = cv2.copyMakeBorder(part, 0, 16, 0, 16, cv2.BORDER_CONSTANT, value=(128, 128, 128))
    tiles = np.tile(small, (480 // len(small), 8, 1))
    crowd = torch.from_numpy(tiles).permute(2, 0, 1)[None].contiguous()
    item = session()
    for sequence in (0, 40):
        is_raw = (face.apply(crowd.clone(), [at(item, sequence)]) == crowd).all(1)
        assert is_raw.float().mean() < 0.05


def test_photographs_of_several_sessions_are_what_each_is_alone(face: Face) -> None:
    pictures = torch.cat([photograph(name)[:, :, :480, :512] for name in ("astronaut", "hopper")])
    wishes = ({"mode": "blur"}, {"mode": "mask", "min_score": 0.5})
    together = [session(**wish) for wish in wishes]
    alone = [session(**wish) for wish in wishes]
    for sequence in range(3):
        both = face.apply(pictures.clone(), [at(item, sequence) for item in together])
        for number, item in enumerate(alone):
            single = face.apply(pictures[number : number + 1].clone(), [at(item, sequence)])
            assert ((single[0].int() - both[number].int()).abs() > 3).float().mean() < 2e-3
        assert (both != pictures).flatten(1).float().mean(1).min() > 0.02


def test_boxes_of_the_covers_are_all_that_is_told() -> None:
    item = session()
    hidden = see(*heads((80.0, 60.0, 20.0)), [item])
    told_now = told(rows_of(hidden, SIZE)[0].numpy())
    (box,) = told_now.boxes
    height, width = SIZE
    middle = ((box.x + box.width / 2) * width, (box.y + box.height / 2) * height)
    assert middle == pytest.approx((80.0, 60.0), abs=1.0)
    assert box.height * height == pytest.approx(40.0, abs=2.0)
    assert (told_now.points, told_now.labels, told_now.numbers) == ((), [], {})


def labels(hidden: Hidden) -> list[str]:
    """What is said in a word of the first picture."""
    return [one.label for one in told(rows_of(hidden, SIZE)[0].numpy()).labels]


def test_it_is_said_that_no_face_is_found_and_whether_all_is_covered() -> None:
    item = session()
    assert labels(see(*heads(), [item])) == ["no_face", "all_covered"]
    assert labels(see(*heads(), [at(item, 100 + HOLD_FRAMES)])) == ["no_face"]
    assert labels(see(*heads((80.0, 60.0, 20.0)), [at(item, 120)])) == []


def test_it_is_said_that_a_person_may_be_anywhere() -> None:
    item = session()
    doubtful = torch.full((1, 1, 24, 32), 0.25)
    assert labels(see(*heads((80.0, 60.0, 20.0)), [item], doubtful)) == ["unsure", "all_covered"]
    # Until the next look, too.
    assert labels(see(*heads((80.0, 60.0, 20.0)), [at(item, 101)])) == ["unsure", "all_covered"]


def labels_of(face: Face, pictures: Sequence[Tensor]) -> list[list[str]]:
    """What is said of the frames of a session that wants it."""
    item, said = session(), []
    for sequence, picture in enumerate(pictures):
        now = at(item, sequence)
        now.wants_data = True
        told_now = face.apply(picture.clone(), [now]).data
        said.append([one.label for one in told_now.read(told_now.rows[0].numpy()).labels])
    return said


def test_why_all_of_a_picture_is_covered_is_said(face: Face) -> None:
    one = nnf.interpolate(photograph("astronaut")[:, :, :256, 96:352].float(), (120, 100)).to(torch.uint8)
    crowd = one.repeat(1, 1, 5, 8)
    for number, picture in enumerate((torch.zeros_like(crowd), torch.full_like(crowd, 128))):
        assert labels_of(face, [picture]) == [["too_flat", "all_covered"]], number
    # The second frame is not looked at again.
    assert labels_of(face, [crowd, crowd]) == [["too_many_faces", "all_covered"]] * 2
