"""Faces of looks: who is searched for when, what fades, what is steadied, what a broken network leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from harness.network_inputs import photograph
from inference_service.filters.base import Item
from inference_service.filters.vision.networks.people.face_mesh import Meshes
from inference_service.filters.vision.people import following
from inference_service.filters.vision.people.following import MOST_FACES, Followed, Follower
from inference_service.filters.vision.people.settling import steadied


@pytest.fixture(scope="module")
def loaded() -> Follower:
    return Follower(torch.device("cpu"))


class Counting:
    """A follower whose finder's calls are counted, by number of pictures."""

    def __init__(self, follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
        self.searched: list[int] = []
        self._follower, find = follower, follower._find

        def counted(pictures: Tensor, threshold: float) -> Any:
            self.searched.append(len(pictures))
            return find(pictures, threshold)

        monkeypatch.setattr(follower, "_find", counted)

    def follow(self, batch: Tensor, items: Sequence[Item]) -> Followed:
        with torch.inference_mode():
            return self._follower.follow(batch, items)


@pytest.fixture
def follower(loaded: Follower, monkeypatch: pytest.MonkeyPatch) -> Counting:
    return Counting(loaded, monkeypatch)


def small(name: str = "astronaut") -> Tensor:
    return nnf.interpolate(photograph(name).float(), (240, 240), mode="area").to(torch.uint8)


BLACK = torch.zeros(1, 3, 240, 240, dtype=torch.uint8)


def test_a_finder_runs_once_for_a_face_that_stays(follower: Counting) -> None:
    state: dict[str, Any] = {}
    seen = [follower.follow(small(), [Item(b"", number, None, state)]) for number in range(6)]
    assert follower.searched == [1]
    assert all(one.presence[0].tolist() == [1, 0, 0, 0] for one in seen)
    assert seen[5].points[0, 0, :, 0].max() < 240


def test_a_lost_face_is_searched_for_at_once_and_fades(follower: Counting) -> None:
    state: dict[str, Any] = {}
    follower.follow(small(), [Item(b"", 0, None, state)])
    presence = [
        follower.follow(BLACK, [Item(b"", number, None, state)]).presence[0, 0].item()
        for number in range(1, 6)
    ]
    assert presence == [0.75, 0.5, 0.25, 0, 0]
    # Once when it was lost, and again three frames after that.
    assert follower.searched == [1, 1, 1]


def test_a_face_that_comes_back_fades_in(follower: Counting) -> None:
    state: dict[str, Any] = {}
    follower.follow(BLACK, [Item(b"", 0, None, state)])
    presence = [
        follower.follow(small(), [Item(b"", number, None, state)]).presence[0, 0].item()
        for number in range(1, 7)
    ]
    assert presence == pytest.approx([0, 0, 1 / 3, 2 / 3, 1, 1])


def test_of_forty_faces_four_are_followed(follower: Counting) -> None:
    one = nnf.interpolate(photograph("astronaut")[:, :, :256, 96:352].float(), (120, 100)).to(torch.uint8)
    seen = follower.follow(one.repeat(1, 1, 5, 8), [Item(b"", 0, None)])
    assert (seen.presence == 1).sum() == MOST_FACES
    assert len(set(seen.regions[0, :, :2].round().flatten(0).tolist())) >= MOST_FACES


def test_sessions_in_one_batch_see_what_each_sees_alone(follower: Counting) -> None:
    pictures = torch.cat((small(), BLACK, small("hopper")))
    together = follower.follow(pictures, [Item(b"", 0, None) for _ in pictures])
    for number, picture in enumerate(pictures):
        alone = follower.follow(picture[None], [Item(b"", 0, None)])
        assert (together.points[number] - alone.points[0]).abs().max() < 0.5
        assert torch.equal(together.presence[number], alone.presence[0])


def test_a_network_that_answers_nan_leaves_the_session_as_it_was(
    follower: Counting, loaded: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    state: dict[str, Any] = {}
    follower.follow(small(), [Item(b"", 0, None, state)])
    before = {name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()}

    def broken(_: Tensor, where: Tensor, __: Tensor) -> Meshes:
        return Meshes(torch.full((len(where), 468, 3), torch.nan), torch.ones(len(where)))

    with monkeypatch.context() as patched:
        patched.setattr(loaded, "_mesh", broken)
        seen = follower.follow(small(), [Item(b"", 1, None, state)])
    assert seen.poison.isnan().all()
    assert not seen.presence.any()
    assert seen.points.isfinite().all()
    assert state.keys() == before.keys()
    assert all(
        torch.equal(torch.as_tensor(value), torch.as_tensor(before[name])) for name, value in state.items()
    )
    again = follower.follow(small(), [Item(b"", 2, None, state)])
    assert again.presence[0, 0] == 1
    assert again.poison.isfinite().all()


def test_points_at_rest_are_steadied_and_a_face_that_moves_does_not_trail() -> None:
    torch.manual_seed(0)
    face = torch.rand(1, 1, 468, 3) * 200
    side, elapsed, known = torch.full((1, 1), 300.0), torch.ones(1), torch.ones(1, 1, dtype=torch.bool)
    points, steps = face, []
    for _ in range(20):
        after = steadied(face + torch.randn_like(face) * 0.5, points, known, side, elapsed)
        steps.append((after - points)[..., :2].std().item())
        points = after
    assert sum(steps[5:]) / 15 < 0.35 * 0.5 * 2**0.5
    moved = face + 12
    assert (steadied(moved, face, known, side, elapsed) - moved).abs().max() < 0.05
    assert torch.equal(steadied(moved, face, ~known, side, elapsed), moved)


def test_a_face_that_jumps_is_seen_where_it_is(follower: Counting) -> None:
    wide = nnf.pad(small().float(), (0, 120, 0, 0), mode="replicate").to(torch.uint8)
    state: dict[str, Any] = {}
    follower.follow(wide, [Item(b"", 0, None, state)])
    jumped = wide.roll(18, dims=3)
    seen = follower.follow(jumped, [Item(b"", 1, None, state)])
    fresh = follower.follow(jumped, [Item(b"", 0, None)])
    away = torch.linalg.vector_norm((seen.points - fresh.points)[0, 0, :, :2], dim=-1)
    assert away.mean() < 0.01 * fresh.regions[0, 0, 2]
    assert following.FAR * fresh.regions[0, 0, 2] < 18
