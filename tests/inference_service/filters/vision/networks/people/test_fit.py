from __future__ import annotations

import pytest
import torch

from inference_service.filters.vision.networks.people.fit import Fit


def test_wide_picture_has_black_above_and_below() -> None:
    fit = Fit.letterboxed((480, 640), (128, 128))
    assert (fit.inside, fit.offset) == ((96, 128), (0, 16))
    white = torch.full((2, 3, 480, 640), 255, dtype=torch.uint8)
    found = fit.apply(white, -1, 1)
    assert found.shape == (2, 3, 128, 128)
    assert (found[:, :, 16:112] == 1).all()
    assert (found[:, :, :16] == -1).all()
    assert (found[:, :, 112:] == -1).all()


def test_tall_picture_has_black_beside_it() -> None:
    fit = Fit.letterboxed((640, 360), (192, 192))
    assert (fit.inside, fit.offset) == ((192, 108), (42, 0))


def test_stretched_picture_fills_the_input() -> None:
    grey = torch.full((1, 3, 480, 640), 51.0)
    found = Fit.stretched((480, 640), (256, 256)).apply(grey, 0, 1)
    torch.testing.assert_close(found, torch.full((1, 3, 256, 256), 0.2))


@pytest.mark.parametrize(
    "fit", [Fit.letterboxed((480, 640), (192, 192)), Fit.stretched((480, 640), (144, 256))]
)
def test_corners_come_back_as_corners(fit: Fit) -> None:
    (left, top), (height, width) = fit.offset, fit.inside
    corners = torch.tensor([[left, top], [left + width, top + height], [left + width / 2, top + height / 2]])
    expected = torch.tensor([[0.0, 0], [640, 480], [320, 240]])
    place = (corners - torch.tensor(fit.offset)) * torch.tensor(fit.scale)
    torch.testing.assert_close(place, expected)


def test_bytes_and_numbers_give_the_same_but_for_rounding() -> None:
    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (2, 3, 48, 64), dtype=torch.uint8)
    fit = Fit.letterboxed((48, 64), (32, 32))
    torch.testing.assert_close(
        fit.apply(pictures, 0, 1), fit.apply(pictures.float(), 0, 1), atol=1.01 / 255, rtol=0
    )


def test_smallest_picture_keeps_a_pixel() -> None:
    assert Fit.letterboxed((2, 2000), (128, 128)).inside == (1, 128)
