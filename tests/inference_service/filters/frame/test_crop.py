"""Parts of pictures enlarged: to the place that was asked for, on a CPU and as on a GPU."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from inference_service.filters.frame.crop import SPARE, enlarged, on_device, stretch

SIZE = (96, 128)


def soft(seed: int = 0) -> Tensor:
    """A picture without detail near a pixel's size."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    large = cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(large).permute(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("x", "y", "zoom"),
    [(64.0, 48.0, 1.5), (40.3, 30.7, 1.9), (32.0, 24.0, 2.0), (77.7, 50.2, 1.337), (96, 72, 2)],
)
def test_both_devices_show_the_same_part(x: float, y: float, zoom: float) -> None:
    given = soft(), torch.tensor([[x, y]]), torch.tensor([zoom])
    one, other = enlarged(*given), on_device(*given)
    assert one.shape == other.shape
    away = (one.int() - other.int()).abs()
    assert away[..., 2:-2, 2:-2].max() <= 16
    assert away.float().mean() < 1.5


def test_a_mark_lies_where_it_should() -> None:
    picture = torch.zeros(1, 3, *SIZE, dtype=torch.uint8)
    picture[..., 40:44, 70:74] = 255
    made = enlarged(picture, torch.tensor([[64.0, 48.0]]), torch.tensor([2.0]))[0, 0].float()
    rows, columns = made.sum(1), made.sum(0)
    y = float((rows * (torch.arange(SIZE[0]) + 0.5)).sum() / rows.sum())
    x = float((columns * (torch.arange(SIZE[1]) + 0.5)).sum() / columns.sum())
    assert x == pytest.approx((72 - 64) * 2 + 64, abs=0.3)
    assert y == pytest.approx((42 - 48) * 2 + 48, abs=0.3)


@pytest.mark.parametrize("side", [120, 240, 640, 1280])
def test_a_part_begins_where_it_should_and_lies_in_the_picture(side: int) -> None:
    random = np.random.default_rng(1)
    missed = []
    for zoom in random.uniform(1.01, 4, 100):
        middle = random.uniform(side / 2 / zoom, side - side / 2 / zoom)
        made = stretch(middle, side, zoom)
        assert 0 <= made.first < made.first + made.taken <= side
        assert 0 <= made.skipped <= made.large - side <= SPARE
        step = made.taken / made.large
        start = made.first + made.skipped * step
        missed.append(abs(start - (middle - side * step / 2)) + abs(step - 1 / zoom) * side / 2)
    assert max(missed) < 0.5
    assert np.quantile(missed, 0.9) < 0.2
    assert np.mean(missed) < 0.1


def test_a_slow_pan_goes_on_evenly() -> None:
    picture = soft(3).float()
    way = torch.arange(0, 2, 0.25)
    made = torch.stack(
        [
            enlarged(picture.to(torch.uint8), torch.tensor([[60.0 + x, 48.0]]), torch.tensor([1.7]))[
                0
            ].float()
            for x in way.tolist()
        ]
    )
    steps = made.diff(dim=0).abs().mean((1, 2, 3))
    assert steps.min() > 0.5 * steps.max()


def test_what_is_not_enlarged_is_as_it_was() -> None:
    picture = torch.cat((soft(1), soft(2)))
    centre = torch.tensor([[64.0, 48.0], [64.0, 48.0]])
    assert torch.equal(enlarged(picture, centre, torch.ones(2)), picture)
    made = enlarged(picture, centre, torch.tensor([1.0, 2.0]))
    assert torch.equal(made[0], picture[0])
    assert not torch.equal(made[1], picture[1])
    assert (on_device(picture, centre, torch.ones(2)).int() - picture.int()).abs().max() <= 1
