"""Parts of pictures enlarged, bicubic, in one kernel; see `frame.crop`."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import as_level, compiled_once, pixel_strides, programs

PIXELS = 256
"""Of one program; each has three channels, and sixteen neighbours in each."""
SHARPNESS = tl.constexpr(-0.75)
"""Of the cubic: that of torch and of OpenCV."""


def enlarged(batch: Tensor, centre: Tensor, zoom: Tensor, whole: float) -> Tensor:
    """Return (N, 3, H, W) uint8 pictures: the parts round `centre` (N, 2), `zoom` (N,) times as large."""
    batch, *of_batch = pixel_strides(batch)
    made = torch.empty_like(batch)
    centre, zoom = centre.contiguous(), zoom.contiguous()
    count, _, height, width = batch.shape
    _enlarged[(programs(height * width, PIXELS), count)](
        batch,
        centre,
        zoom,
        made,
        height,
        width,
        *of_batch,
        *pixel_strides(made)[1:],
        whole,
        block=PIXELS,
    )
    return made


@triton.jit
def weight(distance):
    """Return how much a pixel counts at 0 to 2 pixels from the place (R. Keys, 1981)."""
    near = (distance * (SHARPNESS + 2.0) - (SHARPNESS + 3.0)) * distance * distance + 1.0
    far = ((distance - 5.0) * distance + 8.0) * distance - 4.0
    return tl.where(distance <= 1.0, near, far * SHARPNESS)


@compiled_once
def _enlarged(
    batch,
    centre,
    zoom,
    made,
    height,
    width,
    by_picture,
    by_channel,
    by_pixel,
    made_by_picture,
    made_by_channel,
    made_by_pixel,
    whole,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < height * width
    number = tl.program_id(1).to(tl.int64)
    its_zoom = tl.load(zoom + number)
    is_whole = its_zoom < whole
    step = tl.where(is_whole, 1.0, 1.0 / its_zoom)
    half_width, half_height = width.to(tl.float32) / 2.0, height.to(tl.float32) / 2.0
    x = tl.where(is_whole, half_width, tl.load(centre + number * 2))
    y = tl.where(is_whole, half_height, tl.load(centre + number * 2 + 1))
    x += ((place % width).to(tl.float32) + 0.5 - half_width) * step - 0.5
    y += ((place // width).to(tl.float32) + 0.5 - half_height) * step - 0.5
    left, top = tl.floor(x), tl.floor(y)
    batch += number * by_picture
    red = (place * 0).to(tl.float32)
    green, blue = red, red
    for down in range(-1, 3):
        row = tl.minimum(tl.maximum(top.to(tl.int32) + down, 0), height - 1) * width
        its_weight = weight(tl.abs(y - top - down))
        for across in tl.static_range(-1, 3):
            column = tl.minimum(tl.maximum(left.to(tl.int32) + across, 0), width - 1)
            share = its_weight * weight(tl.abs(x - left - across))
            pixel = batch + (row + column) * by_pixel
            red += share * tl.load(pixel, mask=is_there, other=0).to(tl.float32)
            green += share * tl.load(pixel + by_channel, mask=is_there, other=0).to(tl.float32)
            blue += share * tl.load(pixel + 2 * by_channel, mask=is_there, other=0).to(tl.float32)
    made += number * made_by_picture + place * made_by_pixel
    tl.store(made, as_level(red), mask=is_there)
    tl.store(made + made_by_channel, as_level(green), mask=is_there)
    tl.store(made + 2 * made_by_channel, as_level(blue), mask=is_there)
