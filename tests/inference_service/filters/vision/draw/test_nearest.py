from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from inference_service.filters.vision.at_once import parts
from inference_service.filters.vision.draw import nearest as module
from inference_service.filters.vision.draw.nearest import nearest
from inference_service.filters.vision.people.covers import AXIS_X, COLUMNS, IS_THERE, RADIUS, TURN, X, Y

SIZE = (48, 64)


def covers(*rows: tuple[float, float, float]) -> Tensor:
    """One picture's, by middle and radius; each has a turn of its own."""
    made = torch.zeros(1, len(rows), COLUMNS)
    for number, row in enumerate(rows):
        made[0, number, [X, Y, RADIUS]] = torch.tensor(row, dtype=torch.float32)
        made[0, number, TURN] = number
    made[..., AXIS_X] = 1
    made[..., IS_THERE] = 1
    return made


@pytest.mark.parametrize("most", [1, 1 << 27])
def test_all_covers_at_once_are_as_one_after_the_other(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    some = torch.cat(
        (
            covers((20, 20, 9), (40, 24, 12), (24, 26, 8)),
            covers((50, 10, 5), (10, 40, 20), (11, 39, math.nan)),
        )
    )
    some[0, 2, IS_THERE] = 0
    scale = torch.tensor([1.0, 1.3])
    expected, share = nearest(some, scale, SIZE)
    at_once: Any = module._nearest_of_all
    monkeypatch.setattr(module, "_nearest", at_once)
    monkeypatch.setattr(module, "parts", lambda n, places, values: parts(n, places, values, most))
    found, found_share = nearest(some, scale, SIZE)
    assert set(expected.turn.flatten().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(found_share, share)
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got, wanted)


def test_a_cover_that_is_no_number_is_nowhere() -> None:
    for broken in ((math.nan, 20, 9), (20, 20, math.nan), (math.inf, 20, 9), (20, 20, math.inf)):
        places, share = nearest(covers(broken), torch.ones(1), SIZE)
        assert not share.any()
        assert all(map_.isfinite().all() for map_ in places)
        _, share = nearest(covers(broken, (40, 24, 12)), torch.ones(1), SIZE)
        assert share[0, 24, 40] == 1


def test_of_one_cover_no_map_of_numbers_is_made() -> None:
    lines, _ = module.facts_of(covers((20, 20, 9)), torch.ones(1))
    slope, offset, drop = lines.unflatten(1, (3, 2))[..., None].unbind(1)
    steps = torch.arange(8.0)
    _, which = module._nearest((offset + slope * steps)[..., None, :], (drop * steps)[..., None])
    assert which is None
