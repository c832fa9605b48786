"""Whole pictures as floating-point numbers: each is read once and written once."""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import BLOCK, compiled_once, programs


def poisoned(pictures: Tensor, poison: Tensor) -> Tensor:
    """Return (N, C, H, W) pictures, each with its own `poison` (N,) added; uint8 becomes float16."""
    dtype = torch.float16 if pictures.dtype == torch.uint8 else torch.float32
    pictures, made, size = _values(pictures, dtype)
    _poisoned[(programs(size, BLOCK), len(made))](pictures, poison.contiguous(), made, size, block=BLOCK)
    return made


def contrasted(pictures: Tensor, gain: Tensor, mean: Tensor, middle: Tensor) -> Tensor:
    """Return float32 levels, `gain` times as far from `middle` as (N, C, H, W) uint8 ones from `mean`."""
    pictures, made, size = _values(pictures, torch.float32)
    numbers = (one.contiguous() for one in (gain, mean, middle))
    _contrasted[(programs(size, BLOCK), len(made))](pictures, *numbers, made, size, block=BLOCK)
    return made


def _values(pictures: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, int]:
    """Return pictures and room for others, in which the values of each lie in one row, and their number."""
    size = pictures[0].numel()
    made = torch.empty_like(pictures, dtype=dtype)
    if pictures.stride() != made.stride() or made.stride(0) != size:
        pictures = pictures.contiguous()
        made = torch.empty_like(pictures, dtype=dtype)
    return pictures, made, size


@compiled_once
def _poisoned(pictures, poison, made, size, block: tl.constexpr):
    number = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < size
    value = tl.load(pictures + number * size + place, mask=is_there, other=0).to(tl.float32)
    value += tl.load(poison + number).to(tl.float32)
    tl.store(made + number * size + place, value.to(made.dtype.element_ty), mask=is_there)


@compiled_once
def _contrasted(pictures, gain, mean, middle, made, size, block: tl.constexpr):
    number = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < size
    value = tl.load(pictures + number * size + place, mask=is_there, other=0).to(tl.float32)
    value = (value - tl.load(mean + number)) * tl.load(gain + number) + tl.load(middle + number)
    tl.store(made + number * size + place, tl.minimum(tl.maximum(value, 0.0), 255.0), mask=is_there)
