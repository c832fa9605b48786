"""Heads' poses from meshes whose turn is known."""

from __future__ import annotations

import math

import pytest
import torch

from inference_service.filters.vision.networks.people.face_topology import NOSE_TIP, face_model
from inference_service.filters.vision.people.head_pose import PoseFitter, by_squaring
from tests.inference_service.filters.vision.people.test_heads import mesh

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def fitter() -> PoseFitter:
    return PoseFitter(CPU)


@pytest.mark.parametrize("turn", [-1.0, 0.0, 0.6])
@pytest.mark.parametrize("nod", [-0.4, 0.0, 0.5])
@pytest.mark.parametrize("tilt", [-2.5, 0.0, 0.8])
def test_the_turn_of_a_mesh_is_found(fitter: PoseFitter, turn: float, nod: float, tilt: float) -> None:
    points = mesh(turn, nod, tilt)[0]
    pose = fitter.fit(points)
    assert abs(pose.scale.item() - 10) < 0.01
    placed = face_model().points @ pose.rotation[0].T * pose.scale
    assert torch.allclose(placed[:, :2] + pose.offset, points[0, :, :2], atol=0.05)
    assert torch.allclose(placed[:, 2], points[0, :, 2], atol=0.05)


def test_a_gpu_finds_the_same_turn_by_squaring() -> None:
    torch.manual_seed(2)
    matrix = torch.randn(20, 4, 4)
    matrix = matrix + matrix.transpose(1, 2)
    matrix = matrix / torch.linalg.vector_norm(matrix, dim=(1, 2), keepdim=True)
    found = torch.nn.functional.normalize(by_squaring(matrix), dim=1)
    values, vectors = torch.linalg.eigh(matrix)
    is_clear = values[:, 3] - values[:, 2] > 0.02
    assert is_clear.sum() > 10
    assert ((found * vectors[..., -1]).sum(1).abs()[is_clear] > 0.9999).all()


def test_the_mouth_and_small_errors_hardly_turn_the_head(fitter: PoseFitter) -> None:
    torch.manual_seed(1)
    still = mesh(0.3)[0]
    moved = still.clone()
    moved[:, (13, 14, 17, 152, 61, 291)] += torch.tensor([0.0, 15.0, 0.0])
    moved = moved + torch.randn_like(moved)
    cosine = ((fitter.fit(still).rotation * fitter.fit(moved).rotation).sum() - 1) / 2
    assert math.acos(min(1.0, cosine.item())) < math.radians(3)


def test_cards_lie_where_their_points_are(fitter: PoseFitter) -> None:
    pose = fitter.fit(mesh(0.5, 0.2, 0.3)[0])
    origin, across, down = (
        torch.tensor([[vector]]) for vector in ((3.0, 8.0, -2.0), (4.0, 1.0, -2.0), (0.0, -5.0, 1.0))
    )
    for u, v in ((0.0, 0.0), (1.0, 0.0), (0.3, 0.9)):
        homogeneous = pose.homographies(origin, across, down)[0, 0] @ torch.tensor([u, v, 1.0])
        expected = pose.project(origin + u * across + v * down)[0, 0]
        assert torch.allclose(homogeneous[:2] / homogeneous[2], expected, atol=1e-2)


def test_what_is_farther_away_is_smaller(fitter: PoseFitter) -> None:
    pose = fitter.fit(mesh()[0])
    near, far = (
        pose.project(torch.tensor([[[-3.0, 0.0, z], [3.0, 0.0, z]]]))[0, :, 0].diff().item()
        for z in (6.0, -6.0)
    )
    assert 0.7 < far / near < 0.9
    assert abs(pose.project(face_model().points[None])[0, NOSE_TIP, 0] - 200) < 1


def test_no_mesh_has_a_finite_pose(fitter: PoseFitter) -> None:
    pose = fitter.fit(torch.zeros(1, 468, 3))
    assert all(part.isfinite().all() for part in pose)
    assert pose.scale.item() == 0
