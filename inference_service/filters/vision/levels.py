"""Pictures of bytes, (N, 3, H, W) RGB: resized, made grey, mixed. OpenCV on a CPU, torch or Triton elsewhere.

All agree within 1 of 255. On a CPU all of it lies channels last, as the worker's pictures do, and no
floating-point number stands for a level of the whole picture.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.device.kernels.twin import Twin, kernel_of

Size = tuple[int, int]
"""(height, width)."""


def size_of(pictures: Tensor) -> Size:
    """Return (height, width) of maps or pictures."""
    return pictures.shape[-2], pictures.shape[-1]


def shrunk(pictures: Tensor, size: Size) -> Tensor:
    """Return uint8 pictures in a smaller `size`, each pixel the mean of those it stands for."""
    if size_of(pictures) == size:
        return pictures
    if pictures.is_cpu:
        return _resized(pictures, size, cv2.INTER_AREA)
    return SHRUNK(pictures, size)


def stretched(pictures: Tensor, size: Size) -> Tensor:
    """Return uint8 pictures in `size`: bilinear, pixel centres at halves, nothing against aliasing."""
    if size_of(pictures) == size:
        return pictures
    if pictures.is_cpu:
        return _resized(pictures, size, cv2.INTER_LINEAR)
    return STRETCHED(pictures, size)


def luma(pictures: Tensor) -> Tensor:
    """Return (N, 1, H, W) float32, whole numbers in 0..255, by ITU-R BT.601-7, 2.5.1."""
    return grey(pictures).float() if pictures.is_cpu else GREY(pictures, torch.float32)


def grey(pictures: Tensor) -> Tensor:
    """Return `luma` as uint8."""
    if pictures.is_cpu:
        planes = [cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY) for image_rgb in interleaved(pictures)]
        return torch.from_numpy(np.stack(planes))[:, None]
    return GREY(pictures, torch.uint8)


def mixed(below: Tensor, above: Tensor, share: Tensor) -> Tensor:
    """Return uint8 pictures: `share`, (N, 1, H, W) float32 in 0..1, of `above`, the rest of `below`."""
    if not below.is_cpu:
        return MIXED(below, above, share)
    rest = (1 - share).numpy()
    made = np.empty((len(below), *size_of(below), 3), np.uint8)
    parts = zip(interleaved(below), interleaved(above), share.numpy(), rest, made, strict=True)
    for one_below, one_above, one_share, one_rest, into in parts:
        cv2.blendLinear(one_above, one_below, one_share[0], one_rest[0], into)
    return _planar(made)


def lit(pictures: Tensor, light: Tensor) -> Tensor:
    """Return uint8 pictures with uint8 `light` of their shape on them: 255 - (255 - p) (255 - l) / 255.

    So light adds to what is dark, and what is white stays white.
    """
    if not pictures.is_cpu:
        return LIT(pictures, light)
    made = np.empty((len(pictures), *size_of(pictures), 3), np.uint8)
    for one, its_light, into in zip(interleaved(pictures), interleaved(light), made, strict=True):
        cv2.multiply(one, cv2.bitwise_not(its_light), into, 1 / 255)
        cv2.add(into, its_light, into)
    return _planar(made)


def interleaved(pictures: Tensor) -> NDArray[np.uint8]:
    """Return (N, H, W, 3) of pictures on a CPU, without a copy where they lie channels last."""
    levels: NDArray[np.uint8] = pictures.permute(0, 2, 3, 1).contiguous().numpy()
    return levels


def _planar(levels: NDArray[Any]) -> Tensor:
    return torch.from_numpy(levels).permute(0, 3, 1, 2)


def _resized(pictures: Tensor, size: Size, way: int) -> Tensor:
    made = np.empty((len(pictures), *size, pictures.shape[1]), np.uint8)
    for one, into in zip(interleaved(pictures), made, strict=True):
        cv2.resize(one, size[::-1], dst=into, interpolation=way)
    return _planar(made)


def _shrunk_by_torch(pictures: Tensor, size: Size) -> Tensor:
    return _bytes(nnf.interpolate(pictures.float(), size, mode="area"))


def _stretched_by_torch(pictures: Tensor, size: Size) -> Tensor:
    return _bytes(nnf.interpolate(pictures.float(), size, mode="bilinear", align_corners=False))


def _grey_by_torch(pictures: Tensor, dtype: torch.dtype) -> Tensor:
    red, green, blue = (pictures[:, channel : channel + 1].float() for channel in range(3))
    return _bytes((red * 0.299).add_(green, alpha=0.587).add_(blue, alpha=0.114)).to(dtype)


def _mixed_by_torch(below: Tensor, above: Tensor, share: Tensor) -> Tensor:
    return _bytes(torch.lerp(below.float(), above.float(), share))


def _lit_by_torch(pictures: Tensor, light: Tensor) -> Tensor:
    left = _bytes(pictures.float() * (255 - light.float()) / 255)
    return left + light  # At most 255, as left <= 255 - light.


def _bytes(levels: Tensor) -> Tensor:
    return levels.round_().clamp_(0, 255).to(torch.uint8)


def _sample(device: torch.device, channels: int = 3, size: Size = (480, 640)) -> Tensor:
    made = torch.randint(0, 256, (4, channels, *size), dtype=torch.uint8, device=device)
    return made.contiguous(memory_format=torch.channels_last)


def _both(device: torch.device) -> list[tuple[Tensor, Tensor]]:
    return [(_sample(device), _sample(device))]


SHRUNK = Twin(
    "shrunk",
    _shrunk_by_torch,
    kernel_of("inference_service.filters.vision.kernels.resizing", "shrunk"),
    lambda device: [(_sample(device, channels), (240, 320)) for channels in (1, 3)],
)
STRETCHED = Twin(
    "stretched",
    _stretched_by_torch,
    kernel_of("inference_service.filters.vision.kernels.resizing", "stretched"),
    lambda device: [
        (_sample(device), (256, 256)),
        (_sample(device, size=(120, 160)), (480, 640)),
        (_sample(device, channels=1), (256, 256)),
    ],
)
GREY = Twin(
    "grey",
    _grey_by_torch,
    kernel_of("inference_service.filters.vision.kernels.mixing", "grey"),
    lambda device: [(_sample(device), dtype) for dtype in (torch.uint8, torch.float32)],
)
MIXED = Twin(
    "mixed",
    _mixed_by_torch,
    kernel_of("inference_service.filters.vision.kernels.mixing", "mixed"),
    lambda device: [(*both, torch.rand((4, 1, 480, 640), device=device)) for both in _both(device)],
)
LIT = Twin("lit", _lit_by_torch, kernel_of("inference_service.filters.vision.kernels.mixing", "lit"), _both)
