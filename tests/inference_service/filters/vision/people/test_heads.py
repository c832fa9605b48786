"""Heads from meshes and from found faces: the whole face lies inside, also where it is turned."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inference_service.filters.vision.draw.masks import COVER
from inference_service.filters.vision.networks.people.face_topology import face_model
from inference_service.filters.vision.people import heads
from inference_service.filters.vision.people.heads import Heads


def mesh(turn: float = 0.0, nod: float = 0.0, tilt: float = 0.0) -> Tensor:
    """The average face at 10 pixels a centimetre, (1, 1, 468, 3), turned by radians, y down, z away."""
    x, y, z = (face_model().points * torch.tensor([10.0, -10.0, -10.0])).unbind(1)
    x, z = x * math.cos(turn) - z * math.sin(turn), x * math.sin(turn) + z * math.cos(turn)
    y, z = y * math.cos(nod) - z * math.sin(nod), y * math.sin(nod) + z * math.cos(nod)
    x, y = x * math.cos(tilt) - y * math.sin(tilt), x * math.sin(tilt) + y * math.cos(tilt)
    return torch.stack((x + 200, y + 150, z), -1)[None, None]


def away(found: Heads, points: Tensor) -> Tensor:
    """Distance of places (P, 2) from the first head's middle: 1 on the border of its cover."""
    to = points - found.centre[0, 0]
    x, y = found.axis[0, 0]
    u, v = to[:, 0] * x + to[:, 1] * y, to[:, 1] * x - to[:, 0] * y
    return torch.hypot(u / COVER[0], v / COVER[1]) / found.radius[0, 0]


@pytest.mark.parametrize("tilt", [-1.0, 0.0, 0.5])
@pytest.mark.parametrize("turn", [-0.7, 0.0, 0.7])
def test_the_whole_mesh_lies_under_its_cover(turn: float, tilt: float) -> None:
    points = mesh(turn, tilt=tilt)
    found = heads.of_meshes(points)
    assert away(found, points[0, 0, :, :2]).max() < 1.15
    assert found.radius[0, 0] < 170


def test_the_hair_line_is_nearer_to_the_middle_than_the_chin() -> None:
    points = mesh()
    found = heads.of_meshes(points)
    forehead, chin = away(found, points[0, 0, [10, 152], :2])
    assert forehead < 0.85
    assert forehead < chin < 1.02


@pytest.mark.parametrize("tilt", [-1.0, 0.4])
def test_the_axis_is_the_heads_tilt(tilt: float) -> None:
    axis = heads.of_meshes(mesh(tilt=tilt)).axis[0, 0]
    assert torch.allclose(axis, torch.tensor([math.cos(tilt), math.sin(tilt)]), atol=0.02)


def test_turn_and_nod_have_the_signs_of_where_the_nose_goes() -> None:
    middle = heads.of_meshes(mesh()).mimic[0, 0]
    right, down = (heads.of_meshes(one).mimic[0, 0] for one in (mesh(turn=0.5), mesh(nod=0.5)))
    nose = mesh(turn=0.5)[0, 0, 4, 0] - mesh()[0, 0, 4, 0]
    assert right[0] * nose > 0
    assert abs(right[0]) == pytest.approx(math.sin(0.5), abs=0.05)
    assert middle[0].abs() < 0.02
    nose = mesh(nod=0.5)[0, 0, 4, 1] - mesh()[0, 0, 4, 1]
    assert (down[1] - middle[1]) * nose > 0


def test_an_open_mouth_is_told_from_a_closed_one() -> None:
    points = mesh()
    gap = points[0, 0, 13, 1].clone()
    points[0, 0, 14, 1] = gap
    assert heads.of_meshes(points).mimic[0, 0, 2] == 0
    points[0, 0, 14, 1] = gap + 30
    assert heads.of_meshes(points).mimic[0, 0, 2] > 0.9


def test_a_found_face_is_covered_with_its_hair_line_along_its_tilt() -> None:
    angle = 0.6
    found = heads.of_found(torch.tensor([[[100.0, 80.0, 90.0, angle]]]))
    up = torch.tensor([math.sin(angle), -math.cos(angle)])
    middle = torch.tensor([100.0, 80.0])
    assert away(found, (middle + 45 * up)[None]).item() < 0.9
    assert away(found, (middle - 30 * up)[None]).item() < 1.0
