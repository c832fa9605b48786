from __future__ import annotations

import pytest
import torch
from torch import Tensor

from inference_service.filters.vision.networks.people.detections import (
    Answers,
    anchors,
    decode,
    merged,
    probabilities,
)
from inference_service.filters.vision.networks.people.fit import Fit

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("size", "strides", "per_layer", "count"),
    [(128, (8, 16, 16, 16), 2, 896), (192, (4,), 1, 2304), (224, (8, 16, 32, 32, 32), 2, 2254)],
)
def test_there_is_an_anchor_for_each_row_of_a_detector(
    size: int, strides: tuple[int, ...], per_layer: int, count: int
) -> None:
    assert anchors(size, strides, per_layer).shape == (count, 2)


def test_anchors_are_cell_centres_row_by_row() -> None:
    found = anchors(128, (8, 16, 16, 16), 2)
    # MediaPipe's for the short range: x = y = 1/32 first, in normalised coordinates, twice.
    assert found[:4].tolist() == [[4, 4], [4, 4], [12, 4], [12, 4]]
    assert found[32].tolist() == [4, 12]
    assert found[511].tolist() == [124, 124]
    # Three layers of stride 16 share their cells: six anchors each.
    assert found[512:519].tolist() == [[8, 8]] * 6 + [[24, 8]]


def test_boxes_and_points_are_relative_to_the_anchor() -> None:
    raw = torch.tensor([[[9.0] * 8, [1.0, 2, 10, 20, -3, 4, 5, 6]]])
    boxes, points = decode(raw, torch.tensor([[7.0, 7], [100.0, 50]]), torch.tensor([[1]]))
    assert boxes.tolist() == [[[96, 42, 106, 62]]]
    assert points.tolist() == [[[[97, 54], [105, 56]]]]


def square(x: float, y: float, side: float = 10) -> list[float]:
    return [x, y, x + side, y + side]


def kept(scores: list[float], boxes: list[list[float]], limit: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    corners = torch.tensor([boxes], dtype=torch.float32)
    values = torch.cat((corners, corners[..., :2]), -1)
    found = merged(torch.tensor([scores]), values, limit, 0.3)[0]
    return found[:, 0], found[:, 1:5], found[:, 5:].unflatten(1, (1, 2))


def test_overlapping_answers_become_their_weighted_mean() -> None:
    scores, boxes, points = kept([0.25, 0.75], [square(4, 0), square(0, 0)])
    assert scores.tolist() == [0.75, 0, 0]
    torch.testing.assert_close(boxes[0], torch.tensor(square(1, 0), dtype=torch.float32))
    torch.testing.assert_close(points[0, 0], torch.tensor([1.0, 0]))


def test_answers_apart_stay_best_first() -> None:
    scores, boxes, _ = kept([0.5, 0.9, 0.7], [square(0, 0), square(50, 0), square(0, 50)])
    torch.testing.assert_close(scores, torch.tensor([0.9, 0.7, 0.5]))
    torch.testing.assert_close(
        boxes, torch.tensor([square(50, 0), square(0, 50), square(0, 0)], dtype=torch.float32)
    )


def test_only_overlap_with_the_best_one_counts() -> None:
    # A chain: the middle one overlaps both ends, which do not overlap each other.
    scores, boxes, _ = kept([0.5, 0.9, 0.6], [square(10, 0), square(0, 0), square(5, 0)])
    torch.testing.assert_close(scores, torch.tensor([0.9, 0.5, 0]))
    torch.testing.assert_close(boxes[1], torch.tensor(square(10, 0), dtype=torch.float32))


def test_overlap_must_be_above_the_limit() -> None:
    # Two squares of 10 that share 4.6 columns overlap by 46 of 154: 0.2987; 4.7 columns are 0.307.
    assert kept([0.9, 0.8], [square(0, 0), square(5.4, 0)])[0].tolist()[1] == pytest.approx(0.8)
    assert kept([0.9, 0.8], [square(0, 0), square(5.3, 0)])[0].tolist()[1] == 0


def test_nothing_found_is_all_zero() -> None:
    scores, boxes, points = kept([0.0, 0.0], [square(0, 0), square(0, 0)])
    assert not scores.any()
    assert not boxes.any()
    assert not points.any()


def test_more_than_fit_are_left_out() -> None:
    count = 40
    scores, boxes, _ = kept(
        [0.5 + number / 100 for number in range(count)], [square(20 * n, 0) for n in range(count)]
    )
    torch.testing.assert_close(scores, torch.tensor([0.89, 0.88, 0.87]))
    assert boxes[0, 0].item() == pytest.approx(20 * 39)


def test_box_without_area_is_taken_once() -> None:
    scores, _, _ = kept([0.9, 0.5], [square(5, 5, 0), square(50, 50)])
    torch.testing.assert_close(scores, torch.tensor([0.9, 0.5, 0]))


def test_pictures_of_a_batch_do_not_mix() -> None:
    torch.manual_seed(0)
    corners = torch.rand(5, 60, 2) * 100
    boxes = torch.cat((corners, corners + 20), -1)
    scores = torch.rand(5, 60)
    scores[3] = 0
    values = torch.cat((boxes, boxes), -1)
    together = merged(scores, values, 8, 0.3)
    for number in range(5):
        one = slice(number, number + 1)
        torch.testing.assert_close(together[one], merged(scores[one], values[one], 8, 0.3))


def test_answers_of_two_detectors_are_one_in_the_pictures_own_pixels() -> None:
    fits = [Fit.letterboxed((200, 400), (100, 100)), Fit.letterboxed((200, 400), (200, 200))]
    centres = [torch.tensor([[50.0, 50]]), torch.tensor([[100.0, 100], [20, 60]])]
    answers = Answers(CPU, centres, 1, 3, 0.3)
    # Centre, size and a point of each, in pixels of its own input.
    raw = [
        torch.tensor([[[0.0, 0, 10, 10, 5, 0]]]),
        torch.tensor([[[0.0, 0, 20, 20, 10, 0], [0, 0, 4, 4, 0, 0]]]),
    ]
    logits = [torch.tensor([[1.0]]), torch.tensor([[2.0, 0.0]])]
    given = [part for pair in zip(raw, logits, strict=True) for part in pair]
    for least in ([0.6, 0.6], torch.tensor([[0.6]])):
        found = answers(fits, least, *given)
        assert found.scores[0].tolist() == pytest.approx([0.8807971, 0, 0])
        assert found.boxes[0, 0].tolist() == pytest.approx([180, 80, 220, 120])
        assert found.points[0, 0, 0].tolist() == pytest.approx([220, 100])
    lower = answers(fits, [0.6, 0.4], *given)
    assert lower.scores[0].tolist() == pytest.approx([0.8807971, 0.5, 0])
    assert lower.boxes[0, 1].tolist() == pytest.approx([36, 16, 44, 24])


def test_low_scores_become_zero_and_extreme_ones_stay_finite() -> None:
    found = probabilities(torch.tensor([-1e30, -1.0, 0.0, 2.0, 1e30]), 0.5)
    torch.testing.assert_close(found, torch.tensor([0, 0, 0.5, 0.8807971, 1.0]))
