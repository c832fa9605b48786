"""The alpha of each pixel, in one kernel for each size of picture; see `background.whole`."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, pixel_strides, programs, rounded
from inference_service.filters.background import edges
from inference_service.filters.vision.kernels.bilinear import between, sampled
from inference_service.filters.vision.people import matte

PIXELS = 256
"""Of one program; most have two maps, and four neighbours in each."""
LUMA_NOISE = tl.constexpr(matte.LUMA_NOISE)
SHARPEST, SOFTEST = tl.constexpr(edges.SHARPEST), tl.constexpr(edges.SOFTEST)
MIDDLE, MARGIN_REACH = tl.constexpr(edges.MIDDLE), tl.constexpr(edges.MARGIN_REACH)


def looked_through(
    grey: Tensor,
    last: Tensor,
    slope: Tensor,
    offset: Tensor,
    kept: Tensor,
    softness: Tensor,
    margin: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return calmed luma, (N, 1, H, W) uint8, and alpha, float32; see `whole`."""
    grey, last = grey.contiguous(), last.contiguous()
    calm, alpha = torch.empty_like(grey), torch.empty_like(grey, dtype=torch.float32)
    count, _, height, width = grey.shape
    small_height, small_width = slope.shape[2:]
    slope, by_slope, _, by_slope_pixel = pixel_strides(slope)
    offset, by_offset, _, by_offset_pixel = pixel_strides(offset)
    _looked_through[(programs(height * width, PIXELS), count)](
        grey,
        last,
        slope,
        offset,
        kept,
        softness,
        margin,
        calm,
        alpha,
        height,
        width,
        small_height,
        small_width,
        by_slope,
        by_slope_pixel,
        by_offset,
        by_offset_pixel,
        kept.stride(0),
        softness.stride(0),
        margin.stride(0),
        small_height / height,
        small_width / width,
        block=PIXELS,
    )
    return calm, alpha


def alpha_at(luma: Tensor, slope: Tensor, offset: Tensor, softness: Tensor, margin: Tensor) -> Tensor:
    """Return alpha, float32, of luma, (N, 1, h, w) float32, in the size of the lines."""
    luma = luma.contiguous()
    alpha = torch.empty_like(luma)
    count, size = len(luma), luma[0].numel()
    slope, by_slope, _, by_slope_pixel = pixel_strides(slope)
    offset, by_offset, _, by_offset_pixel = pixel_strides(offset)
    _alpha_at[(programs(size, PIXELS), count)](
        luma,
        slope,
        offset,
        softness,
        margin,
        alpha,
        size,
        by_slope,
        by_slope_pixel,
        by_offset,
        by_offset_pixel,
        softness.stride(0),
        margin.stride(0),
        block=PIXELS,
    )
    return alpha


@triton.jit
def alpha_of(matte, softness, margin):
    """Do as `edges.alpha_of`; what is no number stays none."""
    # Interpreted, a constant may not come before a tensor.
    half_width = softness * (SOFTEST - SHARPEST) + SHARPEST
    middle = tl.minimum(tl.maximum(margin * -MARGIN_REACH + MIDDLE, half_width), 1.0 - half_width)
    ramp = (half_width - middle) / (2.0 * half_width) + matte * (1.0 / (2.0 * half_width))
    ramp = tl.where(ramp != ramp, ramp, tl.minimum(tl.maximum(ramp, 0.0), 1.0))
    return (3.0 - 2.0 * ramp) * ramp * ramp


@compiled_once
def _looked_through(
    grey,
    last,
    slope,
    offset,
    kept,
    softness,
    margin,
    calm,
    alpha,
    height,
    width,
    small_height,
    small_width,
    by_slope,
    by_slope_pixel,
    by_offset,
    by_offset_pixel,
    by_kept,
    by_softness,
    by_margin,
    down,
    across,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < height * width
    number = tl.program_id(1).to(tl.int64)
    pixel = number * height * width + place
    now = tl.load(grey + pixel, mask=is_there, other=0).to(tl.float32)
    before = tl.load(last + pixel, mask=is_there, other=0).to(tl.float32)
    mean = rounded(now + (before - now) * tl.load(kept + number * by_kept))
    luma = tl.where(tl.abs(now - before) > LUMA_NOISE, now, mean)
    tl.store(calm + pixel, luma.to(tl.uint8), mask=is_there)
    top, bottom, below = between(place // width, down, small_height)
    left, right, beside = between(place % width, across, small_width)
    slope += number * by_slope
    offset += number * by_offset
    its_slope = sampled(
        slope, small_width, by_slope_pixel, top, bottom, below, left, right, beside, is_there, False
    )
    its_offset = sampled(
        offset, small_width, by_offset_pixel, top, bottom, below, left, right, beside, is_there, False
    )
    its_softness = tl.load(softness + number * by_softness)
    its_margin = tl.load(margin + number * by_margin)
    its_alpha = alpha_of(its_offset + its_slope * luma, its_softness, its_margin)
    tl.store(alpha + pixel, its_alpha, mask=is_there)


@compiled_once
def _alpha_at(
    luma,
    slope,
    offset,
    softness,
    margin,
    alpha,
    size,
    by_slope,
    by_slope_pixel,
    by_offset,
    by_offset_pixel,
    by_softness,
    by_margin,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < size
    number = tl.program_id(1).to(tl.int64)
    its_luma = tl.load(luma + number * size + place, mask=is_there, other=0)
    its_slope = tl.load(slope + number * by_slope + place * by_slope_pixel, mask=is_there, other=0)
    its_offset = tl.load(offset + number * by_offset + place * by_offset_pixel, mask=is_there, other=0)
    its_softness = tl.load(softness + number * by_softness)
    its_margin = tl.load(margin + number * by_margin)
    its_alpha = alpha_of(its_offset + its_slope * its_luma, its_softness, its_margin)
    tl.store(alpha + number * size + place, its_alpha, mask=is_there)
