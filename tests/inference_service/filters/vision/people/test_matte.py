"""Edges follow the picture, and what stands still stays as it was; but nothing for long."""

from __future__ import annotations

import math

import pytest
import torch

from inference_service.filters.vision.enlarge import enlarged
from inference_service.filters.vision.people.matte import (
    FORGOTTEN_S,
    FRAMES_PER_S,
    Lines,
    box_mean,
    guided,
    kept_share,
    luminance,
    steadied,
)

HALF_SECOND = int(FORGOTTEN_S * FRAMES_PER_S)


def two_halves(height: int, width: int, edge: float) -> torch.Tensor:
    """Return (1, 3, h, w) levels: a dark red left of `edge` (0..1), a light blue right of it."""
    is_left = (torch.arange(width) + 0.5) / width < edge
    colours = torch.where(
        is_left, torch.tensor([90, 20, 30])[:, None], torch.tensor([120, 170, 220])[:, None]
    )
    return colours[None, :, None].expand(1, 3, height, width).float().contiguous()


def test_edge_of_the_matte_moves_to_the_edge_of_the_picture() -> None:
    small, large = two_halves(48, 64, 0.5), two_halves(192, 256, 0.5)
    # A network's map of 12 x 16, whose edge enlarged is a slope over 16 pixels.
    rough = (torch.arange(16) < 8).float().expand(1, 1, 12, 16).contiguous()
    matte = guided(small, enlarged(rough, (48, 64))).at(large)[0, 0, 96]
    unguided = enlarged(rough, (192, 256))[0, 0, 96]
    assert unguided[126] - unguided[129] < 0.3
    assert matte[126] - matte[129] > 0.6
    assert matte[100] > 0.95
    assert matte[156] < 0.05


def test_matte_of_an_even_picture_is_the_map_smoothed() -> None:
    even = torch.full((1, 3, 32, 32), 100.0)
    matte = torch.rand((1, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    expected = box_mean(box_mean(matte, 4), 4)
    torch.testing.assert_close(guided(even, matte).at(even), expected, atol=2e-3, rtol=0)


def test_lines_in_another_size_are_those_between() -> None:
    lines = Lines(torch.full((1, 3, 4, 4), 0.001), torch.full((1, 1, 4, 4), 0.2))
    levels = torch.full((1, 3, 16, 20), 100.0)
    torch.testing.assert_close(lines.at(levels), torch.full((1, 1, 16, 20), 0.5))


@pytest.mark.parametrize("radius", [1, 4])
def test_box_mean_counts_only_what_lies_in_the_picture(radius: int) -> None:
    maps = torch.rand((2, 3, 12, 17), generator=torch.Generator().manual_seed(1))
    row, column = 1, 15
    near = maps[:, :, max(0, row - radius) : row + radius + 1, column - radius : column + radius + 1]
    torch.testing.assert_close(box_mean(maps, radius)[:, :, row, column], near.mean(dim=(2, 3)))


def test_luminance_is_that_of_bt_601() -> None:
    levels = torch.tensor([[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]], dtype=torch.uint8)
    found = luminance(levels[None, :, :, None]).flatten().tolist()
    assert found == pytest.approx([0.299, 0.587, 0.114, 1.0])


def test_enlarging_on_a_cpu_is_what_torch_does() -> None:
    maps = torch.rand((2, 5, 12, 16), generator=torch.Generator().manual_seed(2))
    expected = torch.nn.functional.interpolate(maps, (50, 66), mode="bilinear", align_corners=False)
    torch.testing.assert_close(enlarged(maps, (50, 66)), expected, atol=1e-5, rtol=0)


def still(value: float) -> torch.Tensor:
    return torch.full((1, 1, 24, 32), value)


def test_matte_of_a_still_picture_keeps_its_share() -> None:
    kept = torch.tensor(0.7).view(1, 1, 1, 1)
    found = steadied(still(0.2), still(0.5), still(1.0), still(0.5), kept)
    torch.testing.assert_close(found, still(0.2 + 0.7 * 0.8))


def test_noise_of_a_camera_is_no_movement() -> None:
    noisy = still(0.5) + 0.005 * torch.randn((1, 1, 24, 32), generator=torch.Generator().manual_seed(3))
    found = steadied(still(0.0), noisy, still(1.0), still(0.5), torch.tensor(0.7).view(1, 1, 1, 1))
    assert found.mean() > 0.65


def test_where_somebody_moves_nothing_of_the_last_matte_stays() -> None:
    moved = still(0.5)
    moved[..., 12:20] = 0.7
    found = steadied(still(0.0), moved, still(1.0), still(0.5), torch.tensor(0.7).view(1, 1, 1, 1))
    assert found[..., 12:20].max() < 0.01
    assert found[..., 24:].min() > 0.69


@pytest.mark.parametrize("steadiness", [0.3, 1.0])
def test_share_kept_is_one_of_time_and_not_of_frames(steadiness: float) -> None:
    assert kept_share(steadiness, 1) ** 5 == pytest.approx(kept_share(steadiness, 5))
    assert kept_share(steadiness, 1) < kept_share(1.0, 1) + 1e-9 < 1


@pytest.mark.parametrize("frames", [0, -5, HALF_SECOND + 1, 10_000])
def test_nothing_is_kept_of_a_frame_long_ago_or_of_no_frame(frames: int) -> None:
    assert kept_share(1.0, frames) == 0
    assert kept_share(0.0, 1) == 0


def test_half_a_second_leaves_next_to_nothing() -> None:
    assert math.prod([kept_share(1.0, 1)] * HALF_SECOND) < 0.02
