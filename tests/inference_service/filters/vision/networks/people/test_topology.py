from __future__ import annotations

import torch

from inference_service.filters.vision.networks.people import body_topology, face_topology
from inference_service.filters.vision.networks.people.face_mesh import POINTS

CONTOURS = (
    face_topology.OVAL,
    face_topology.LIPS_OUTER,
    face_topology.LIPS_INNER,
    face_topology.RIGHT_EYE,
    face_topology.LEFT_EYE,
    face_topology.RIGHT_BROW,
    face_topology.LEFT_BROW,
)


def test_triangles_are_a_closed_up_sheet() -> None:
    triangles = face_topology.face_model().triangles
    assert triangles.shape == (898, 3)
    assert triangles.unique().tolist() == list(range(POINTS))
    edges = torch.cat((triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]))
    # Each edge once in one direction: neighbours go round alike.
    assert len(edges.unique(dim=0)) == len(edges)


def test_triangles_are_counter_clockwise_from_outside() -> None:
    model = face_topology.face_model()
    a, b, c = model.points[model.triangles].unbind(1)
    normals = torch.linalg.cross(b - a, c - a)
    middle = model.points.mean(0) - torch.tensor([0, 0, 4.0])
    is_outward = (normals * ((a + b + c) / 3 - middle)).sum(1) > 0
    assert is_outward.float().mean() > 0.95


def test_the_models_axes_are_as_written() -> None:
    model = face_topology.face_model()
    outer_right, outer_left = face_topology.RIGHT_EYE_CORNERS[0], face_topology.LEFT_EYE_CORNERS[0]
    assert model.points[outer_left, 0] > 0 > model.points[outer_right, 0]
    assert model.points[face_topology.FOREHEAD, 1] > model.points[face_topology.CHIN, 1]
    assert model.points[face_topology.NOSE_TIP, 2] == model.points[:, 2].max()
    assert model.texture[face_topology.FOREHEAD, 1] < model.texture[face_topology.CHIN, 1]
    assert model.texture[outer_left, 0] > model.texture[outer_right, 0]
    assert model.texture.min() >= 0
    assert model.texture.max() <= 1
    assert (model.weights > 0).sum() == 33


def test_contours_name_points_once() -> None:
    for contour in CONTOURS:
        assert len(set(contour)) == len(contour)
        assert max(contour) < POINTS


def test_right_and_left_are_mirrored() -> None:
    points = face_topology.face_model().points
    mirrored = points * torch.tensor([-1.0, 1, 1])
    for right, left in (
        (face_topology.RIGHT_EYE, face_topology.LEFT_EYE),
        (face_topology.RIGHT_BROW, face_topology.LEFT_BROW),
        (face_topology.RIGHT_LIDS, face_topology.LEFT_LIDS),
        (face_topology.MOUTH_CORNERS[:1], face_topology.MOUTH_CORNERS[1:]),
        ((face_topology.RIGHT_CHEEK,), (face_topology.LEFT_CHEEK,)),
    ):
        assert torch.allclose(points[list(right)], mirrored[list(left)], atol=0.05)


def test_skeleton_connects_every_point_but_names_33() -> None:
    assert len(body_topology.NAMES) == 33
    assert {point for pair in body_topology.CONNECTIONS for point in pair} == set(range(33))
