from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import regions

NOBODY = torch.zeros(1, dtype=torch.int64)


def region(x: float, y: float, side: float, angle: float = 0.0) -> Tensor:
    return torch.tensor([[x, y, side, angle]])


def gradient(height: int = 40, width: int = 60) -> Tensor:
    """A picture whose red is x, green is y and blue is the picture's number, at pixel centres."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack((x, y, torch.zeros_like(x)))[None]


def test_face_region_is_turned_by_the_eyes() -> None:
    boxes = torch.tensor([[10.0, 20, 50, 40]])
    points = torch.zeros(1, 6, 2)
    points[0, :2] = torch.tensor([[20.0, 20], [30, 30]])
    found = regions.of_found_faces(boxes, points)
    # The box's middle, 1.5 times its longer side of 40, an eighth of a turn clockwise.
    torch.testing.assert_close(found, region(30, 30, 60, math.pi / 4))


def test_mesh_region_holds_all_points_and_half_as_much_again() -> None:
    points = torch.full((2, 468, 3), 50.0)
    points[:, 0, :2] = torch.tensor([10.0, 40])
    points[:, 1, :2] = torch.tensor([110.0, 60])
    points[:, 33, :2], points[:, 263, :2] = torch.tensor([40.0, 50]), torch.tensor([60.0, 50])
    points[1, 263, :2] = torch.tensor([40.0, 40])
    found = regions.of_meshes(points)
    torch.testing.assert_close(found[:1], region(60, 50, 150))
    torch.testing.assert_close(found[1:], region(60, 50, 150, -math.pi / 2))


@pytest.mark.parametrize(
    ("rim", "angle"),
    [((0, -10), 0), ((10, 0), math.pi / 2), ((-10, 0), -math.pi / 2), ((7, -7), math.pi / 4)],
)
def test_body_region_is_turned_by_the_way_up(rim: tuple[float, float], angle: float) -> None:
    points = torch.zeros(1, 4, 2) + 100
    points[0, 1] += torch.tensor(rim)
    found = regions.of_found_bodies(points)
    torch.testing.assert_close(found, region(100, 100, 2.5 * math.hypot(*rim), angle))


def test_tracked_body_region_is_made_of_its_own_two_points() -> None:
    points = torch.zeros(1, 39, 3)
    points[0, 33, :2], points[0, 34, :2] = torch.tensor([50.0, 60]), torch.tensor([50.0, 20])
    torch.testing.assert_close(regions.of_bodies(points), region(50, 60, 100))


def test_region_of_whole_pixels_is_these_pixels() -> None:
    picture = gradient()
    found = regions.cut(picture, region(20, 15, 10), NOBODY, 10)
    torch.testing.assert_close(found, picture[:, :, 10:20, 15:25], atol=1e-3, rtol=0)


@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2, math.pi / 2, 3.0])
def test_what_is_cut_is_where_its_points_go(angle: float) -> None:
    where = region(28, 21, 14, angle)
    size = 8
    cut = regions.cut(gradient(), where, NOBODY, size)
    steps = (torch.arange(size) + 0.5) / size
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    places = regions.to_picture(torch.stack((u, v), -1).reshape(1, -1, 2), where)
    torch.testing.assert_close(cut[:, :2].flatten(2).transpose(1, 2), places, atol=1e-3, rtol=0)


def test_quarter_turn_brings_the_right_side_up() -> None:
    # A region that is turned clockwise by a quarter has its upper edge at the right.
    corner = regions.to_picture(torch.tensor([[[0.5, 0.0]]]), region(50, 50, 20, math.pi / 2))
    torch.testing.assert_close(corner, torch.tensor([[[60.0, 50]]]), atol=1e-4, rtol=0)


def test_depth_becomes_pixels() -> None:
    found = regions.to_picture(torch.tensor([[[0.5, 0.5, -0.25]]]), region(50, 50, 20))
    assert found.tolist() == [[[50, 50, -5]]]


def test_outside_of_the_picture_its_border_goes_on() -> None:
    found = regions.cut(gradient(), region(0, 0, 20), NOBODY, 20)
    torch.testing.assert_close(found[0, :, 3, 3], torch.tensor([0.5, 0.5, 0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(found[0, :, 3, 15], torch.tensor([5.5, 0.5, 0]), atol=1e-3, rtol=0)


def test_each_region_is_of_its_own_picture() -> None:
    pictures = gradient().repeat(3, 1, 1, 1)
    pictures[:, 2] = torch.arange(3.0)[:, None, None]
    where = region(30, 20, 100).repeat(4, 1)
    owners = torch.tensor([2, 0, 1, 2])
    found = regions.cut(pictures, where, owners, 16)
    # Even where a region reaches out of its picture, nothing of a neighbour comes in.
    assert found[:, 2].amin((1, 2)).tolist() == owners.tolist()
    assert found[:, 2].amax((1, 2)).tolist() == owners.tolist()


def test_bytes_in_any_layout_are_cut_alike() -> None:
    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (2, 3, 40, 60), dtype=torch.uint8)
    where, owners = region(30, 20, 25, 0.3).repeat(2, 1), torch.tensor([1, 0])
    expected = regions.cut(pictures.float(), where, owners, 16)
    channels_last = pictures.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(regions.cut(pictures, where, owners, 16), expected)
    torch.testing.assert_close(regions.cut(channels_last, where, owners, 16), expected)


def test_region_of_nobody_is_finite() -> None:
    assert regions.cut(gradient(), region(0, 0, 0), NOBODY, 8).isfinite().all()


@pytest.mark.parametrize("x", [30.0, 3.0, 59.0, -200.0, 9000.0])
@pytest.mark.parametrize(("side", "angle"), [(25.0, 0.3), (90.0, -2.0), (0.0, 0.0)])
def test_a_gpu_would_cut_the_same(x: float, side: float, angle: float) -> None:
    """The tensor path, run on a CPU here, against OpenCV's."""
    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (2, 3, 40, 60), dtype=torch.uint8)
    where, owners = region(x, 20, side, angle).repeat(2, 1), torch.tensor([1, 0])
    found, other = (cut(pictures, where, owners, 16) for cut in (regions.cut, regions.cut_on_device))
    assert (found - other).abs().max() < 0.1


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
def test_a_broken_region_is_no_error(value: float) -> None:
    for column in range(4):
        where = region(30, 20, 25, 0.3)
        where[0, column] = value
        assert regions.cut(gradient(), where, NOBODY, 8).shape == (1, 3, 8, 8)
