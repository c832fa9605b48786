from __future__ import annotations

import torch

from inference_service.filters.base import Item
from inference_service.filters.invert import Invert
from inference_service.filters.passthrough import BusyParams


def test_every_value_becomes_what_is_missing_to_white():
    generator = torch.Generator().manual_seed(0)
    batch = torch.randint(0, 256, (3, 3, 16, 32), dtype=torch.uint8, generator=generator)
    before = batch.clone()
    items = [Item(session=bytes(16), sequence=0, params=BusyParams(busy_ms=0)) for _ in range(3)]
    result = Invert().apply(batch, items)
    assert result.dtype is torch.uint8
    assert torch.equal(result.int() + before.int(), torch.full_like(before, 255, dtype=torch.int))
    assert torch.equal(batch, before)
