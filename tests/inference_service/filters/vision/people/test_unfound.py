from __future__ import annotations

import torch
from torch.nn import functional as nnf

from inference_service.filters.vision.people.unfound import GRID, UPPER, _upper, _upper_on_device


def test_the_upper_part_of_each_piece_is_the_same_on_a_cpu_and_on_a_gpu() -> None:
    random = torch.Generator().manual_seed(3)
    rough = nnf.interpolate(torch.randn(6, 1, 9, 9, generator=random), (GRID, GRID), mode="bilinear")
    pieces = (rough > 0.3).float()
    pieces[0] = 0
    upper = _upper(pieces)
    assert upper.dtype == torch.float32
    assert torch.equal(upper, _upper_on_device(pieces))
    assert 0.5 * UPPER < float(upper.sum() / pieces.sum()) < 1


def test_one_that_is_cut_off_above_is_covered_whole() -> None:
    piece = torch.zeros(1, 1, GRID, GRID)
    piece[0, 0, :40, 20:30] = 1
    piece[0, 0, 10:50, 40:50] = 1
    upper = _upper(piece)[0, 0]
    assert upper[:40, 20:30].all()
    assert upper[10:40, 40:50].all()
    assert not upper[42:, 40:50].any()
