"""What lies before and behind the products of matrices that blur a tiny room; see `background.compose`."""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import BLOCK, compiled_once, programs

PIXELS = 256
"""Of one program; each has four channels, and eight neighbours."""


def gaussian(deviation: Tensor, size: int, least: float) -> Tensor:
    """Return (N, size, size) float32; `deviation` (N,)."""
    made = torch.empty((len(deviation), size, size), dtype=torch.float32, device=deviation.device)
    grid = programs(size * size, BLOCK), len(deviation)
    _gaussian[grid](deviation, made, size, deviation.stride(0), least, block=BLOCK)
    return made


def weighted(tiny: Tensor, alpha: Tensor, least: float) -> Tensor:
    """Return (N, 4, h, w) float32: squares of levels by the share that is no person, and that share."""
    tiny, alpha = tiny.contiguous(), alpha.contiguous()
    count, _, height, width = tiny.shape
    made = torch.empty((count, 4, height, width), dtype=torch.float32, device=tiny.device)
    grid = programs(height * width, PIXELS), count
    _weighted[grid](tiny, alpha, made, height, width, least, block=PIXELS)
    return made


def unweighted(spread: Tensor) -> Tensor:
    """Return (N, 3, h, w) float32 levels of such squares."""
    spread = spread.contiguous()
    count, _, height, width = spread.shape
    made = torch.empty((count, 3, height, width), dtype=torch.float32, device=spread.device)
    size = height * width
    _unweighted[(programs(size, PIXELS), count)](spread, made, size, block=PIXELS)
    return made


@compiled_once
def _gaussian(deviation, made, size, by_deviation, least, block: tl.constexpr):
    place = tl.program_id(0) * block + tl.arange(0, block)
    number = tl.program_id(1).to(tl.int64)
    its_deviation = tl.load(deviation + number * by_deviation)
    distance = (place // size - place % size).to(tl.float32)
    exponent = -distance * distance / (2.0 * its_deviation * its_deviation)
    value = tl.exp(tl.maximum(exponent, least))
    tl.store(made + number * size * size + place, value, mask=place < size * size)


@compiled_once
def _weighted(tiny, alpha, made, height, width, least, block: tl.constexpr):
    place = tl.program_id(0) * block + tl.arange(0, block)
    size = height * width
    is_there = place < size
    row, column = place // width, place % width
    number = tl.program_id(1).to(tl.int64)
    alpha += number * size
    person = tl.load(alpha + place, mask=is_there, other=0)
    for down in range(-1, 2):
        # Beyond a border is what lies at it, which changes no maximum.
        line = tl.minimum(tl.maximum(row + down, 0), height - 1) * width
        for across in range(-1, 2):
            pixel = line + tl.minimum(tl.maximum(column + across, 0), width - 1)
            beside = tl.load(alpha + pixel, mask=is_there, other=0)
            person = tl.where((beside > person) | (beside != beside), beside, person)
    share = 1.0 - person
    share = tl.where(share < least, least, share)
    made += number * 4 * size + place
    for channel in tl.static_range(3):
        level = tl.load(tiny + (number * 3 + channel) * size + place, mask=is_there, other=0)
        tl.store(made + channel * size, level * level * share, mask=is_there)
    tl.store(made + 3 * size, share, mask=is_there)


@compiled_once
def _unweighted(spread, made, size, block: tl.constexpr):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < size
    number = tl.program_id(1).to(tl.int64)
    spread += number * 4 * size + place
    share = tl.load(spread + 3 * size, mask=is_there, other=1)
    share = tl.where(share < 1e-6, 1e-6, share)
    for channel in tl.static_range(3):
        square = tl.load(spread + channel * size, mask=is_there, other=0) / share
        tl.store(made + (number * 3 + channel) * size + place, tl.sqrt(square), mask=is_there)
