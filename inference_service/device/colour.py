"""I420 <-> RGB, on any device.

With R, G, B and y in 0..1, and Kr, Kb of the matrix (Kg = 1 - Kr - Kb):

    y = Kr R + Kg G + Kb B,  cb = (B - y) / (2 (1 - Kb)),  cr = (R - y) / (2 (1 - Kr))

BT.601: Kr 0.299, Kb 0.114 (ITU-R BT.601-7, 2.5.1). BT.709: Kr 0.2126, Kb 0.0722 (ITU-R BT.709-6, 3.2).
Limited range: Y = 16 + 219 y, C = 128 + 224 c. Full range: Y = 255 y, C = 128 + 255 c (ITU-T H.273, 8.3;
for BT.601 the JPEG of ITU-T T.871).

On a CPU OpenCV converts BT.601 limited range, 8 to 20 times as fast as torch. The torch path does as OpenCV
does, so that workers on different devices agree to within 1. One chroma sample stands for 2 x 2 pixels. It
is taken from the upper left pixel, and spread without interpolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from inference_service.device.crossing import Planes
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
    count, rows, width = i420.shape
    height = rows * 2 // 3
    y0, y_scale, c_scale = _scales(colour)
    y = (i420[:, :height] - y0).mul_(255.0 / y_scale)
    if colour.range is ColourRange.LIMITED:
        # As OpenCV: a Y below black is black before the chroma is added.
        y.clamp_(min=0.0)
    chroma = (i420[:, height:] - 128.0).mul_(255.0 / c_scale).view(count, 2, height // 2, 1, width // 2, 1)
    chroma = chroma.expand(-1, -1, -1, 2, -1, 2).reshape(count, 2, height, width)
    cb, cr = chroma[:, 0], chroma[:, 1]
    kr, kg, kb = _weights(colour.matrix)
    image_rgb = y[..., None].expand(-1, -1, -1, 3).contiguous()
    red, green, blue = image_rgb.unbind(-1)
    red.add_(cr, alpha=2 * (1 - kr))
    green.add_(cb, alpha=-2 * (1 - kb) * kb / kg).add_(cr, alpha=-2 * (1 - kr) * kr / kg)
    blue.add_(cb, alpha=2 * (1 - kb))
    return image_rgb.round_().clamp_(0, 255).to(torch.uint8).permute(0, 3, 1, 2)


def rgb_to_i420(image_rgb: torch.Tensor, colour: Colour) -> torch.Tensor:
    """Convert (N, 3, H, W) RGB uint8 to (N, H * 3 / 2, W) I420 uint8 on the same device.

    Fastest where the input's memory is channels last.
    """
    if image_rgb.device.type == "cpu" and colour.is_opencv:
        return _rgb_to_i420_opencv(image_rgb)
    count, _, height, width = image_rgb.shape
    y0, y_scale, c_scale = _scales(colour)
    kr, kg, kb = _weights(colour.matrix)
    red, green, blue = image_rgb.unbind(1)
    luma = (red * kr).add_(green, alpha=kg).add_(blue, alpha=kb)
    chroma = torch.stack((blue[:, ::2, ::2], red[:, ::2, ::2]), 1) - luma[:, None, ::2, ::2]
    for plane, weight in enumerate((kb, kr)):
        chroma[:, plane].mul_(c_scale / (510.0 * (1 - weight)))
    i420 = torch.empty((count, height * 3 // 2, width), dtype=torch.uint8, device=image_rgb.device)
    # No luma is beyond the range, as the weights are those of a mean.
    i420[:, :height] = luma.mul_(y_scale / 255.0).add_(y0).round_()
    planes = i420[:, height:].view(chroma.shape)
    planes.copy_(chroma.add_(128.0).round_().clamp_(0, 255))
    return i420


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
