from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from inference_service.filters.base import Item
from inference_service.filters.invert import BusyInvert, Invert
from inference_service.filters.passthrough import BusyParams, BusyPassthrough, Passthrough


def items(*busy_ms):
    return [Item(session=bytes(16), sequence=0, params=BusyParams(busy_ms=one)) for one in busy_ms]


def test_the_batch_is_returned_as_it_is():
    batch = torch.empty((2, 0, 0), dtype=torch.uint8)
    assert Passthrough().apply(batch, items(0, 0)) is batch


@pytest.mark.parametrize("one", [BusyPassthrough(), BusyInvert()])
def test_the_busiest_item_decides_how_long_a_batch_lasts(one):
    assert one.least_batch_ms(items(0)) == 0
    assert one.least_batch_ms(items(5, 90.5, 0)) == 90.5


@pytest.mark.parametrize("one", [Passthrough(), Invert()])
def test_without_test_params_nobody_makes_a_worker_slow(one):
    with pytest.raises(ValidationError):
        one.Params(busy_ms=1)
    assert one.least_batch_ms(items(90)) == 0


@pytest.mark.parametrize("busy_ms", [-1, 2001, float("nan"), "much"])
def test_busy_is_between_nothing_and_two_seconds(busy_ms):
    with pytest.raises(ValidationError):
        BusyParams(busy_ms=busy_ms)
    assert BusyParams(busy_ms=2000).busy_ms == 2000
