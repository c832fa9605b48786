"""The guided filter in two kernels, which look at the square round each pixel; see `matte.guided`."""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, programs

PIXELS = 256
"""Of one program."""


def guided(luma: Tensor, matte: Tensor, radius: int, evenness: float) -> tuple[Tensor, Tensor]:
    """Return slope and offset, (N, 1, h, w) float32, of luma in 0..255 and its matte."""
    luma, matte = luma.contiguous(), matte.contiguous()
    count, _, height, width = luma.shape
    rough = torch.empty((2, count, 1, height, width), dtype=torch.float32, device=luma.device)
    made = torch.empty_like(rough)
    grid = programs(height * width, PIXELS), count
    _explained[grid](luma, matte, rough, height, width, radius, evenness, block=PIXELS)
    _evened[grid](rough, made, height, width, radius, block=PIXELS)
    return made[0], made[1]


@compiled_once
def _explained(luma, matte, made, height, width, radius, evenness, block: tl.constexpr):
    place = tl.program_id(0) * block + tl.arange(0, block)
    size = height * width
    is_there = place < size
    row, column = place // width, place % width
    picture = tl.program_id(1).to(tl.int64) * size
    guide = (place * 0).to(tl.float32)
    mean, square, product = guide, guide, guide
    for down in range(-radius, radius + 1):
        line = tl.minimum(tl.maximum(row + down, 0), height - 1) * width
        for across in range(-radius, radius + 1):
            pixel = picture + line + tl.minimum(tl.maximum(column + across, 0), width - 1)
            its_guide = tl.load(luma + pixel, mask=is_there, other=0) / 255.0
            its_matte = tl.load(matte + pixel, mask=is_there, other=0)
            guide += its_guide
            mean += its_matte
            square += its_guide * its_guide
            product += its_guide * its_matte
    share = 1.0 / ((2 * radius + 1) * (2 * radius + 1)).to(tl.float32)
    guide *= share
    mean *= share
    slope = (product * share - guide * mean) / (square * share - guide * guide + evenness)
    tl.store(made + picture + place, slope, mask=is_there)
    offsets = made + tl.num_programs(1).to(tl.int64) * size
    tl.store(offsets + picture + place, mean - slope * guide, mask=is_there)


@compiled_once
def _evened(lines, made, height, width, radius, block: tl.constexpr):
    place = tl.program_id(0) * block + tl.arange(0, block)
    size = height * width
    is_there = place < size
    row, column = place // width, place % width
    picture = tl.program_id(1).to(tl.int64) * size
    offsets = tl.num_programs(1).to(tl.int64) * size
    slope = (place * 0).to(tl.float32)
    offset = slope
    for down in range(-radius, radius + 1):
        line = tl.minimum(tl.maximum(row + down, 0), height - 1) * width
        for across in range(-radius, radius + 1):
            pixel = picture + line + tl.minimum(tl.maximum(column + across, 0), width - 1)
            slope += tl.load(lines + pixel, mask=is_there, other=0)
            offset += tl.load(lines + offsets + pixel, mask=is_there, other=0)
    share = 1.0 / ((2 * radius + 1) * (2 * radius + 1)).to(tl.float32)
    tl.store(made + picture + place, slope * share / 255.0, mask=is_there)
    tl.store(made + offsets + picture + place, offset * share, mask=is_there)
