"""Whole pictures in another size, as bytes or as a network's input: each is read and written once."""

from __future__ import annotations

from typing import Any

import torch
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import as_level, compiled_once, pixel_strides, programs
from inference_service.filters.vision.kernels.bilinear import between, sampled

PIXELS = 256
"""Of one program; each has several channels, and four neighbours."""

Size = tuple[int, int]
"""(height, width)."""


def stretched(pictures: Tensor, size: Size) -> Tensor:
    """Return (N, C, H, W) uint8 pictures in `size`, bilinear; C is 1 or 3."""
    height, width = pictures.shape[2:]
    return _resized(_stretched, pictures, size, height / size[0], width / size[1])


def shrunk(pictures: Tensor, size: Size) -> Tensor:
    """Return (N, C, H, W) uint8 pictures in a smaller `size`: means of all pixels that one touches."""
    height, width = pictures.shape[2:]
    return _resized(_shrunk, pictures, size, _most_touched(height, size[0]), _most_touched(width, size[1]))


def fitted(pictures: Tensor, inside: Size, offset: Size, size: Size, low: float, high: float) -> Tensor:
    """Return (N, 3, *size) float32: pictures of levels resized to `inside` at `offset`, (left, top).

    0..255 becomes `low`..`high`, and all that is beside them is `low`.
    """
    height, width = pictures.shape[2:]
    steps = height / inside[0], width / inside[1]
    numbers = (*inside, *offset, *steps, low, (high - low) / 255)
    return _resized(_fitted, pictures, size, *numbers, dtype=torch.float32)


def _resized(
    kernel: Any, pictures: Tensor, size: Size, *numbers: float, dtype: torch.dtype | None = None
) -> Tensor:
    """Return what a kernel makes of pictures in `size`; `numbers` are its own."""
    pictures, *of_pictures = pixel_strides(pictures)
    made = empty_like(pictures, size, dtype)
    count, channels, height, width = pictures.shape
    kernel[(programs(size[0] * size[1], PIXELS), count)](
        pictures,
        made,
        height,
        width,
        *of_pictures,
        *size,
        *pixel_strides(made)[1:],
        *numbers,
        channels=channels,
        block=PIXELS,
    )
    return made


def empty_like(pictures: Tensor, size: Size, dtype: torch.dtype | None = None) -> Tensor:
    """Return room for pictures in `size`, which lies as (N, C, H, W) `pictures` do."""
    count, channels = pictures.shape[:2]
    is_last = channels > 1 and pictures.is_contiguous(memory_format=torch.channels_last)
    return torch.empty(
        (count, channels, *size),
        dtype=dtype or pictures.dtype,
        device=pictures.device,
        memory_format=torch.channels_last if is_last else torch.contiguous_format,
    )


def _most_touched(of: int, by: int) -> int:
    """Return how many of `of` pixels one of `by` touches at most."""
    return of // by if of % by == 0 else of // by + 2


@compiled_once
def _stretched(
    pictures,
    made,
    height,
    width,
    by_picture,
    by_channel,
    by_pixel,
    to_height,
    to_width,
    to_by_picture,
    to_by_channel,
    to_by_pixel,
    down,
    across,
    channels: tl.constexpr,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < to_height * to_width
    top, bottom, below = between(place // to_width, down, height)
    left, right, beside = between(place % to_width, across, width)
    pictures += tl.program_id(1).to(tl.int64) * by_picture
    made += tl.program_id(1).to(tl.int64) * to_by_picture
    for channel in tl.static_range(channels):
        value = sampled(
            pictures + channel * by_channel,
            width,
            by_pixel,
            top,
            bottom,
            below,
            left,
            right,
            beside,
            is_there,
            False,
        )
        tl.store(made + channel * to_by_channel + place * to_by_pixel, as_level(value), mask=is_there)


@compiled_once
def _shrunk(
    pictures,
    made,
    height,
    width,
    by_picture,
    by_channel,
    by_pixel,
    to_height,
    to_width,
    to_by_picture,
    to_by_channel,
    to_by_pixel,
    most_rows,
    most_columns,
    channels: tl.constexpr,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < to_height * to_width
    row, column = place // to_width, place % to_width
    top, bottom = row * height // to_height, ((row + 1) * height + to_height - 1) // to_height
    left, right = column * width // to_width, ((column + 1) * width + to_width - 1) // to_width
    count = ((bottom - top) * (right - left)).to(tl.float32)
    pictures += tl.program_id(1).to(tl.int64) * by_picture
    made += tl.program_id(1).to(tl.int64) * to_by_picture
    for channel in tl.static_range(channels):
        total = place * 0
        for down in range(most_rows):
            for across in range(most_columns):
                is_touched = is_there & (top + down < bottom) & (left + across < right)
                pixel = (top + down) * width + left + across
                value = tl.load(pictures + channel * by_channel + pixel * by_pixel, mask=is_touched, other=0)
                total += value.to(tl.int32)
        mean = as_level(total.to(tl.float32) / count)
        tl.store(made + channel * to_by_channel + place * to_by_pixel, mean, mask=is_there)


@compiled_once
def _fitted(
    pictures,
    made,
    height,
    width,
    by_picture,
    by_channel,
    by_pixel,
    to_height,
    to_width,
    to_by_picture,
    to_by_channel,
    to_by_pixel,
    inside_height,
    inside_width,
    offset_left,
    offset_top,
    down,
    across,
    low,
    scale,
    channels: tl.constexpr,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < to_height * to_width
    row, column = place // to_width - offset_top, place % to_width - offset_left
    is_inside = (row >= 0) & (row < inside_height) & (column >= 0) & (column < inside_width) & is_there
    top, bottom, below = between(row, down, height)
    left, right, beside = between(column, across, width)
    pictures += tl.program_id(1).to(tl.int64) * by_picture
    made += tl.program_id(1).to(tl.int64) * to_by_picture
    for channel in tl.static_range(channels):
        value = sampled(
            pictures + channel * by_channel,
            width,
            by_pixel,
            top,
            bottom,
            below,
            left,
            right,
            beside,
            is_inside,
            False,
        )
        value = tl.where(is_inside, value * scale + low, low)
        tl.store(made + channel * to_by_channel + place * to_by_pixel, value, mask=is_there)
