from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import counting
from inference_service.errors import WeightsError
from inference_service.filters.densepose import DensePose
from tests.inference_service.filters.densepose import narrow
from tests.inference_service.filters.densepose.conftest import LIMITS, load
from tests.inference_service.filters.densepose.narrow import Arrays, NarrowDensePose
from tests.inference_service.filters.densepose.reference import Reference
from tests.inference_service.filters.densepose.scenes import batch_of, filtered, image, items, scene

pytestmark = pytest.mark.detectron2

SIZE = (256, 320)


@pytest.mark.parametrize("seed", range(4))
def test_the_picture_is_the_librarys_pixel_for_pixel(
    loaded: NarrowDensePose, reference: Reference, seed: int
) -> None:
    picture = scene(SIZE, seed)
    expected = reference.draw(picture)
    (drawn,) = filtered(loaded, picture)
    assert np.array_equal(drawn, expected)
    boxes = reference.instances(picture).pred_boxes.tensor
    assert len(boxes) > 4
    assert _overlap(boxes), "the scene must test who lies on top"
    assert len(np.unique(expected.reshape(-1, 3), axis=0)) > 8


def test_a_size_that_needs_padding_is_the_librarys_pixel_for_pixel(weights: Path) -> None:
    picture = scene((272, 336), 7)
    expected = Reference(narrow.narrow(**{**LIMITS, "short_side": 272}, min_score=0.5), weights).draw(picture)
    (drawn,) = filtered(load(weights, short_side=272), picture)
    assert np.array_equal(drawn, expected)


@pytest.mark.parametrize("short_side", [192, 400])
def test_a_resized_picture_is_the_librarys_pixel_for_pixel(weights: Path, short_side: int) -> None:
    one = load(weights, short_side=short_side)
    library = Reference(narrow.narrow(**{**LIMITS, "short_side": short_side}, min_score=0.5), weights)
    for seed in range(2):
        picture = scene(SIZE, seed)
        (drawn,) = filtered(one, picture)
        assert np.array_equal(drawn, library.draw(picture))


def test_nobody_gives_the_background(loaded: NarrowDensePose, weights: Path) -> None:
    picture = scene(SIZE, 1)
    library = Reference(narrow.narrow(**LIMITS, min_score=1.0), weights)
    (drawn,) = filtered(loaded, picture, min_score=1.0)
    assert np.array_equal(drawn, library.draw(picture))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1
    (over,) = filtered(loaded, picture, min_score=1.0, over_camera=True)
    assert np.array_equal(over, picture)


def test_a_batch_is_what_its_pictures_are_alone(loaded: NarrowDensePose) -> None:
    pictures = [scene(SIZE, seed) for seed in range(5)]
    alone = [filtered(loaded, one)[0] for one in pictures]
    for together, single in zip(filtered(loaded, *pictures), alone, strict=True):
        # Convolutions round differently in a batch, so a pixel on a border may change sides.
        assert (together == single).all(axis=-1).mean() > 0.999


def test_every_picture_of_a_batch_has_its_own_parameters(
    loaded: NarrowDensePose, reference: Reference
) -> None:
    picture = scene(SIZE, 2)
    scores = reference.instances(picture).scores
    wishes: list[dict[str, Any]] = [
        {},
        {"colour_map": "jet"},
        {"over_camera": True, "alpha": 0.5},
        {"parts": ("head", "torso")},
        {"min_score": 1.0},
        {"min_score": float(scores[2] + scores[3]) / 2},
    ]
    batch = batch_of(*[picture] * len(wishes))
    result = loaded.apply(batch, items(*(loaded.Params.model_validate(wish) for wish in wishes)))
    drawn = [image(one) for one in result]
    for wish, got in zip(wishes, drawn, strict=True):
        (alone,) = filtered(loaded, picture, **wish)
        assert (got == alone).all(axis=-1).mean() > 0.999
    assert len({one.tobytes() for one in drawn}) == len(wishes)
    plain, _, over, some, *_ = drawn
    background = (plain == plain[0, 0]).all(axis=-1) if (plain[0, 0] == (68, 1, 84)).all() else None
    if background is not None:
        assert np.array_equal(over[background], picture[background])
        assert (some[background] == (68, 1, 84)).all()


def test_the_batch_is_left_as_it_was(loaded: NarrowDensePose) -> None:
    batch = batch_of(scene(SIZE, 1))
    before = batch.clone()
    loaded.apply(batch, items(loaded.Params()))
    assert torch.equal(batch, before)


def test_a_picture_that_is_not_finite_is_nan_and_spoils_no_other(weights: Path) -> None:
    one = load(weights)
    good, bad = scene(SIZE, 1), scene(SIZE, 2)
    (expected,) = filtered(one, good)
    network = one._runner._network
    inner = network._input

    def spoilt(pictures: torch.Tensor, grid: object) -> torch.Tensor:
        values: torch.Tensor = inner(pictures, grid)
        values[1, :, 100:110, 100:110] = torch.nan
        return values

    network._input = spoilt
    result = one.apply(batch_of(good, bad, good), items(*[one.Params()] * 3))
    assert result[1].isnan().all()
    for place in (0, 2):
        assert (image(result[place]) == expected).all(axis=-1).mean() > 0.999


def test_a_judgement_that_is_not_finite_spoils_its_own_picture(weights: Path) -> None:
    one = load(weights)
    network = one._runner._network
    inner = network._judge

    def spoilt(*inputs: object) -> tuple[torch.Tensor, torch.Tensor]:
        scores, deltas = inner(*inputs)
        deltas[1, 2, 3] = torch.inf
        return scores, deltas

    network._judge = spoilt
    result = one.apply(batch_of(scene(SIZE, 1), scene(SIZE, 2)), items(*[one.Params()] * 2))
    assert result[0].isfinite().all()
    assert result[1].isnan().all()


def test_a_person_that_is_not_finite_spoils_its_own_picture(weights: Path) -> None:
    one = load(weights)
    network = one._runner._network
    inner = network.segment

    def spoilt(pooled: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = inner(pooled)
        maps[-1, 5, 3, 3] = torch.inf
        return maps

    network.segment = spoilt
    result = one.apply(batch_of(scene(SIZE, 1), scene(SIZE, 2)), items(*[one.Params()] * 2))
    assert result[0].isfinite().all()
    assert result[1].isnan().all()


def test_no_more_people_than_the_operator_allows(weights: Path, reference: Reference) -> None:
    picture = scene(SIZE, 1)
    library = Reference(narrow.narrow(**{**LIMITS, "max_people": 2}, min_score=0.5), weights)
    (drawn,) = filtered(load(weights, max_people=2), picture)
    assert np.array_equal(drawn, library.draw(picture))
    assert not np.array_equal(drawn, reference.draw(picture))


def test_the_cut_down_selection_is_the_librarys_too(weights: Path) -> None:
    limits = {**LIMITS, "proposals_per_level": 64, "proposals": 20}
    picture = scene(SIZE, 3)
    (drawn,) = filtered(load(weights, proposals_per_level=64, proposals=20), picture)
    assert np.array_equal(drawn, Reference(narrow.narrow(**limits, min_score=0.5), weights).draw(picture))


def test_half_precision_draws_nearly_the_same(weights: Path, loaded: NarrowDensePose) -> None:
    half = load(weights, precision="float16")
    picture = scene(SIZE, 1)
    result = half.apply(batch_of(picture), items(half.Params(min_score=0.0)))
    assert result.dtype == torch.float16
    assert result.isfinite().all()
    # Random weights amplify rounding, which trained ones do not: other people may come out on top.
    assert len(np.unique(image(result[0]).reshape(-1, 3), axis=0)) > 5


def test_weights_of_the_full_model_do_not_fit_narrow_layers(narrow_arrays: Arrays, tmp_path: Path) -> None:
    path = narrow.write(tmp_path / "narrow.pkl", narrow_arrays)
    one = DensePose()
    one.settings = one.Settings(weights=path)
    with pytest.raises(WeightsError, match="made for another model"):
        one.load(torch.device("cpu"))


def test_a_batch_asks_the_host_once_where_the_library_asks_for_every_person(
    loaded: NarrowDensePose, reference: Reference
) -> None:
    pictures = [scene(SIZE, seed) for seed in range(4)]
    batch, wishes = batch_of(*pictures), items(*[loaded.Params()] * 4)
    # What a GPU would do: a fixed number of rounds instead of asking after each.
    network = loaded._runner._network
    before, network.rounds = network.rounds, (16, 12)
    try:
        own = counting.count(lambda: loaded.apply(batch, wishes))
    finally:
        network.rounds = before
    library = counting.count(lambda: [reference.draw(one) for one in pictures])
    assert own.waits.total() == 1, own.waits
    assert library.waits.total() > 4 * 8
    assert own.operators.total() * 4 < library.operators.total()


def _overlap(boxes: torch.Tensor) -> bool:
    from torchvision.ops import box_iou

    return bool((box_iou(boxes, boxes).fill_diagonal_(0) > 0.05).any())
