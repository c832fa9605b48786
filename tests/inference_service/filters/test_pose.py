"""`pose` with the networks of the project on photographs: where skeletons lie, and what bad pictures do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from harness.network_inputs import FACES, photograph
from inference_service.filters.base import Filtered, Item, Later
from inference_service.filters.pose import Pose
from shared.wire.data import pack_data

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pose() -> Pose:
    one = Pose()
    one.load(CPU)
    return one


def session(**params: object) -> Item:
    return Item(bytes(16), 0, Pose.Params.model_validate(params))


def show(pose: Pose, item: Item, picture: Tensor) -> Tensor:
    shown: Tensor = pose.apply(picture.clone(memory_format=torch.preserve_format), [item])
    item.sequence += 1
    assert shown.shape == picture.shape
    assert shown.dtype is torch.uint8
    return shown


def framed(name: str) -> Tensor:
    return photograph(name)[:, :, :480].contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", list(FACES))
def test_a_skeleton_lies_on_the_person(pose: Pose, name: str) -> None:
    picture = framed(name)
    drawn = (show(pose, session(camera=0.0), picture)[0] > 0).any(0)
    left, top, right, bottom = FACES[name]
    assert drawn[top:bottom, left:right].float().mean() > 0.01
    assert not drawn[:20].any()
    assert not drawn[:, -15:].any()
    # Eyes, nose and mouth lie in the face, and the neck below it.
    columns = drawn[bottom : bottom + 60].any(0).nonzero()
    assert left < float(columns.float().mean()) < right


def test_over_the_camera_all_else_stays_as_it_is(pose: Pose) -> None:
    picture = framed("astronaut")
    on_black = (show(pose, session(camera=0.0), picture)[0] > 0).any(0)
    over = (show(pose, session(), picture)[0] != picture[0]).any(0)
    assert over[on_black].float().mean() > 0.9
    assert not over[~nnf.max_pool2d(on_black[None].float(), 5, 1, 2)[0].bool()].any()


@pytest.mark.parametrize("size", [(240, 320), (480, 640), (720, 1280)])
def test_lines_are_plain_at_every_size(pose: Pose, size: tuple[int, int]) -> None:
    picture = nnf.interpolate(framed("astronaut").float(), size, mode="bilinear", antialias=True)
    drawn = show(pose, session(camera=0.0), picture.round().to(torch.uint8))[0] > 0
    share = drawn.any(0).float().mean()
    assert 0.004 < share < 0.06


def test_size_may_change_in_the_middle_of_a_call(pose: Pose) -> None:
    item = session()
    for size in ((480, 512), (240, 256)):
        item.state = {}
        picture = nnf.interpolate(framed("astronaut").float(), size).to(torch.uint8)
        assert (show(pose, item, picture) != picture).any()


@pytest.mark.parametrize("size", [(2, 2), (16, 8), (480, 640), (34, 1280)])
@pytest.mark.parametrize("level", [0, 255])
def test_an_even_picture_passes_unchanged(pose: Pose, size: tuple[int, int], level: int) -> None:
    picture = torch.full((1, 3, *size), level, dtype=torch.uint8)
    item = session()
    for _ in range(2):
        assert torch.equal(show(pose, item, picture), picture)


def test_two_people_have_two_skeletons(pose: Pose) -> None:
    one = nnf.interpolate(photograph("astronaut").float(), (320, 320), mode="bilinear", antialias=True)
    drawn = show(pose, session(camera=0.0), one.round().to(torch.uint8).repeat(1, 1, 1, 2))[0].any(0)
    assert drawn[:, :320].any()
    assert drawn[:, 320:].any()


def test_forty_people_are_too_many_and_raise_nothing(pose: Pose) -> None:
    one = nnf.interpolate(photograph("astronaut").float(), (96, 80), mode="bilinear", antialias=True)
    crowd = one.round().to(torch.uint8).repeat(1, 1, 5, 8)
    item = session(min_score=0.05)
    for _ in range(2):
        show(pose, item, crowd)


def test_sessions_of_a_batch_have_what_each_has_alone(pose: Pose) -> None:
    pictures = torch.cat([framed(name) for name in FACES]).contiguous(memory_format=torch.channels_last)
    wishes: tuple[dict[str, Any], ...] = ({"line_width": 3.0}, {"camera": 0.2, "has_face": False})
    together, alone = ([session(**wish) for wish in wishes] for _ in range(2))
    for _ in range(3):
        both = pose.apply(pictures.clone(memory_format=torch.preserve_format), together)
        for number, item in enumerate(alone):
            single = show(pose, item, pictures[number : number + 1])
            together[number].sequence += 1
            assert ((single[0].int() - both[number].int()).abs() > 8).float().mean() < 2e-3


def test_as_on_a_gpu_the_same_is_seen() -> None:
    one = Pose()
    one.load(CPU)
    on_cpu = session()
    picture = framed("astronaut")
    show(one, on_cpu, picture)
    bodies = one._network._bodies  # type: ignore[union-attr]
    bodies._is_cpu = False
    item = session()
    rows = one._rows.stack([item.params])
    with torch.inference_mode():
        bodies.see(picture, [item], rows[:, 0], rows[:, 1])
    one_way, other_way = (state.state["bodies"] for state in (on_cpu, item))
    assert one_way.is_tracked.equal(other_way.is_tracked)
    assert (one_way.steady.points[0] - other_way.steady.points[0]).abs().max() < 0.5


def test_the_networks_of_the_project_need_no_download() -> None:
    one = Pose()
    assert one.needed_weights() == ()
    one.settings = Pose.Settings(network="keypoint_rcnn")
    assert one.needed_weights() == Pose.weights


@pytest.mark.parametrize("name", list(FACES))
def test_the_points_of_a_person_are_told_to_whoever_asks(pose: Pose, name: str) -> None:
    picture = framed(name)
    item = session()
    item.wants_data = True
    filtered = pose.apply(picture.clone(), [item])
    assert isinstance(filtered, Filtered)
    assert isinstance(filtered.data, Later)
    told = filtered.data.read(filtered.data.rows[0].numpy())
    assert told is not None
    (person,) = told.points
    assert len(person.points) == 33
    left, top, right, bottom = FACES[name]
    x, y, score = person.points[0]  # The nose.
    assert left < x * picture.shape[3] < right
    assert top < y * picture.shape[2] < bottom
    assert 0.5 < score <= 1
    pack_data({"pose": told})
