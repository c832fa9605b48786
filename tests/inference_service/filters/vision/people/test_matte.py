"""Edges follow the picture, and what stands still stays as it was; but nothing for long."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as nnf

from inference_service.filters.vision.enlarge import enlarged
from inference_service.filters.vision.people.matte import (
    FORGOTTEN_S,
    FRAMES_PER_S,
    LUMA_NOISE,
    Lines,
    box_mean,
    calmed,
    guided,
    kept_share,
    largest,
    steadied,
    stillness,
)

HALF_SECOND = int(FORGOTTEN_S * FRAMES_PER_S)


def two_halves(height: int, width: int, edge: float) -> torch.Tensor:
    """Return (1, 1, h, w) luma: dark left of `edge` (0..1), light right of it."""
    is_left = (torch.arange(width) + 0.5) / width < edge
    return torch.where(is_left, 40.0, 170.0).expand(1, 1, height, width).contiguous()


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
    even = torch.full((1, 1, 32, 32), 100.0)
    matte = torch.rand((1, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    expected = box_mean(box_mean(matte, 4), 4)
    torch.testing.assert_close(guided(even, matte).at(even), expected, atol=2e-3, rtol=0)


def test_lines_in_another_size_are_those_between() -> None:
    lines = Lines(torch.full((1, 1, 4, 4), 0.003), torch.full((1, 1, 4, 4), 0.2))
    luma = torch.full((1, 1, 16, 20), 100.0)
    torch.testing.assert_close(lines.at(luma), torch.full((1, 1, 16, 20), 0.5))


@pytest.mark.parametrize("radius", [1, 4])
@pytest.mark.parametrize("size", [(12, 17), (2, 1)])
def test_box_mean_repeats_the_last_pixel_beyond_a_border(radius: int, size: tuple[int, int]) -> None:
    maps = torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(1))
    padded = nnf.pad(maps, (radius,) * 4, mode="replicate")
    expected = nnf.avg_pool2d(padded, 2 * radius + 1, stride=1)
    torch.testing.assert_close(box_mean(maps, radius), expected)


def test_luma_of_a_still_pixel_is_calmed_and_one_that_changes_is_new() -> None:
    random = torch.Generator().manual_seed(1)
    last = torch.randint(20, 230, (2, 1, 6, 5), generator=random, dtype=torch.uint8)
    change = torch.randint(-20, 21, last.shape, generator=random)
    now = (last.int() + change).to(torch.uint8)
    kept = torch.tensor([0.6, 0.0]).view(2, 1, 1, 1)
    made = calmed(now, last, kept)
    is_still = change.abs() <= LUMA_NOISE
    assert torch.equal(made[~is_still], now[~is_still])
    assert torch.equal(made[1], now[1])
    exact = torch.lerp(now.float(), last.float(), kept)
    assert (made.float() - exact)[is_still].abs().max() <= 0.5 + 1e-4


def test_largest_on_a_cpu_is_what_torch_pools() -> None:
    maps = torch.randn(2, 3, 11, 7)
    for radius in (1, 2):
        pooled = nnf.max_pool2d(maps, 2 * radius + 1, stride=1, padding=radius)
        assert torch.equal(largest(maps, radius), pooled)


def test_enlarging_on_a_cpu_is_what_torch_does() -> None:
    maps = torch.rand((2, 5, 12, 16), generator=torch.Generator().manual_seed(2))
    expected = torch.nn.functional.interpolate(maps, (50, 66), mode="bilinear", align_corners=False)
    torch.testing.assert_close(enlarged(maps, (50, 66)), expected, atol=1e-5, rtol=0)


def still(value: float) -> torch.Tensor:
    return torch.full((1, 1, 24, 32), value)


def grey(noise: float = 0.0, seed: int = 0) -> torch.Tensor:
    """Return (1, 3, 24, 32) uint8."""
    random = torch.Generator().manual_seed(seed)
    return (128 + noise * torch.randn((1, 3, 24, 32), generator=random)).round().to(torch.uint8)


def test_matte_of_a_still_picture_keeps_most_of_its_share() -> None:
    kept = torch.tensor(0.7).view(1, 1, 1, 1)
    assert stillness(grey(), grey()).min() == 1
    found = steadied(still(0.4), still(0.5), stillness(grey(), grey()), kept)
    torch.testing.assert_close(found, still(0.4 + 0.7 * 0.1), atol=0.003, rtol=0)


def test_quite_another_opinion_is_taken_at_once() -> None:
    found = steadied(still(1.0), still(0.0), still(1.0), torch.tensor(0.7).view(1, 1, 1, 1))
    assert found.min() > 0.95


def test_noise_of_a_camera_is_no_movement() -> None:
    # What is left in a quarter of the picture's sides of noise with a deviation of 3.
    assert stillness(grey(0.75, seed=1), grey(0.75, seed=2)).mean() > 0.95


@pytest.mark.parametrize("colour", [0, 1, 2])
def test_what_moves_is_seen_in_each_colour_and_a_little_around(colour: int) -> None:
    moved = grey()
    moved[:, colour, :, 12:20] += 20
    found = stillness(moved, grey())
    assert found[..., 10:22].max() < 0.01
    assert found[..., :8].min() == 1
    assert found[..., 24:].min() == 1


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
