"""Where a pixel of a resized picture lies between those of the other: bilinear, pixel centres at halves."""

from __future__ import annotations

import triton
import triton.language as tl

from inference_service.device.kernels.jit import as_level


@triton.jit
def between(place, step, size):
    """Return both neighbours of output pixels, and how far these lie from the first to the second, 0..1.

    Along one direction, of which the picture has `size` pixels: `step` of them for each of the output.
    """
    at = tl.maximum((place.to(tl.float32) + 0.5) * step - 0.5, 0.0)
    first = tl.minimum(at.to(tl.int32), size - 1)
    return first, tl.minimum(first + 1, size - 1), at - first.to(tl.float32)


@triton.jit
def blend(upper_left, upper_right, lower_left, lower_right, right, down):
    """Return the value between four, `right` from the left ones to the others and `down` from the upper."""
    upper = upper_left * (1.0 - right) + upper_right * right
    lower = lower_left * (1.0 - right) + lower_right * right
    return upper * (1.0 - down) + lower * down


@triton.jit
def sampled(
    picture,
    width,
    by_pixel,
    top,
    bottom,
    down,
    left,
    right,
    across,
    is_there,
    are_levels: tl.constexpr,
):
    """Return one channel of a picture as float32 between rows `top` and `bottom`, columns `left` and `right`.

    As `between` says: `down` and `across`. `by_pixel` is the step from pixel to pixel. With `are_levels` the
    picture's numbers are rounded to whole levels first.
    """
    upper, lower = picture + top * width * by_pixel, picture + bottom * width * by_pixel
    left *= by_pixel
    right *= by_pixel
    upper_left = tl.load(upper + left, mask=is_there, other=0).to(tl.float32)
    upper_right = tl.load(upper + right, mask=is_there, other=0).to(tl.float32)
    lower_left = tl.load(lower + left, mask=is_there, other=0).to(tl.float32)
    lower_right = tl.load(lower + right, mask=is_there, other=0).to(tl.float32)
    if are_levels:
        upper_left, upper_right = as_level(upper_left).to(tl.float32), as_level(upper_right).to(tl.float32)
        lower_left, lower_right = as_level(lower_left).to(tl.float32), as_level(lower_right).to(tl.float32)
    return blend(upper_left, upper_right, lower_left, lower_right, across, down)
