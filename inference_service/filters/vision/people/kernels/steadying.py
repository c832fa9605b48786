"""A matte steadied over time in three kernels; see `matte.steadied`."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, pixel_strides, programs
from inference_service.filters.vision.kernels.bilinear import between, sampled

PIXELS = 256
"""Of one program."""


def stillness(levels: Tensor, last: Tensor, noise: float, reach: int, scale: float, least: float) -> Tensor:
    """Return (N, 1, h, w) float32: 1 where uint8 pictures (N, 3, h, w) are as the last ones, 0 where not."""
    levels, *of_levels = pixel_strides(levels)
    last, *of_last = pixel_strides(last)
    count, _, height, width = levels.shape
    change = torch.empty((count, 1, height, width), dtype=torch.float32, device=levels.device)
    still = torch.empty_like(change)
    grid = programs(height * width, PIXELS), count
    _changed[grid](levels, last, change, height, width, *of_levels, *of_last, noise, block=PIXELS)
    _stood[grid](change, still, height, width, reach, 1 / scale, least, block=PIXELS)
    return still


def steadied(matte: Tensor, last: Tensor, still: Tensor, kept: Tensor, scale: float, least: float) -> Tensor:
    """Return `matte`, (N, 1, H, W) float32, with the share `kept` of the last one where it is still."""
    matte, last, still = matte.contiguous(), last.contiguous(), still.contiguous()
    made = torch.empty_like(matte)
    count, _, height, width = matte.shape
    small_height, small_width = still.shape[2:]
    _steadied[(programs(height * width, PIXELS), count)](
        matte,
        last,
        still,
        kept,
        made,
        height,
        width,
        small_height,
        small_width,
        kept.stride(0),
        small_height / height,
        small_width / width,
        1 / scale,
        least,
        block=PIXELS,
    )
    return made


@triton.jit
def likeness(change, times, least):
    """Return 1 where nothing changes, less where more does; what is no number stays none."""
    exponent = -(change * times) * (change * times)
    return tl.exp(tl.where(exponent < least, least, exponent))


@compiled_once
def _changed(
    levels,
    last,
    change,
    height,
    width,
    by_picture,
    by_channel,
    by_pixel,
    last_by_picture,
    last_by_channel,
    last_by_pixel,
    noise,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < height * width
    row, column = place // width, place % width
    number = tl.program_id(1).to(tl.int64)
    levels += number * by_picture
    last += number * last_by_picture
    total = (place * 0).to(tl.float32)
    for down in range(-1, 2):
        line = tl.minimum(tl.maximum(row + down, 0), height - 1) * width
        for across in range(-1, 2):
            pixel = line + tl.minimum(tl.maximum(column + across, 0), width - 1)
            most = (place * 0).to(tl.float32)
            for channel in tl.static_range(3):
                now = tl.load(levels + channel * by_channel + pixel * by_pixel, mask=is_there, other=0)
                before = tl.load(
                    last + channel * last_by_channel + pixel * last_by_pixel, mask=is_there, other=0
                )
                most = tl.maximum(most, tl.abs(now.to(tl.float32) - before.to(tl.float32)))
            total += most
    its_change = tl.maximum(total / 9.0 - noise, 0.0)
    tl.store(change + number * height * width + place, its_change, mask=is_there)


@compiled_once
def _stood(change, still, height, width, reach, times, least, block: tl.constexpr):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < height * width
    row, column = place // width, place % width
    picture = tl.program_id(1).to(tl.int64) * height * width
    most = (place * 0).to(tl.float32)
    for down in range(-reach, reach + 1):
        # Beyond a border is what lies at it, which changes no maximum.
        line = tl.minimum(tl.maximum(row + down, 0), height - 1) * width
        for across in range(-reach, reach + 1):
            pixel = line + tl.minimum(tl.maximum(column + across, 0), width - 1)
            most = tl.maximum(most, tl.load(change + picture + pixel, mask=is_there, other=0))
    tl.store(still + picture + place, likeness(most, times, least), mask=is_there)


@compiled_once
def _steadied(
    matte,
    last,
    still,
    kept,
    made,
    height,
    width,
    small_height,
    small_width,
    by_kept,
    down,
    across,
    times,
    least,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < height * width
    number = tl.program_id(1).to(tl.int64)
    pixel = number * height * width + place
    top, bottom, below = between(place // width, down, small_height)
    left, right, beside = between(place % width, across, small_width)
    still += number * small_height * small_width
    its_still = sampled(still, small_width, 1, top, bottom, below, left, right, beside, is_there, False)
    now = tl.load(matte + pixel, mask=is_there, other=0)
    before = tl.load(last + pixel, mask=is_there, other=0)
    share = its_still * tl.load(kept + number * by_kept) * likeness(now - before, times, least)
    tl.store(made + pixel, now + (before - now) * share, mask=is_there)
