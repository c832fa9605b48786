"""`face` where something is wrong: another size in mid-call, black frames, networks that answer nonsense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from harness.network_inputs import photograph
from inference_service.engine.states import States
from inference_service.filters.base import Item
from inference_service.filters.face import Face
from inference_service.filters.vision.networks.people.face_mesh import Meshes
from inference_service.filters.vision.people.covers import IS_THERE

FEATURES = (187, 86, 265, 155)
"""Eyes to lips of the astronaut: left, top, right, bottom."""
MOST_SEEN = 0.03


@pytest.fixture(scope="module")
def face() -> Face:
    one = Face()
    one.load(torch.device("cpu"))
    return one


def picture(share: float = 1.0) -> Tensor:
    """The astronaut with noise in each channel, so that a raw pixel is told from one that is alike."""
    noise = torch.randint(-14, 15, (1, 3, 400, 400), generator=torch.Generator().manual_seed(1))
    return ((photograph("astronaut")[:, :, :400, :400] + noise).clamp(0, 255) * share).to(torch.uint8)


def half() -> Tensor:
    return nnf.interpolate(picture().float(), (200, 200), mode="area").to(torch.uint8)


def seen(before: Tensor, after: Tensor) -> float:
    """How much of eyes, nose and mouth is the camera's."""
    scale = before.shape[-1] / 400
    left, top, right, bottom = (round(side * scale) for side in FEATURES)
    is_raw = (before.int() - after.int()).abs().amax(1)[0, top:bottom, left:right] == 0
    return float(is_raw.float().mean())


def shown(face: Face, frame: Tensor, state: dict[str, Any], sequence: int) -> Tensor:
    made: Tensor = face.apply(frame.clone(), [Item(bytes(16), sequence, Face.Params(), state)])
    return made


def test_a_camera_that_changes_its_size_shows_no_face_in_any_frame(face: Face) -> None:
    states = States()
    frames = [picture()] * 3 + [half()] * 3 + [picture()] * 3
    for number, frame in enumerate(frames):
        size = frame.shape[-1], frame.shape[-2]
        state = states.get((bytes(16), 0, "face"), size, number)
        assert seen(frame, shown(face, frame, state, number)) < MOST_SEEN, number
        # A state that went on in spite of another size would be of the other picture's pixels.
        assert state["first"] == 3 * (number // 3)


def test_black_frames_in_mid_call_show_nothing_and_the_face_stays_covered(face: Face) -> None:
    state: dict[str, Any] = {}
    frames = [picture()] * 2 + [picture(0.0)] * 4 + [picture()] * 3
    for number, frame in enumerate(frames):
        after = shown(face, frame, state, number)
        if frame.any():
            assert seen(frame, after) < MOST_SEEN, number
        else:
            assert not after.any()


def test_forty_faces_that_come_in_mid_call_are_covered_in_that_frame(face: Face) -> None:
    one = nnf.interpolate(photograph("astronaut")[:, :, :256, 96:352].float(), (120, 100)).to(torch.uint8)
    crowd = one.repeat(1, 1, 5, 8)
    room = torch.full_like(crowd, 128)
    room[:, :, :, ::7] = 90
    state: dict[str, Any] = {}
    for number, frame in enumerate([room] * 18 + [crowd] * 2):
        after = shown(face, frame, state, number)
        if number == 17:
            assert torch.equal(after, room)
        if number >= 18:
            is_raw = (after.int() - frame.int()).abs().amax(1)[0] == 0
            faces = is_raw.unfold(0, 120, 120).unfold(1, 100, 100)[:, :, 40:70, 36:66]
            assert faces.float().mean((2, 3)).max() < 0.1


def nan_mesh(_: Tensor, where: Tensor, __: Tensor) -> Meshes:
    return Meshes(torch.full((len(where), 468, 3), torch.nan), torch.full((len(where),), torch.nan))


def one_bad_point(_: Tensor, where: Tensor, __: Tensor) -> Meshes:
    points = torch.rand(len(where), 468, 3) * 100
    points[:, 7, 1] = torch.inf
    return Meshes(points, torch.ones(len(where)))


@pytest.mark.parametrize("broken", [nan_mesh, one_bad_point])
def test_an_answer_that_is_not_finite_is_withheld_and_the_state_is_as_before(
    face: Face, monkeypatch: pytest.MonkeyPatch, broken: Callable[..., Meshes]
) -> None:
    state: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for number in range(2):
        shown(face, picture(), state, number)
        shown(face, picture(), other, number)
    with monkeypatch.context() as patched:
        patched.setattr(face._faces, "_mesh", broken)
        assert shown(face, picture(), state, 2).isnan().all()
        assert shown(face, picture(), state, 3).isnan().all()
    for value in state.values():
        if isinstance(value, Tensor):
            assert value.float().isfinite().all()
    assert torch.equal(state["covers"], other["covers"])
    after = shown(face, picture(), state, 4)
    assert seen(picture(), after) < MOST_SEEN
    assert (after != picture()).float().mean() < 0.5


def test_a_broken_answer_for_one_session_leaves_the_others_of_its_batch_alone(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert face._faces is not None
    mesh = face._faces._mesh

    def first_broken(pictures: Tensor, where: Tensor, owners: Tensor) -> Meshes:
        made = mesh(pictures, where, owners)
        is_first = (owners == 0)[:, None, None]
        return Meshes(torch.where(is_first, torch.nan, made.points), made.scores)

    items = [Item(bytes([number]) * 16, 0, Face.Params()) for number in range(2)]
    alone = shown(face, picture(), {}, 0)
    with monkeypatch.context() as patched:
        patched.setattr(face._faces, "_mesh", first_broken)
        both = face.apply(picture().repeat(2, 1, 1, 1), items)
    assert both[0].isnan().all()
    assert np.abs(both[1].numpy() - alone[0].numpy().astype(float)).max() <= 1
    assert "covers" not in items[0].state
    assert "covers" in items[1].state


def test_a_cover_of_a_failed_picture_withholds_the_next_one_that_was_begun(face: Face) -> None:
    state: dict[str, Any] = {}
    shown(face, picture(), state, 0)
    shown(face, picture(), state, 1)
    covers = state["covers"] = state["covers"].clone()
    covers[covers[:, IS_THERE] > 0, :2] = torch.nan
    assert shown(face, picture(), state, 2).isnan().all()


def test_an_area_that_is_no_number_is_hidden(face: Face) -> None:
    state: dict[str, Any] = {}
    shown(face, picture(), state, 0)
    raw = picture().float()
    before = (shown(face, picture(), state, 1).float() == raw).float().mean()
    state["areas"] = torch.full_like(state["areas"], torch.nan)
    after = (shown(face, picture(), state, 2).float() == raw).float().mean()
    assert before > 0.5
    assert after < 0.1
