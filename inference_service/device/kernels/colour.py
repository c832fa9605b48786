"""I420 <-> RGB, and pictures of numbers as bytes: each picture is read once and written once.

The formulas are those of `inference_service.device.colour`.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import BLOCK, as_level, compiled_once, programs

SQUARES = 512
"""Of 2 x 2 pixels, in one program: more of them need so many registers that fewer programs run at once."""


def i420_to_rgb(i420: Tensor, numbers: tuple[float, ...]) -> Tensor:
    """Convert (N, H * 3 / 2, W) I420 uint8 to (N, 3, H, W) RGB uint8, channels last; see `_i420_to_rgb`."""
    i420 = i420.contiguous()
    count, rows, width = i420.shape
    height = rows * 2 // 3
    image_rgb = torch.empty((count, height, width, 3), dtype=torch.uint8, device=i420.device)
    grid = (programs(height * width // 4, SQUARES), count)
    _i420_to_rgb[grid](i420, image_rgb, height, width, *numbers, block=SQUARES)
    return image_rgb.permute(0, 3, 1, 2)


def rgb_to_i420(image_rgb: Tensor, numbers: tuple[float, ...]) -> Tensor:
    """Convert (N, 3, H, W) RGB uint8 of any strides to (N, H * 3 / 2, W) I420 uint8; see `_rgb_to_i420`."""
    count, _, height, width = image_rgb.shape
    i420 = torch.empty((count, height * 3 // 2, width), dtype=torch.uint8, device=image_rgb.device)
    grid = (programs(height * width // 4, SQUARES), count)
    _rgb_to_i420[grid](image_rgb, i420, height, width, *image_rgb.stride(), *numbers, block=SQUARES)
    return i420


def levels(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Return (N, C, H, W) floats as uint8, and (N,) bool: which pictures have a value that is not finite."""
    count, size = len(pictures), pictures[0].numel()
    made = torch.empty_like(pictures, dtype=torch.uint8)
    if pictures.stride() != made.stride() or made.stride(0) != size:
        # The values of a picture do not lie one after the other.
        pictures = pictures.contiguous()
        made = torch.empty_like(pictures, dtype=torch.uint8)
    is_bad = torch.zeros(count, dtype=torch.bool, device=pictures.device)
    _levels[(programs(size), count)](pictures, made, is_bad, size, block=BLOCK)
    return made, is_bad


@compiled_once
def _i420_to_rgb(
    i420,
    image_rgb,
    height,
    width,
    black,
    y_scale,
    cr_to_red,
    cb_to_green,
    cr_to_green,
    cb_to_blue,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    half_width = width // 2
    size = height * width
    is_there = place < size // 4
    row, column = place // half_width, place % half_width
    i420 += tl.program_id(1).to(tl.int64) * (size + size // 2)
    image_rgb += tl.program_id(1).to(tl.int64) * (size * 3)
    cb = tl.load(i420 + size + place, mask=is_there, other=0).to(tl.float32) - 128.0
    cr = tl.load(i420 + size + size // 4 + place, mask=is_there, other=0).to(tl.float32) - 128.0
    to_red, to_green, to_blue = cr * cr_to_red, cb * cb_to_green + cr * cr_to_green, cb * cb_to_blue
    for corner in tl.static_range(4):
        pixel = (row * 2 + corner // 2) * width + column * 2 + corner % 2
        y = tl.load(i420 + pixel, mask=is_there, other=0).to(tl.float32)
        y = tl.maximum((y - black) * y_scale, 0.0)
        tl.store(image_rgb + pixel * 3, as_level(y + to_red), mask=is_there)
        tl.store(image_rgb + pixel * 3 + 1, as_level(y + to_green), mask=is_there)
        tl.store(image_rgb + pixel * 3 + 2, as_level(y + to_blue), mask=is_there)


@compiled_once
def _rgb_to_i420(
    image_rgb,
    i420,
    height,
    width,
    by_picture,
    by_channel,
    by_row,
    by_pixel,
    red_to_y,
    green_to_y,
    blue_to_y,
    black,
    y_scale,
    to_cb,
    to_cr,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    half_width = width // 2
    size = height * width
    is_there = place < size // 4
    row, column = place // half_width, place % half_width
    image_rgb += tl.program_id(1).to(tl.int64) * by_picture
    i420 += tl.program_id(1).to(tl.int64) * (size + size // 2)
    for corner in tl.static_range(4):
        y, x = row * 2 + corner // 2, column * 2 + corner % 2
        pixel = image_rgb + y * by_row + x * by_pixel
        red = tl.load(pixel, mask=is_there, other=0).to(tl.float32)
        green = tl.load(pixel + by_channel, mask=is_there, other=0).to(tl.float32)
        blue = tl.load(pixel + 2 * by_channel, mask=is_there, other=0).to(tl.float32)
        luma = red * red_to_y + green * green_to_y + blue * blue_to_y
        tl.store(i420 + y * width + x, as_level(luma * y_scale + black), mask=is_there)
        if corner == 0:
            tl.store(i420 + size + place, as_level((blue - luma) * to_cb + 128.0), mask=is_there)
            tl.store(i420 + size + size // 4 + place, as_level((red - luma) * to_cr + 128.0), mask=is_there)


@compiled_once
def _levels(pictures, made, is_bad, size, block: tl.constexpr):
    number = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < size
    value = tl.load(pictures + number * size + place, mask=is_there, other=0).to(tl.float32)
    is_finite = tl.abs(value) < float("inf")
    tl.store(made + number * size + place, as_level(tl.where(is_finite, value, 0.0)), mask=is_there)
    # All that store here store the same.
    tl.store(is_bad + number + place * 0, tl.full((block,), 1, tl.int1), mask=~is_finite)
