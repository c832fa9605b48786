from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inference_service.filters.vision.networks.boxes import (
    MAX_GROWTH,
    clip,
    decode,
    is_nonempty,
    pairwise_iou,
    suppress,
)


def greedy(boxes: Tensor, is_valid: Tensor, threshold: float) -> list[int]:
    """Suppression as it is defined, one box after the other."""
    iou = pairwise_iou(boxes[None])[0]
    kept: list[int] = []
    for one in range(len(boxes)):
        if is_valid[one] and not any(iou[better, one] > threshold for better in kept):
            kept.append(one)
    return kept


def crowd(seed: int, count: int, centres: int, spread: float) -> Tensor:
    """Boxes jittered round a few centres: what proposals round people look like."""
    generator = torch.Generator().manual_seed(seed)
    middle = torch.rand(centres, 2, generator=generator) * 400
    size = 40 + torch.rand(centres, 2, generator=generator) * 160
    chosen = torch.randint(centres, (count,), generator=generator)
    middle = middle[chosen] + torch.randn(count, 2, generator=generator) * spread * size[chosen]
    size = size[chosen] * (torch.randn(count, 2, generator=generator) * spread).exp()
    return torch.cat((middle - size / 2, middle + size / 2), dim=1)


def staircase(count: int) -> Tensor:
    """Each box overlaps the next alone: the longest chain there is."""
    left = torch.arange(count) * 30.0
    return torch.stack((left, torch.zeros(count), left + 100, torch.full((count,), 100.0)), dim=1)


CROWDS = [crowd(seed, 200, 4, spread) for seed, spread in enumerate((0.02, 0.1, 0.2, 0.4))]


@pytest.mark.parametrize(
    "boxes", [*CROWDS, staircase(64)], ids=["dense", "near", "wide", "loose", "staircase"]
)
@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_suppression_at_once_keeps_what_greedy_suppression_keeps(boxes: Tensor, threshold: float) -> None:
    is_valid = torch.ones(len(boxes), dtype=torch.bool)
    is_valid[::7] = False
    kept, is_settled = suppress(boxes[None], is_valid[None], threshold)
    assert kept[0].nonzero()[:, 0].tolist() == greedy(boxes, is_valid, threshold)
    assert is_settled.all()


def test_rows_are_suppressed_independently() -> None:
    rows = torch.stack(CROWDS)
    is_valid = torch.ones(rows.shape[:2], dtype=torch.bool)
    together, _ = suppress(rows, is_valid, 0.5)
    for row, kept in zip(rows, together, strict=True):
        assert kept.tolist() == suppress(row[None], is_valid[:1], 0.5)[0][0].tolist()


def test_too_few_rounds_are_reported_and_enough_are_exact() -> None:
    boxes = staircase(40)[None]
    is_valid = torch.ones(1, 40, dtype=torch.bool)
    exact, _ = suppress(boxes, is_valid, 0.5)
    assert not suppress(boxes, is_valid, 0.5, rounds=5)[1].any()
    # Each of 40 steps hangs on the one before.
    assert not suppress(boxes, is_valid, 0.5, rounds=38)[1].all()
    kept, is_settled = suppress(boxes, is_valid, 0.5, rounds=39)
    assert is_settled.all()
    assert kept.tolist() == exact.tolist()


def test_boxes_without_area_neither_suppress_nor_are_suppressed() -> None:
    boxes = torch.tensor([[[5.0, 5.0, 5.0, 9.0], [5.0, 5.0, 5.0, 9.0], [0.0, 0.0, 10.0, 10.0]]])
    kept, _ = suppress(boxes, torch.ones(1, 3, dtype=torch.bool), 0.5)
    assert kept.all()


@pytest.mark.models
def test_suppression_equals_torchvision() -> None:
    from torchvision import ops

    for seed in range(20):
        boxes = crowd(seed, 300, 1 + seed % 6, 0.05 + 0.02 * seed)
        scores = torch.linspace(1, 0, len(boxes))
        kept, _ = suppress(boxes[None], torch.ones(1, len(boxes), dtype=torch.bool), 0.5)
        assert kept[0].nonzero()[:, 0].tolist() == ops.nms(boxes, scores, 0.5).tolist()


def test_decoding_moves_and_grows_an_anchor() -> None:
    anchors = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    deltas = torch.tensor([[1.0, -0.5, 5 * math.log(2), 0.0]])
    (box,) = decode(deltas, anchors, (10.0, 5.0)).tolist()
    assert box == pytest.approx([2.0, 18.0, 42.0, 58.0], abs=1e-4)


def test_growth_is_limited() -> None:
    anchors = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    (box,) = decode(torch.tensor([[0.0, 0.0, 50.0, 0.0]]), anchors, (1.0, 1.0)).tolist()
    assert box[2] - box[0] == pytest.approx(1000.0, rel=1e-5)
    assert pytest.approx(1000 / 16) == math.exp(MAX_GROWTH)


def test_clipping_keeps_boxes_in_the_picture() -> None:
    boxes = torch.tensor([[-5.0, -5.0, 700.0, 500.0], [650.0, 10.0, 660.0, 20.0]])
    clipped = clip(boxes, (480, 640))
    assert clipped.tolist() == [[0.0, 0.0, 640.0, 480.0], [640.0, 10.0, 640.0, 20.0]]
    assert is_nonempty(clipped).tolist() == [True, False]
