"""What is painted where, with maps made by hand in place of a network's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from inference_service.filters.segmentation import KINDS, Segmentation, colour_table, voc_colour

SIZE = (96, 128)
CAT, PERSON = 1 + KINDS.index("cat"), 1 + KINDS.index("person")


def camera() -> Tensor:
    return torch.full((1, 3, *SIZE), 100, dtype=torch.uint8)


def says(*columns: int) -> Tensor:
    """Return (1, 21, 12, 16) logits: of each third of the picture, left to right, its class."""
    logits = torch.full((1, 21, 12, 16), -6.0)
    for place, number in enumerate(columns):
        logits[:, number, :, (16 * place) // 3 : (16 * (place + 1)) // 3] = 6.0
    return logits


def drawn(logits: Tensor, **params: Any) -> Tensor:
    with torch.inference_mode():
        return Segmentation().drawn(camera(), logits, [Segmentation.Params(**params)])[0]


def thirds(shown: Tensor) -> list[tuple[int, ...]]:
    return [tuple(shown[:, 48, column].tolist()) for column in (20, 64, 108)]


def test_each_class_has_its_colour_and_the_rest_is_the_camera() -> None:
    shown = drawn(says(CAT, 0, PERSON), alpha=1.0)
    assert thirds(shown) == [voc_colour(CAT), (100, 100, 100), voc_colour(PERSON)]


def test_colours_are_those_of_pascal_voc() -> None:
    # As the data set's documentation prints them: aeroplane, bicycle, bottle, person, tv monitor.
    expected = {1: (128, 0, 0), 2: (0, 128, 0), 5: (128, 0, 128), 15: (192, 128, 128), 20: (0, 64, 128)}
    assert {number: voc_colour(number) for number in expected} == expected


def test_opacity_is_the_share_of_the_paint() -> None:
    shown = drawn(says(CAT, 0, 0), alpha=0.25)
    expected = [0.25 * level + 0.75 * 100 for level in voc_colour(CAT)]
    assert list(thirds(shown)[0]) == pytest.approx(expected, abs=1)


def test_on_black_the_camera_is_nowhere() -> None:
    shown = drawn(says(CAT, 0, PERSON), alpha=0.5, over_camera=False)
    half = [tuple(level // 2 for level in voc_colour(number)) for number in (CAT, PERSON)]
    assert thirds(shown) == [half[0], (0, 0, 0), half[1]]


def test_only_the_classes_chosen_are_painted() -> None:
    shown = drawn(says(CAT, 0, PERSON), alpha=1.0, classes=("cat",))
    assert thirds(shown) == [voc_colour(CAT), (100, 100, 100), (100, 100, 100)]


@pytest.mark.parametrize("colours", ["voc", "vivid", "soft"])
def test_every_kind_has_a_colour_of_its_own(colours: Any) -> None:
    rows = colour_table((), colours)[1:, :3].round()
    assert len({tuple(row) for row in rows.tolist()}) == len(KINDS)
    assert rows.max() <= 255


def test_edges_are_lines_and_not_stairs() -> None:
    logits = torch.full((1, 21, 12, 16), -6.0)
    slope = torch.arange(16)[None, :] - torch.arange(12)[:, None] * 1.0
    logits[:, PERSON], logits[:, 0] = slope, -slope
    shown = drawn(logits, alpha=1.0, over_camera=False)[0].float() / voc_colour(PERSON)[0]
    # Where the paint begins in each row: a straight line has no steps of the map's 8 pixels.
    begins = shown[8:88].clamp(0, 1).sum(dim=1)
    assert begins.diff().abs().max() < 2


def test_frames_with_different_parameters_share_a_batch() -> None:
    wishes: list[dict[str, Any]] = [
        {"alpha": 0.3},
        {"over_camera": False, "colours": "vivid"},
        {"classes": ("person", "dog"), "colours": "soft"},
    ]
    params = [Segmentation.Params(**one) for one in wishes]
    logits = torch.cat((says(CAT, 0, PERSON), says(0, PERSON, CAT), says(PERSON, CAT, 0)))
    with torch.inference_mode():
        at_once = Segmentation().drawn(camera().repeat(3, 1, 1, 1), logits, params)
    for place, one in enumerate(wishes):
        alone = drawn(logits[place : place + 1], **one)
        # Kernels of another batch size round otherwise.
        assert (at_once[place].float() - alone.float()).abs().max() <= 1


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_output_that_is_no_number_spoils_its_own_picture_and_no_other(wrong: float) -> None:
    logits = says(CAT, 0, PERSON).repeat(2, 1, 1, 1)
    logits[1, 4, 0, 0] = wrong
    shown = Segmentation().drawn(camera().repeat(2, 1, 1, 1), logits, [Segmentation.Params()] * 2)
    assert shown[1].isnan().all()
    assert shown[0].isfinite().all()


def test_every_parameter_has_a_title_a_description_and_a_default() -> None:
    for one in Segmentation.Params.model_json_schema()["properties"].values():
        assert one["title"]
        assert one["description"]
        assert "default" in one
