"""Turned squares of pictures taken out upright, and what is to be added there put back, at full resolution.

A sheet is a square of `side` pixels that shows a region of `networks.people.regions`; the pictures' own
detail is never resampled. OpenCV on a CPU, torch elsewhere.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.vision.at_once import parts
from inference_service.filters.vision.networks.people import regions

VALUES = 5
"""Of each pixel of a face, at the most at once on a GPU."""
SMALLEST = 1.0
"""Sides of regions in pixels below which there is nothing to see."""


def taken(pictures: Tensor, where: Tensor, owners: Tensor, side: int) -> Tensor:
    """Return (K, 3, side, side) float32 in [0, 1] of uint8 pictures (N, 3, H, W) on a CPU.

    `where` (K, 4) are regions, `owners` (K,) int64 their pictures. Elsewhere a `Cutter` does it.
    """
    levels = pictures.permute(0, 2, 3, 1).contiguous().numpy()
    cut = np.empty((len(where), side, side, 3), np.uint8)
    for into, region, owner in zip(cut, where.tolist(), owners.tolist(), strict=True):
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        matrix = regions.sheet_to_picture(region, side)
        cv2.warpAffine(
            levels[owner], matrix, (side, side), into, flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
    planes = torch.from_numpy(cut).permute(0, 3, 1, 2)
    return planes.to(torch.float32, memory_format=torch.contiguous_format).mul_(1 / 255)


def to_sheets(points: Tensor, where: Tensor, side: int) -> Tensor:
    """Return points (K, P, 2 or 3) of pictures as those of the sheets, a third coordinate scaled alike."""
    x, y, length, angle = where[:, :, None].unbind(1)
    scale = side / length.clamp(min=SMALLEST)
    to_x, to_y = points[..., 0] - x, points[..., 1] - y
    cos, sin = torch.cos(angle), torch.sin(angle)
    placed = [(to_x * cos + to_y * sin) * scale + side / 2, (to_y * cos - to_x * sin) * scale + side / 2]
    if points.shape[-1] > len(placed):
        placed.append(points[..., 2] * scale)
    return torch.stack(placed, -1)


def added(pictures: Tensor, changes: Tensor, where: Tensor, owners: Tensor) -> Tensor:
    """Return pictures with `changes` (K, 3, side, side) of [0, 1] levels added where the sheets were taken.

    uint8, for a CPU, where `pictures` may be overwritten. Changes must be 0 at the sheets' borders.
    """
    levels = pictures.permute(0, 2, 3, 1).contiguous().numpy()
    height, width = levels.shape[1:3]
    side = changes.shape[-1]
    sheets = changes.permute(0, 2, 3, 1).mul(255).contiguous().numpy()
    for sheet, region, owner in zip(sheets, where.tolist(), owners.tolist(), strict=True):
        x, y, length, angle = region
        if length < SMALLEST:
            continue
        half = length / 2 * (abs(math.cos(angle)) + abs(math.sin(angle)))
        left, right = max(0, math.floor(x - half)), min(width, math.ceil(x + half))
        top, bottom = max(0, math.floor(y - half)), min(height, math.ceil(y + half))
        if left >= right or top >= bottom:
            continue
        matrix = cv2.invertAffineTransform(regions.sheet_to_picture((x - left, y - top, length, angle), side))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        spread = cv2.warpAffine(sheet, matrix, (right - left, bottom - top), flags=flags)
        piece = levels[owner, top:bottom, left:right]
        piece[:] = cv2.add(piece, spread, dtype=cv2.CV_8U)
    return torch.from_numpy(levels).permute(0, 3, 1, 2)


def added_on_device(pictures: Tensor, changes: Tensor, where: Tensor) -> Tensor:
    """Return float32 of what `added` returns, where each of N pictures has the same number of sheets.

    The sheets are in the pictures' order; a place without a face has a region of side 0.
    """
    n, _, height, width = pictures.shape
    result = pictures.float()
    x, y, length, angle = where[:, :, None].unbind(1)
    scale = 2 / length.clamp(min=SMALLEST)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    across, down = (
        torch.arange(side, device=pictures.device, dtype=torch.float32) + 0.5 for side in (width, height)
    )
    # u and v of a pixel are sums of its column's and its row's part.
    to_x, to_y = across - x, down - y
    of_column = torch.stack((to_x * cos, -to_x * sin), 1)[..., None, :]
    of_row = torch.stack((to_y * sin, to_y * cos), 1)[..., None]
    places = len(where) // n
    for sheets, owners in parts(n, places, VALUES * height * width):
        # A place without a face has a square of no size: everything lies far outside of it.
        grid = (of_column[sheets] + of_row[sheets]).permute(0, 2, 3, 1)
        spread = nnf.grid_sample(changes[sheets], grid, "bilinear", "zeros", align_corners=False)
        own = result[owners]
        own.add_(spread.view(len(own), -1, *spread.shape[1:]).sum(1), alpha=255)
    return result
