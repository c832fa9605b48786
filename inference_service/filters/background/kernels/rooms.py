"""Persons before other rooms, in one kernel for each kind of room; see `background.whole`."""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, pixel_strides, programs, rounded
from inference_service.filters.vision.kernels.arithmetic import lit_by, mixture
from inference_service.filters.vision.kernels.bilinear import between, sampled

PIXELS = 256
"""Of one program; each has three channels, and four neighbours."""


def before_blur(seen: Tensor, room: Tensor, share: Tensor) -> Tensor:
    """Return uint8 pictures before tiny rooms, (N, 3, h, w) float32; see `whole`."""
    seen, *of_seen = pixel_strides(seen)
    room, share = room.contiguous(), share.contiguous()
    made = torch.empty_like(seen)
    count, _, height, width = seen.shape
    small_height, small_width = room.shape[2:]
    _before_blur[(programs(height * width, PIXELS), count)](
        seen,
        room,
        share,
        made,
        height,
        width,
        small_height,
        small_width,
        *of_seen,
        *pixel_strides(made)[1:],
        small_height / height,
        small_width / width,
        block=PIXELS,
    )
    return made


def before_room(seen: Tensor, own: Tensor, light: Tensor | None, room: Tensor, share: Tensor) -> Tensor:
    """Return uint8 pictures before new rooms, with tiny `own` colours and `light`, float32; see `whole`."""
    seen, *of_seen = pixel_strides(seen)
    room, *of_room = pixel_strides(room)
    own, share = own.contiguous(), share.contiguous()
    made = torch.empty_like(seen)
    count, _, height, width = seen.shape
    small_height, small_width = own.shape[2:]
    _before_room[(programs(height * width, PIXELS), count)](
        seen,
        own,
        own if light is None else light.contiguous(),
        room,
        share,
        made,
        height,
        width,
        small_height,
        small_width,
        *of_seen,
        *of_room,
        *pixel_strides(made)[1:],
        small_height / height,
        small_width / width,
        is_lit=light is not None,
        block=PIXELS,
    )
    return made


@compiled_once
def _before_blur(
    seen,
    room,
    share,
    made,
    height,
    width,
    small_height,
    small_width,
    by_picture,
    by_channel,
    by_pixel,
    made_by_picture,
    made_by_channel,
    made_by_pixel,
    down,
    across,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < height * width
    number = tl.program_id(1).to(tl.int64)
    top, bottom, below = between(place // width, down, small_height)
    left, right, beside = between(place % width, across, small_width)
    its_share = tl.load(share + number * height * width + place, mask=is_there, other=0)
    seen += number * by_picture + place * by_pixel
    made += number * made_by_picture + place * made_by_pixel
    room += number * 3 * small_height * small_width
    for channel in tl.static_range(3):
        plane = room + channel * small_height * small_width
        behind = sampled(plane, small_width, 1, top, bottom, below, left, right, beside, is_there, True)
        level = tl.load(seen + channel * by_channel, mask=is_there, other=0).to(tl.float32)
        level = mixture(rounded(behind), level, its_share)
        tl.store(made + channel * made_by_channel, level.to(tl.uint8), mask=is_there)


@compiled_once
def _before_room(
    seen,
    own,
    light,
    room,
    share,
    made,
    height,
    width,
    small_height,
    small_width,
    by_picture,
    by_channel,
    by_pixel,
    room_by_picture,
    room_by_channel,
    room_by_pixel,
    made_by_picture,
    made_by_channel,
    made_by_pixel,
    down,
    across,
    is_lit: tl.constexpr,
    block: tl.constexpr,
):
    place = tl.program_id(0) * block + tl.arange(0, block)
    is_there = place < height * width
    number = tl.program_id(1).to(tl.int64)
    top, bottom, below = between(place // width, down, small_height)
    left, right, beside = between(place % width, across, small_width)
    its_share = tl.load(share + number * height * width + place, mask=is_there, other=0)
    seen += number * by_picture + place * by_pixel
    room += number * room_by_picture + place * room_by_pixel
    made += number * made_by_picture + place * made_by_pixel
    for channel in tl.static_range(3):
        plane = (number * 3 + channel) * small_height * small_width
        colour = sampled(own + plane, small_width, 1, top, bottom, below, left, right, beside, is_there, True)
        level = tl.load(seen + channel * by_channel, mask=is_there, other=0).to(tl.float32)
        level = mixture(rounded(colour), level, its_share)
        if is_lit:
            shine = sampled(
                light + plane, small_width, 1, top, bottom, below, left, right, beside, is_there, True
            )
            level = lit_by(level, rounded(shine))
        behind = tl.load(room + channel * room_by_channel, mask=is_there, other=0).to(tl.float32)
        level = mixture(behind, level, its_share)
        tl.store(made + channel * made_by_channel, level.to(tl.uint8), mask=is_there)
