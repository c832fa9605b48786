"""Whole pictures of bytes made grey, mixed and lit: each is read and written once."""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, pixel_strides, programs, rounded
from inference_service.filters.vision.kernels.arithmetic import grey_of, lit_by, mixture

PIXELS = 512
"""Of one program; each has three channels of up to three pictures."""


def grey(pictures: Tensor, dtype: torch.dtype) -> Tensor:
    """Return (N, 1, H, W) whole numbers of `dtype`: the luma of (N, 3, H, W) uint8."""
    pictures, *strides = pixel_strides(pictures)
    count, _, height, width = pictures.shape
    made = torch.empty((count, 1, height, width), dtype=dtype, device=pictures.device)
    size = height * width
    _grey[(programs(size, PIXELS), count)](pictures, made, size, *strides, block=PIXELS)
    return made


def mixed(below: Tensor, above: Tensor, share: Tensor) -> Tensor:
    """Return uint8: `share`, (N, 1, H, W) of any strides, of `above`, the rest of `below`."""
    below, *of_below = pixel_strides(below)
    above, *of_above = pixel_strides(above)
    share, by_picture, _, by_pixel = pixel_strides(share)
    made = torch.empty_like(below, memory_format=torch.preserve_format)
    count, _, height, width = below.shape
    _mixed[(programs(height * width, PIXELS), count)](
        below,
        above,
        share,
        made,
        height * width,
        *of_below,
        *of_above,
        by_picture,
        by_pixel,
        *pixel_strides(made)[1:],
        block=PIXELS,
    )
    return made


def lit(pictures: Tensor, light: Tensor) -> Tensor:
    """Return uint8 pictures with uint8 light on them."""
    pictures, *of_pictures = pixel_strides(pictures)
    light, *of_light = pixel_strides(light)
    made = torch.empty_like(pictures)
    count, _, height, width = pictures.shape
    _lit[(programs(height * width, PIXELS), count)](
        pictures,
        light,
        made,
        height * width,
        *of_pictures,
        *of_light,
        *pixel_strides(made)[1:],
        block=PIXELS,
    )
    return made


@compiled_once
def _grey(pictures, made, size, by_picture, by_channel, by_pixel, block: tl.constexpr):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < size
    number = tl.program_id(1).to(tl.int64)
    red = pictures + number * by_picture + place * by_pixel
    luma = grey_of(
        tl.load(red, mask=is_there, other=0).to(tl.float32),
        tl.load(red + by_channel, mask=is_there, other=0).to(tl.float32),
        tl.load(red + 2 * by_channel, mask=is_there, other=0).to(tl.float32),
    )
    tl.store(made + number * size + place, rounded(luma).to(made.dtype.element_ty), mask=is_there)


@compiled_once
def _mixed(
    below,
    above,
    share,
    made,
    size,
    below_by_picture,
    below_by_channel,
    below_by_pixel,
    above_by_picture,
    above_by_channel,
    above_by_pixel,
    share_by_picture,
    share_by_pixel,
    made_by_picture,
    made_by_channel,
    made_by_pixel,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < size
    number = tl.program_id(1).to(tl.int64)
    below += number * below_by_picture + place * below_by_pixel
    above += number * above_by_picture + place * above_by_pixel
    made += number * made_by_picture + place * made_by_pixel
    its_share = tl.load(share + number * share_by_picture + place * share_by_pixel, mask=is_there, other=0)
    for channel in tl.static_range(3):
        one = tl.load(below + channel * below_by_channel, mask=is_there, other=0).to(tl.float32)
        other = tl.load(above + channel * above_by_channel, mask=is_there, other=0).to(tl.float32)
        level = mixture(one, other, its_share)
        tl.store(made + channel * made_by_channel, level.to(tl.uint8), mask=is_there)


@compiled_once
def _lit(
    pictures,
    light,
    made,
    size,
    by_picture,
    by_channel,
    by_pixel,
    light_by_picture,
    light_by_channel,
    light_by_pixel,
    made_by_picture,
    made_by_channel,
    made_by_pixel,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < size
    number = tl.program_id(1).to(tl.int64)
    pictures += number * by_picture + place * by_pixel
    light += number * light_by_picture + place * light_by_pixel
    made += number * made_by_picture + place * made_by_pixel
    for channel in tl.static_range(3):
        level = tl.load(pictures + channel * by_channel, mask=is_there, other=0).to(tl.float32)
        its_light = tl.load(light + channel * light_by_channel, mask=is_there, other=0).to(tl.float32)
        level = lit_by(level, its_light)
        tl.store(made + channel * made_by_channel, level.to(tl.uint8), mask=is_there)
