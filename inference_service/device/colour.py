"""I420 <-> RGB, on any device.

With R, G, B and y in 0..1, and Kr, Kb of the matrix (Kg = 1 - Kr - Kb):

    y = Kr R + Kg G + Kb B,  cb = (B - y) / (2 (1 - Kb)),  cr = (R - y) / (2 (1 - Kr))

BT.601: Kr 0.299, Kb 0.114 (ITU-R BT.601-7, 2.5.1). BT.709: Kr 0.2126, Kb 0.0722 (ITU-R BT.709-6, 3.2).
Limited range: Y = 16 + 219 y, C = 128 + 224 c. Full range: Y = 255 y, C = 128 + 255 c (ITU-T H.273, 8.3;
for BT.601 the JPEG of ITU-T T.871).

On a CPU OpenCV converts BT.601 limited range, 8 to 20 times as fast as torch. The torch path and the kernels
of a GPU do as OpenCV does, so that workers on different devices agree to within 1. One chroma sample stands
for 2 x 2 pixels. It is taken from the upper left pixel, and spread without interpolation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch

from inference_service.device.crossing import Planes
from inference_service.device.kernels.twin import Twin, kernel_of
from shared.frame import ColourMatrix, ColourRange


@dataclass(frozen=True, slots=True)
class Colour:
    """How the Y, U and V of a frame are meant."""

    range: ColourRange = ColourRange.LIMITED
    matrix: ColourMatrix = ColourMatrix.BT601

    @property
    def is_opencv(self) -> bool:
        """OpenCV's I420 conversions mean this one."""
        return self.range is ColourRange.LIMITED and self.matrix is ColourMatrix.BT601


def planes_to_rgb(planes: Sequence[Planes], colour: Colour) -> torch.Tensor:
    """Convert frames of one size on the CPU.

    Returns (N, 3, H, W) RGB uint8 in memory of its own, channels last; `planes` are left as they are.
    """
    if not colour.is_opencv:
        return i420_to_rgb(torch.from_numpy(np.stack(planes)), colour)
    import cv2  # Only on a CPU.

    rows, width = planes[0].shape
    image_rgb = np.empty((len(planes), rows * 2 // 3, width, 3), np.uint8)
    for one, into in zip(planes, image_rgb, strict=True):
        cv2.cvtColor(one, cv2.COLOR_YUV2RGB_I420, dst=into)
    return torch.from_numpy(image_rgb).permute(0, 3, 1, 2)


def i420_to_rgb(i420: torch.Tensor, colour: Colour) -> torch.Tensor:
    """Convert (N, H * 3 / 2, W) I420 uint8 to (N, 3, H, W) RGB uint8, channels last, on the same device."""
    if i420.device.type == "cpu" and colour.is_opencv:
        return planes_to_rgb(list(i420.numpy()), colour)
    return TO_RGB(i420, _to_rgb(colour))


def rgb_to_i420(image_rgb: torch.Tensor, colour: Colour) -> torch.Tensor:
    """Convert (N, 3, H, W) RGB uint8 to (N, H * 3 / 2, W) I420 uint8 on the same device.

    Fastest where the input's memory is channels last.
    """
    if image_rgb.device.type == "cpu" and colour.is_opencv:
        return _rgb_to_i420_opencv(image_rgb)
    return TO_I420(image_rgb, _to_i420(colour))


class ToRgb(NamedTuple):
    """R = y + cr_to_red Cr and so on, with y = y_scale (Y - black), Cb and Cr from -128 on; all 0..255."""

    black: float
    y_scale: float
    cr_to_red: float
    cb_to_green: float
    cr_to_green: float
    cb_to_blue: float


class ToI420(NamedTuple):
    """Y = black + y_scale y with y the mean of R, G, B by their weights, Cb = 128 + to_cb (B - y), and Cr."""

    red_to_y: float
    green_to_y: float
    blue_to_y: float
    black: float
    y_scale: float
    to_cb: float
    to_cr: float


@cache
def _to_rgb(colour: Colour) -> ToRgb:
    y0, y_scale, c_scale = _scales(colour)
    kr, kg, kb = _weights(colour.matrix)
    cb, cr = (2 * (1 - weight) * 255.0 / c_scale for weight in (kb, kr))
    return ToRgb(y0, 255.0 / y_scale, cr, -cb * kb / kg, -cr * kr / kg, cb)


@cache
def _to_i420(colour: Colour) -> ToI420:
    y0, y_scale, c_scale = _scales(colour)
    kr, kg, kb = _weights(colour.matrix)
    to_cb, to_cr = (c_scale / (510.0 * (1 - weight)) for weight in (kb, kr))
    return ToI420(kr, kg, kb, y0, y_scale / 255.0, to_cb, to_cr)


def _to_rgb_by_torch(i420: torch.Tensor, by: ToRgb) -> torch.Tensor:
    count, rows, width = i420.shape
    height = rows * 2 // 3
    # As OpenCV: a Y below black is black before the chroma is added.
    y = (i420[:, :height] - by.black).mul_(by.y_scale).clamp_(min=0.0)
    chroma = (i420[:, height:] - 128.0).view(count, 2, height // 2, 1, width // 2, 1)
    chroma = chroma.expand(-1, -1, -1, 2, -1, 2).reshape(count, 2, height, width)
    cb, cr = chroma[:, 0], chroma[:, 1]
    image_rgb = y[..., None].expand(-1, -1, -1, 3).contiguous()
    red, green, blue = image_rgb.unbind(-1)
    red.add_(cr, alpha=by.cr_to_red)
    green.add_(cb, alpha=by.cb_to_green).add_(cr, alpha=by.cr_to_green)
    blue.add_(cb, alpha=by.cb_to_blue)
    return image_rgb.round_().clamp_(0, 255).to(torch.uint8).permute(0, 3, 1, 2)


def _to_i420_by_torch(image_rgb: torch.Tensor, by: ToI420) -> torch.Tensor:
    count, _, height, width = image_rgb.shape
    red, green, blue = image_rgb.unbind(1)
    luma = (red * by.red_to_y).add_(green, alpha=by.green_to_y).add_(blue, alpha=by.blue_to_y)
    chroma = torch.stack((blue[:, ::2, ::2], red[:, ::2, ::2]), 1) - luma[:, None, ::2, ::2]
    for plane, scale in enumerate((by.to_cb, by.to_cr)):
        chroma[:, plane].mul_(scale)
    i420 = torch.empty((count, height * 3 // 2, width), dtype=torch.uint8, device=image_rgb.device)
    # No luma is beyond the range, as the weights are those of a mean.
    i420[:, :height] = luma.mul_(by.y_scale).add_(by.black).round_()
    planes = i420[:, height:].view(chroma.shape)
    planes.copy_(chroma.add_(128.0).round_().clamp_(0, 255))
    return i420


def _samples(make: Callable[[Colour], Any], *shape: int) -> Callable[[torch.device], list[tuple[Any, ...]]]:
    def made(device: torch.device) -> list[tuple[Any, ...]]:
        numbers = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
        return [(numbers, make(Colour())), (numbers, make(Colour(ColourRange.FULL, ColourMatrix.BT709)))]

    return made


TO_RGB = Twin(
    "i420_to_rgb",
    _to_rgb_by_torch,
    kernel_of("inference_service.device.kernels.colour", "i420_to_rgb"),
    _samples(_to_rgb, 4, 720, 640),
)
TO_I420 = Twin(
    "rgb_to_i420",
    _to_i420_by_torch,
    kernel_of("inference_service.device.kernels.colour", "rgb_to_i420"),
    _samples(_to_i420, 4, 3, 480, 640),
)


def _rgb_to_i420_opencv(image_rgb: torch.Tensor) -> torch.Tensor:
    import cv2  # Only on a CPU.

    count, _, height, width = image_rgb.shape
    channels_last = image_rgb.permute(0, 2, 3, 1).contiguous().numpy()
    i420 = np.empty((count, height * 3 // 2, width), np.uint8)
    for one, into in zip(channels_last, i420, strict=True):
        cv2.cvtColor(one, cv2.COLOR_RGB2YUV_I420, dst=into)
    return torch.from_numpy(i420)


def _scales(colour: Colour) -> tuple[float, float, float]:
    return (16.0, 219.0, 224.0) if colour.range is ColourRange.LIMITED else (0.0, 255.0, 255.0)


def _weights(matrix: ColourMatrix) -> tuple[float, float, float]:
    kr, kb = (0.299, 0.114) if matrix is ColourMatrix.BT601 else (0.2126, 0.0722)
    return kr, 1 - kr - kb, kb
