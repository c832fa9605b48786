"""What a GPU decides in one recorded piece is what a CPU decides step by step."""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.base import Item
from inference_service.filters.vision.people import hiding
from inference_service.filters.vision.people.covers import IS_THERE
from inference_service.filters.vision.people.faces import Sight
from inference_service.filters.vision.people.heads import Heads

CPU = torch.device("cpu")
SIZE = (120, 160)
MASK = (32, 32)


def persons(*columns: slice, chance: float = 1.0) -> Tensor:
    """One picture's mask with a person in each of these columns, from the middle down."""
    mask = torch.zeros(1, 1, *MASK)
    for some in columns:
        mask[..., 12:, some] = chance
    return mask


def sight(x: float, is_real: bool, mask: Tensor, is_crowd: bool = False) -> Sight:
    none = torch.zeros(1)
    head = Heads(
        torch.tensor([[[x, 50.0]]]),
        torch.tensor([[14.0]]),
        torch.tensor([[[1.0, 0.0]]]),
        torch.tensor([[[0.2, 0.1, 0.0]]]),
    )
    return Sight(head, torch.tensor([[is_real]]), [0], mask, torch.tensor([is_crowd]), none > 0, none)


def test_a_gpu_hides_what_a_cpu_hides() -> None:
    one, other = (Item(bytes(16), 7, None) for _ in range(2))
    alone, two, doubtful = (
        persons(slice(8, 14)),
        persons(slice(8, 14), slice(22, 28)),
        persons(slice(None), chance=0.2),
    )
    frames = [
        *(sight(50, False, two) for _ in range(2)),
        *(sight(50 + 2 * number, True, two) for number in range(3)),
        sight(60, False, alone),
        sight(60, True, doubtful),
        sight(60, True, alone, is_crowd=True),
        *(sight(60, False, persons()) for _ in range(20)),
    ]
    decided = hiding.decisions(CPU, MASK)
    told = set()
    for number, frame in enumerate(frames):
        one.sequence = other.sequence = 7 + number + number // 4
        expected = hiding.hide(frame, [one], hiding.covers_of([one], CPU), SIZE)
        found = hiding.hide(frame, [other], hiding.covers_of([other], CPU), SIZE, decided)
        for got, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(got, wanted)
        is_covered = bool(found.covers[..., IS_THERE].any())
        told.add((bool(found.is_all), bool(found.areas.any()), is_covered, bool(found.is_crowd)))
    assert len(told) >= 5, "the frames are to differ in what is hidden"
