from __future__ import annotations

from typing import Any, get_args

import pytest
import torch

from inference_service.filters.base import Item
from inference_service.filters.grade import Grade, order
from inference_service.filters.grade.apply import on_device
from inference_service.filters.grade.looks import LookName


def noise(count: int, height: int = 32, width: int = 48) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def items(*params: dict[str, Any]) -> list[Item]:
    return [Item(session=bytes(16), sequence=0, params=Grade.Params(**one)) for one in params]


def test_strength_0_is_the_camera_as_it_is() -> None:
    batch = noise(1)
    assert torch.equal(Grade().apply(batch.clone(), items({"strength": 0.0})), batch)


def test_natural_without_vignette_changes_nothing() -> None:
    batch = noise(1)
    assert torch.equal(Grade().apply(batch.clone(), items({"look": "natural", "vignette": 0.0})), batch)


def test_each_picture_of_a_batch_has_its_own_look() -> None:
    batch = noise(3)
    wishes: list[dict[str, Any]] = [
        {"look": "noir"},
        {"look": "cinema", "strength": 0.5},
        {"look": "sepia", "vignette": 0.0},
    ]
    together = Grade().apply(batch.clone(), items(*wishes))
    for n, wish in enumerate(wishes):
        alone = Grade().apply(batch[n : n + 1].clone(), items(wish))
        assert (together[n : n + 1].int() - alone.int()).abs().max() <= 1
    assert together.shape == batch.shape
    assert together.dtype is torch.uint8


def test_noir_is_grey() -> None:
    found = Grade().apply(noise(1), items({"look": "noir"}))
    assert torch.equal(found[:, 0], found[:, 1])
    assert torch.equal(found[:, 1], found[:, 2])


@pytest.mark.parametrize("look", get_args(LookName))
def test_a_gpu_would_show_the_same_to_within_2(look: str) -> None:
    """The tensor path, run on a CPU here, against OpenCV's."""
    batch = noise(2)
    wishes = items({"look": look}, {"look": look, "strength": 0.4, "warmth": 0.5, "vignette": 0.0})
    with torch.inference_mode():
        other = on_device(batch.clone(), [order(item.params, 32, 48) for item in wishes])
    found = Grade().apply(batch.clone(), wishes)
    assert (found.int() - other.int()).abs().max() <= 2


@pytest.mark.gpu
def test_a_gpu_shows_the_same_to_within_2() -> None:
    batch = noise(2)
    wishes = items({"look": "film"}, {"look": "vintage"})
    found = Grade().apply(batch.clone(), wishes)
    other = Grade().apply(batch.cuda(), wishes).cpu()
    assert (found.int() - other.int()).abs().max() <= 2


def test_a_picture_of_two_by_two_will_do() -> None:
    assert Grade().apply(noise(1, 2, 2), items({})).shape == (1, 3, 2, 2)
