"""Following people: what is looked for when, and what a lost, new or broken one leaves behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from harness import counting
from inference_service.filters.base import Item
from inference_service.filters.vision.networks.people.body_points import POINTS as NETWORK_POINTS
from inference_service.filters.vision.networks.people.body_points import Bodies as Found
from inference_service.filters.vision.networks.people.body_topology import NAMES
from inference_service.filters.vision.networks.people.detections import Detections
from inference_service.filters.vision.people import bodies, groups
from inference_service.filters.vision.people.bodies import LOOK_EVERY, LOOK_EVERY_ALONE, Bodies, Seen

CPU = torch.device("cpu")
PICTURE = torch.zeros(1, 3, 120, 160, dtype=torch.uint8)


class Scene:
    """What the networks would see: people by their middle, and how sure the points' network is."""

    def __init__(self) -> None:
        self.people: list[tuple[float, float]] = []
        self.score = 1.0
        self.visibility = torch.ones(NETWORK_POINTS)
        self.is_broken = False
        self.looks = 0
        self.tiles = 0
        self.asked = 0

    def find(self, pictures: Tensor, threshold: Tensor) -> Detections:
        is_whole = pictures.shape == PICTURE.shape
        self.looks += len(pictures) if is_whole else 0
        self.tiles += 0 if is_whole else len(pictures)
        count = bodies.MOST_PEOPLE
        points = torch.zeros(len(pictures), count, 4, 2)
        scores = torch.zeros(len(pictures), count)
        for number, (x, y) in enumerate(self.people if is_whole else []):
            points[:, number, 0] = torch.tensor([x, y])
            points[:, number, 1] = torch.tensor([x, y - 20])
            points[:, number, 2] = torch.tensor([x, y])
            scores[:, number] = 0.7
        scores *= scores >= threshold
        return Detections(scores, torch.zeros(len(pictures), count, 4), points)

    def points(self, pictures: Tensor, where: Tensor, owners: Tensor) -> Found:
        self.asked += len(where)
        points = where[:, None, :3].expand(-1, NETWORK_POINTS, 3).clone()
        points[:, 34, 1] -= 20
        if self.is_broken:
            points[:] = torch.nan
        count = len(where)
        visibility = self.visibility.expand(count, -1).clone()
        return Found(points, visibility, visibility, torch.full((count,), self.score))


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture(params=["cpu", "as on a GPU"])
def follower(request: pytest.FixtureRequest, scene: Scene) -> Bodies:
    one = Bodies(CPU, torch.float32)
    one._find = scene.find  # type: ignore[assignment]
    one._points = scene.points  # type: ignore[assignment]
    one._is_cpu = request.param == "cpu"
    return one


def session() -> Callable[[Bodies, int], Seen]:
    state: dict[str, object] = {}

    def see(follower: Bodies, sequence: int) -> Seen:
        items = [Item(bytes(16), sequence, None, state)]
        return follower.see(PICTURE, items, torch.tensor([0.5]), torch.tensor([1.0]))

    return see


def is_there(seen: Seen) -> list[bool]:
    return (seen.scores[0] > 0).tolist()


def test_who_is_there_is_found_in_the_first_frame_and_followed(follower: Bodies, scene: Scene) -> None:
    scene.people = [(40.0, 60.0), (120.0, 60.0)]
    see = session()
    for sequence in range(4):
        seen = see(follower, sequence)
        assert is_there(seen) == [True, True, False, False]
        assert torch.allclose(seen.points[0, :2, 0], torch.tensor(scene.people))


def test_who_comes_is_found_soon_and_who_leaves_is_gone_at_once(follower: Bodies, scene: Scene) -> None:
    see = session()
    assert not any(is_there(see(follower, 0)))
    scene.people = [(40.0, 60.0)]
    seen = [see(follower, 1 + frame) for frame in range(LOOK_EVERY_ALONE)]
    assert is_there(seen[-1])[0]
    scene.people.append((120.0, 60.0))
    seen = [see(follower, 10 + frame) for frame in range(LOOK_EVERY)]
    assert is_there(seen[-1]) == [True, True, False, False]
    scene.people, scene.score = [], 0.2
    assert not any(is_there(see(follower, 40)))


def test_on_a_cpu_the_finder_runs_now_and_then(scene: Scene) -> None:
    one = Bodies(CPU, torch.float32)
    one._find, one._points = scene.find, scene.points  # type: ignore[assignment]
    scene.people = [(40.0, 60.0)]
    see = session()
    for sequence in range(2 * LOOK_EVERY):
        see(one, sequence)
    assert scene.looks == 2
    assert scene.tiles == 2 * groups.TILES
    assert scene.asked == 2 * LOOK_EVERY
    scene.people = []
    scene.score = 0.0
    see(one, 100)
    before = scene.looks
    for sequence in range(101, 101 + 2 * LOOK_EVERY_ALONE):
        see(one, sequence)
    assert scene.looks == before + 2


def test_a_person_who_is_lost_is_looked_for_in_that_frame(follower: Bodies, scene: Scene) -> None:
    scene.people = [(40.0, 60.0)]
    see = session()
    see(follower, 0)
    scene.score = 0.2
    looks = scene.looks
    see(follower, 1)
    assert scene.looks == looks + 1


def test_after_half_a_second_without_frames_nothing_of_the_past_is_used(
    follower: Bodies, scene: Scene
) -> None:
    scene.people = [(40.0, 60.0)]
    see = session()
    see(follower, 0)
    scene.people = [(44.0, 60.0)]
    seen = see(follower, 40)
    assert torch.allclose(seen.points[0, 0, 0], torch.tensor([44.0, 60.0]))


def test_numbers_that_are_not_finite_spoil_one_frame(follower: Bodies, scene: Scene) -> None:
    scene.people = [(40.0, 60.0)]
    see = session()
    see(follower, 0)
    scene.is_broken = True
    assert not see(follower, 1).poison.isfinite().any()
    scene.is_broken = False
    for sequence in (2, 3):
        seen = see(follower, sequence)
        assert seen.poison.isfinite().all()
        assert is_there(seen)[0]
        assert seen.points[0, 0].isfinite().all()


def test_a_hand_is_no_more_visible_than_its_arm(follower: Bodies, scene: Scene) -> None:
    scene.people = [(40.0, 60.0)]
    scene.visibility[NAMES.index("left elbow")] = 0.3
    by_name = dict(zip(NAMES, session()(follower, 0).visibility[0, 0].tolist(), strict=True))
    for name in ("left elbow", "left wrist", "left thumb", "left pinky"):
        assert by_name[name] == pytest.approx(0.3)
    assert by_name["left shoulder"] == by_name["right thumb"] == by_name["left heel"] == 1.0


def test_as_on_a_gpu_nothing_is_waited_for(scene: Scene) -> None:
    one = Bodies(CPU, torch.float32)
    one._find, one._points, one._is_cpu = scene.find, scene.points, False  # type: ignore[assignment]
    scene.people = [(40.0, 60.0)]
    see = session()
    see(one, 0)
    assert not counting.count(lambda: see(one, 1)).waits
