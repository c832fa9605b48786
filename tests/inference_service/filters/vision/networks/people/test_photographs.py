"""Finders, mesh, points and masks on real people."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor

from harness.network_inputs import FACES, NAMES, photograph
from inference_service.filters.vision.networks.people import face_topology, regions, tracking
from inference_service.filters.vision.networks.people.body_finder import BodyFinder
from inference_service.filters.vision.networks.people.body_points import BodyPoints, refined
from inference_service.filters.vision.networks.people.detections import Detections
from inference_service.filters.vision.networks.people.face_finder import FaceFinder, Range
from inference_service.filters.vision.networks.people.face_mesh import FaceMesh
from inference_service.filters.vision.networks.people.person_mask import Kind, PersonMask

CPU = torch.device("cpu")
META = torch.device("meta")
SIDE = 480
FIRST_IN_EVERY_RUN = [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
FIRST = torch.zeros(1, dtype=torch.int64)


@cache
def face_finder(ranges: tuple[Range, ...] = ("near", "far")) -> FaceFinder:
    return FaceFinder(CPU, ranges)


@cache
def face_mesh() -> FaceMesh:
    return FaceMesh(CPU)


@cache
def body_finder() -> BodyFinder:
    return BodyFinder(CPU)


@cache
def body_points() -> BodyPoints:
    return BodyPoints(CPU)


@cache
def person_mask(kind: Kind) -> PersonMask:
    return PersonMask(kind, CPU)


def turned(picture: Tensor, angle: float, side: float = 512, size: int = SIDE) -> tuple[Tensor, Tensor]:
    """Return the picture's middle turned anticlockwise, (1, 3, size, size), and where that was cut."""
    where = torch.tensor([[picture.shape[3] / 2, picture.shape[2] / 2, side, angle]])
    return regions.cut(picture, where, FIRST, size), where


def mesh_of(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Return the points (468, 3) and the score of the best face."""
    found = face_finder()(picture)
    where = regions.of_found_faces(found.boxes, found.points)[:, 0]
    meshes = face_mesh()(picture, where, FIRST)
    return meshes.points[0], meshes.scores[0]


@pytest.mark.parametrize("ranges", [("near",), ("far",), ("near", "far")])
@pytest.mark.parametrize("name", FIRST_IN_EVERY_RUN)
def test_the_face_and_no_other_is_found(name: str, ranges: tuple[Range, ...]) -> None:
    found = face_finder(ranges)(photograph(name))
    assert found.scores.shape == (1, 8)
    assert found.scores[0, 0] > 0.7
    assert not found.scores[0, 1:].any()
    left, top, right, bottom = FACES[name]
    points = found.points[0, 0]
    assert ((points > torch.tensor([left, top])) & (points < torch.tensor([right, bottom]))).all()
    right_eye, left_eye, nose, mouth, right_ear, left_ear = points.tolist()
    assert right_ear[0] < right_eye[0] < nose[0] < left_eye[0] < left_ear[0]
    assert right_eye[1] < nose[1] < mouth[1]


def test_both_finders_see_a_turned_face() -> None:
    for angle in (-0.6, 0.6):
        picture, _ = turned(photograph("hopper"), angle)
        assert face_finder()(picture).scores[0, 0] > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_mesh_lies_on_the_face(name: str) -> None:
    points, score = mesh_of(photograph(name))
    assert score > 0.9
    left, top, right, bottom = FACES[name]
    oval = points[list(face_topology.OVAL), :2]
    assert oval[:, 0].min() > left
    assert oval[:, 0].max() < right
    assert oval[:, 1].min() > top
    assert oval[:, 1].max() < bottom
    assert points[face_topology.CHIN, 1] > points[face_topology.LIP_MIDDLES[1], 1] > points[1, 1]
    # The tip of the nose is the nearest to the camera, and the oval's sides are behind it.
    assert points[face_topology.NOSE_TIP, 2] < points[[127, 356], 2].min()


@pytest.mark.parametrize(
    "angle", [-0.5, 1.0, *(pytest.param(angle, marks=pytest.mark.slow) for angle in (-1.0, 0.5))]
)
def test_mesh_turns_with_the_picture(angle: float) -> None:
    upright = photograph("hopper")
    expected, _ = mesh_of(upright)
    picture, where = turned(upright, angle)
    size = (expected[:, 0].max() - expected[:, 0].min()).item()
    # Where the mesh is looked for is known here: what is tested is that it comes back to the same place.
    seen_from = regions.of_meshes(expected[None])
    placed = regions.to_picture(
        face_mesh()(picture, _as_seen(seen_from, where, SIDE), FIRST).points / SIDE, where
    )
    error = (placed[0, :, :2] - expected[:, :2]).norm(dim=-1).mean().item()
    assert error < 0.02 * size


def _as_seen(region: Tensor, where: Tensor, size: int) -> Tensor:
    """Return a region of the upright picture as one of what was cut at `where`."""
    x, y, side, angle = region.unbind(-1)
    scale = size / where[:, 2]
    dx, dy = x - where[:, 0], y - where[:, 1]
    cos, sin = torch.cos(where[:, 3]), torch.sin(where[:, 3])
    column, row = dx * cos + dy * sin, -dx * sin + dy * cos
    return torch.stack(
        (column * scale + size / 2, row * scale + size / 2, side * scale, angle - where[:, 3]), -1
    )


@pytest.mark.parametrize("name", FIRST_IN_EVERY_RUN)
def test_tracked_mesh_stays_where_it_is(name: str) -> None:
    picture = photograph(name)
    points, _ = mesh_of(picture)
    place, is_tracked = tracking.start(1, 1, CPU)
    place, is_tracked = tracking.join(place, is_tracked, regions.of_meshes(points[None])[None], ~is_tracked)
    size = (points[:, 0].max() - points[:, 0].min()).item()
    for _ in range(4):
        meshes = face_mesh()(picture, place[0], FIRST)
        assert (meshes.points[0, :, :2] - points[:, :2]).norm(dim=-1).mean() < 0.02 * size
        place, is_tracked = tracking.keep(
            regions.of_meshes(meshes.points)[None], is_tracked, meshes.scores[None]
        )
        assert is_tracked.all()


def test_mesh_of_a_wall_has_a_low_score() -> None:
    wall = torch.full((1, 3, 240, 320), 128, dtype=torch.uint8)
    where = torch.tensor([[160.0, 120, 100, 0]])
    assert face_mesh()(wall, where, FIRST).scores[0] < 0.5


@pytest.mark.parametrize("name", FIRST_IN_EVERY_RUN)
def test_body_points_are_where_the_body_is(name: str) -> None:
    picture = photograph(name)
    found = body_finder()(picture)
    assert found.scores[0, 0] > 0.5
    assert not found.scores[0, 1:].any()
    bodies = body_points()(picture, regions.of_found_bodies(found.points)[:, 0], FIRST)
    assert bodies.scores[0] > 0.9
    assert bodies.points.shape == (1, 39, 3)
    left, top, right, bottom = FACES[name]
    nose, left_shoulder, right_shoulder = (bodies.points[0, number] for number in (0, 11, 12))
    assert left < nose[0] < right
    assert top < nose[1] < bottom
    assert right_shoulder[0] < nose[0] < left_shoulder[0]
    assert min(left_shoulder[1], right_shoulder[1]) > nose[1]
    # Both photographs end above the knees.
    assert bodies.visibility[0, :13].min() > 0.9
    assert bodies.visibility[0, 25:33].max() < 0.5


@pytest.mark.parametrize("kind", ["general", "wide"])
@pytest.mark.parametrize("name", NAMES)
def test_mask_holds_the_face_and_not_the_upper_corners(name: str, kind: Kind) -> None:
    network = person_mask(kind)
    picture = photograph(name)
    mask = network(picture)
    assert mask.shape == (1, 1, *network.size)
    assert mask.min() >= 0
    assert mask.max() <= 1
    large = torch.nn.functional.interpolate(mask.clone(), picture.shape[2:], mode="bilinear")[0, 0]
    left, top, right, bottom = FACES[name]
    # From the brows to the mouth; beside the chin there is background in the square.
    middle = large[top + 60 : bottom - 100, left + 70 : right - 70]
    assert middle.min() > 0.9
    assert large[:60, :60].max() < 0.2
    assert large[:60, -60:].max() < 0.2


def test_black_pictures_have_nobody() -> None:
    black = torch.zeros(2, 3, 120, 160, dtype=torch.uint8)
    assert not face_finder()(black).scores.any()
    assert not body_finder()(black).scores.any()
    assert person_mask("general")(black).mean() < 0.1


def _both() -> Tensor:
    return torch.cat([turned(photograph(name), 0.1)[0] for name in NAMES]).to(torch.uint8)


def faces_of(found: Detections) -> tuple[Tensor, Tensor]:
    return found.boxes, found.points


@pytest.mark.parametrize(
    "network",
    [
        lambda pictures: faces_of(face_finder()(pictures)),
        lambda pictures: (body_finder()(pictures).points,),
        lambda pictures: (255 * person_mask("general")(pictures),),
    ],
)
def test_a_batch_is_its_pictures_one_by_one(network: Callable[[Tensor], tuple[Tensor, ...]]) -> None:
    pictures = _both()
    before = pictures.clone()
    together = network(pictures)
    assert torch.equal(pictures, before)
    for number in range(len(pictures)):
        for value, alone in zip(together, network(pictures[number : number + 1]), strict=True):
            torch.testing.assert_close(value[number], alone[0], atol=0.05, rtol=0)


def test_regions_of_a_batch_are_those_of_its_pictures() -> None:
    pictures = _both()
    found = face_finder()(pictures)
    where = regions.of_found_faces(found.boxes, found.points)[:, 0]
    owners = torch.tensor([1, 0, 1])
    together = face_mesh()(pictures, where[owners], owners)
    for number, owner in enumerate(owners.tolist()):
        one = slice(owner, owner + 1)
        alone = face_mesh()(pictures[one], where[one], FIRST)
        torch.testing.assert_close(together.points[number], alone.points[0], atol=0.05, rtol=0)


def test_nothing_looks_at_a_value() -> None:
    """As in `test_networks.py`: what would wait for a GPU raises on the device `meta`."""
    pictures = torch.empty(2, 3, 48, 64, dtype=torch.uint8, device=META)
    owners = torch.arange(2, device=META)
    faces, bodies = FaceFinder(META)(pictures), BodyFinder(META)(pictures)
    face, body = regions.of_found_faces(faces.boxes, faces.points), regions.of_found_bodies(bodies.points)
    meshes = FaceMesh(META)(pictures, face[:, 0], owners)
    assert BodyPoints(META)(pictures, body[:, 0], owners).points.shape == (2, 39, 3)
    assert PersonMask("wide", META)(pictures).shape == (2, 1, 144, 256)
    place, is_tracked = tracking.start(2, 8, META)
    place, is_tracked = tracking.join(place, is_tracked, face, faces.scores > 0)
    following = regions.of_meshes(meshes.points)[:, None].expand(-1, 8, -1)
    assert tracking.keep(following, is_tracked, faces.scores)[0].shape == (2, 8, 4)


def test_heatmap_moves_a_point_to_its_weight() -> None:
    heatmap = torch.full((1, 3, 64, 64), -20.0)
    heatmap[0, :2, 33, 30] = 20
    heatmap[0, 1, 33, 32] = 20
    # The third one's cells are all improbable, so it stays.
    points = torch.tensor([[[31.5, 31.5], [31.5, 31.5], [31.5, 31.5]]]) / 64
    expected = torch.tensor([[[30.0, 33], [31, 33], [31.5, 31.5]]]) / 64
    torch.testing.assert_close(refined(points, heatmap), expected, atol=1e-4, rtol=0)


def test_heatmap_is_looked_at_near_the_point_and_inside_alone() -> None:
    heatmap = torch.full((1, 3, 64, 64), -20.0)
    heatmap[0, 0, 0, 4] = 20  # Four cells away.
    heatmap[0, 1, 0, 0] = 20  # In reach of a point in the corner.
    heatmap[0, 2, 0, 0] = 20  # The point is outside of the map.
    points = torch.tensor([[[0.5, 0.5], [1.5, 2.5], [-0.5, 0.5]]]) / 64
    expected = torch.tensor([[[0.5, 0.5], [0, 0], [-0.5, 0.5]]]) / 64
    torch.testing.assert_close(refined(points, heatmap), expected, atol=1e-4, rtol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_gpu_gives_what_the_cpu_gives_also_as_a_graph(dtype: torch.dtype) -> None:
    device = torch.device("cuda")
    network = PersonMask("general", device, dtype)
    expected = person_mask("general")(_both())
    pictures = _both().to(device)
    torch.testing.assert_close(network(pictures).cpu(), expected, atol=0.05, rtol=0)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        mask = network(pictures)
    pictures.copy_(pictures.flip(0))
    graph.replay()
    torch.testing.assert_close(mask.cpu(), expected.flip(0), atol=0.05, rtol=0)
