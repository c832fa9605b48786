"""What kernels do with levels, float32 in 0..255, as `inference_service.filters.vision.levels` does."""

from __future__ import annotations

import triton
import triton.language as tl

from inference_service.device.kernels.jit import as_level


@triton.jit
def grey_of(red, green, blue):
    """Return luma by ITU-R BT.601-7, 2.5.1, not yet rounded."""
    return red * 0.299 + green * 0.587 + blue * 0.114


@triton.jit
def mixture(below, above, share):
    """Return `share` of `above` and the rest of `below`, as a whole level; NaN is 0."""
    return as_level(below + (above - below) * share).to(tl.float32)


@triton.jit
def lit_by(level, light):
    """Return a whole level with light on it."""
    return as_level(level * (255.0 - light) / 255.0).to(tl.float32) + light
