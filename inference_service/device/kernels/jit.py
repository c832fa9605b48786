"""What all kernels share: compiled once for each type of their tensors, and rounding as torch rounds."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Values of one program, for four warps."""


def compiled_once(function: Callable[..., Any]) -> Any:
    """Return a Triton kernel that is never compiled again for another size or alignment.

    Triton would compile anew where a number is 1 or divisible by 16, which stops the loop for some tenths of
    a second in the middle of calls.
    """
    names = [
        name
        for name, one in inspect.signature(function).parameters.items()
        if "constexpr" not in str(one.annotation)
    ]
    return triton.jit(function, do_not_specialize=names, do_not_specialize_on_alignment=names)


def programs(count: int, block: int = BLOCK) -> int:
    """Return how many programs do `count` values."""
    return -(-count // block)


def pixel_strides(pictures: Tensor) -> tuple[Tensor, int, int, int]:
    """Return (N, C, H, W) pictures whose pixels lie evenly, and the strides of picture, channel and pixel.

    Both forms that torch makes are taken as they are: planes, and channels last. All else is copied.
    """
    _, channels, height, width = pictures.shape
    by_picture, by_channel, by_row, by_pixel = pictures.stride()
    if by_row != width * by_pixel and height > 1:
        pictures = pictures.contiguous()
        by_picture, by_channel, by_pixel = channels * height * width, height * width, 1
    return pictures, by_picture, by_channel, by_pixel


@triton.jit
def rounded(value):
    """Round float32 below 2 ** 22 to the nearest whole number, ties to even, as torch does.

    1.5 * 2 ** 23 leaves no bit for fractions, so the addition itself rounds.
    """
    return (value + 12582912.0) - 12582912.0


@triton.jit
def as_level(value):
    """Return float32 as uint8 in 0..255, rounded."""
    return rounded(tl.minimum(tl.maximum(value, 0.0), 255.0)).to(tl.uint8)
