"""From a network's rough map to the share of a person in each pixel: soft along edges, steady over time.

Edges: the guided filter (K. He, J. Sun, X. Tang, "Guided Image Filtering", TPAMI 2013), which explains the
map in each neighbourhood as a linear function of the picture's luma. The function is found in a small picture
and applied to the large one (K. He, J. Sun, "Fast Guided Filter", arXiv:1505.00996).

Time: each pixel keeps a share of its last value, as far as the picture did not change there. The share is so
small that half a second of frames leaves next to nothing of whatever was before.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.device.kernels.twin import Twin, kernel_of
from inference_service.filters.vision.enlarge import enlarged

RADIUS = 4
"""Of a neighbourhood, in pixels of the small picture: about two pixels of the network's map."""
EVENNESS = 6e-3
"""The variance of luma (0..1) below which a neighbourhood counts as even: the paper's epsilon.

Mattes of photographs are as good at a sixth of it, but then a camera's noise makes edges flicker.
"""
FRAMES_PER_S = 30.0
"""What `sequence` counts, at most."""
MEMORY_S = 0.12
"""Time in which a pixel of a still picture forgets all but 1/e, at the highest steadiness."""
FORGOTTEN_S = 0.5
"""After so long without a frame nothing of the last one is used."""
CHANGE = 4.0
"""The change of a level (0..255) at which a pixel keeps only 1/e of that share."""
NOISE = 2.5
"""Of a camera's levels, averaged over many pixels: this much of a change is none."""
LUMA_NOISE = 8.0
"""Levels by which a camera's noise changes the luma of one pixel from frame to frame, at most."""
CHANGE_REACH = 2
"""What changes makes the matte new so many pixels around it too: edges of the map move before colours do."""
CHANGE_OF_MIND = 0.6
"""The change of the matte at which a still pixel keeps only 1/e of that share: noise changes it less."""
LEAST_EXPONENT = -30.0
"""Of an exponential: what is less has no effect, and numbers near zero make a CPU slow."""


class Lines(NamedTuple):
    """The matte as a linear function of luma around each pixel: `slope * luma + offset`."""

    slope: Tensor
    """(N, 1, h, w) float32, for luma in 0..255."""
    offset: Tensor
    """(N, 1, h, w) float32."""

    def at(self, luma: Tensor) -> Tensor:
        """Return the matte, float32, of luma (N, 1, H, W) of any size; beyond 0..1 in places."""
        size = luma.shape[-2], luma.shape[-1]
        return torch.addcmul(enlarged(self.offset, size), enlarged(self.slope, size), luma)


def guided(luma: Tensor, matte: Tensor, radius: int = RADIUS, evenness: float = EVENNESS) -> Lines:
    """Return the lines that explain `matte` by `luma` in 0..255; both (N, 1, h, w) float32.

    Equations 5, 6 and 8 of the first paper.
    """
    return Lines(*GUIDED(luma, matte, radius, evenness))


def _guided_by_torch(luma: Tensor, matte: Tensor, radius: int, evenness: float) -> tuple[Tensor, Tensor]:
    guide = luma / 255
    means = box_mean(torch.cat((guide, matte, guide * guide, guide * matte), dim=1), radius)
    mean_guide, mean_matte, mean_square, mean_product = means.chunk(4, dim=1)
    variance = mean_square - mean_guide * mean_guide
    slope = (mean_product - mean_guide * mean_matte) / (variance + evenness)
    lines = box_mean(torch.cat((slope, mean_matte - slope * mean_guide), dim=1), radius)
    return lines[:, :1] / 255, lines[:, 1:]


def box_mean(maps: Tensor, radius: int) -> Tensor:
    """Return the mean of each square of `2 * radius + 1` pixels of (N, C, h, w) float32 maps.

    Beyond a border its last pixel is repeated.
    """
    side = 2 * radius + 1
    if not maps.is_cpu:
        padded = nnf.pad(maps, (radius,) * 4, mode="replicate")
        return nnf.avg_pool2d(padded, side, stride=1)
    planes = maps.contiguous().numpy().reshape(-1, *maps.shape[-2:])
    means = np.empty_like(planes)
    for one, into in zip(planes, means, strict=True):
        cv2.blur(one, (side, side), into, borderType=cv2.BORDER_REPLICATE)
    return torch.from_numpy(means).view(maps.shape)


def largest(maps: Tensor, radius: int) -> Tensor:
    """Return the largest value in each square of `2 * radius + 1` pixels of (N, C, h, w) float32 maps."""
    side = 2 * radius + 1
    if not maps.is_cpu:
        return nnf.max_pool2d(maps, side, stride=1, padding=radius)
    # A fiftieth of torch's time, and the same.
    planes = maps.contiguous().numpy().reshape(-1, *maps.shape[-2:])
    found = np.empty_like(planes)
    square = np.ones((side, side), np.uint8)
    for one, into in zip(planes, found, strict=True):
        cv2.dilate(one, square, into)
    return torch.from_numpy(found).view(maps.shape)


def kept_share(steadiness: float, frames: int) -> float:
    """Return how much of the last matte a still pixel keeps, 0..1, `frames` (1 or more) after it."""
    passed_s = frames / FRAMES_PER_S
    if steadiness <= 0 or not 0 < passed_s <= FORGOTTEN_S:
        return 0.0
    return math.exp(-passed_s / (MEMORY_S * steadiness))


def stillness(levels: Tensor, last: Tensor) -> Tensor:
    """Return (N, 1, h, w) float32: 1 where uint8 pictures (N, 3, h, w) are as the last ones, 0 where not."""
    return STILLNESS(levels, last, NOISE, CHANGE_REACH, CHANGE, LEAST_EXPONENT)


def _stillness_by_torch(
    levels: Tensor, last: Tensor, noise: float, reach: int, scale: float, least: float
) -> Tensor:
    change = (levels.float() - last.float()).abs_().amax(1, keepdim=True)
    change = box_mean(change, 1).sub_(noise).clamp_(min=0)
    return _likeness(largest(change, reach), scale, least)


def calmed(grey: Tensor, last: Tensor, kept: Tensor) -> Tensor:
    """Return uint8 luma (N, 1, H, W) with the share `kept`, (N, 1, 1, 1), of the last one where it is still.

    Each pixel by itself: of what differs by more than noise does nothing is kept. Along edges the lines are
    so steep that a camera's noise would move the matte more than all else does.
    """
    if not grey.is_cpu:
        mean = torch.lerp(grey.float(), last.float(), kept).round_().to(torch.uint8)
        return torch.where((grey.int() - last.int()).abs() > LUMA_NOISE, grey, mean)
    made = np.empty_like(grey.numpy())
    for now, before, share, into in zip(
        grey.numpy(), last.numpy(), kept.flatten().tolist(), made, strict=True
    ):
        cv2.addWeighted(before[0], share, now[0], 1 - share, 0, into[0])
        _, changed = cv2.threshold(cv2.absdiff(now[0], before[0]), LUMA_NOISE, 255, cv2.THRESH_BINARY)
        cv2.copyTo(now[0], changed, into[0])
    return torch.from_numpy(made)


def steadied(matte: Tensor, last: Tensor, still: Tensor, kept: Tensor) -> Tensor:
    """Return `matte` with the share `kept`, (N, 1, 1, 1), of the last one as far as the picture is `still`.

    All others (N, 1, h, w) float32, and `still` of any size. Where somebody moves, or the network is of quite
    another opinion, the new matte holds, so that no ghost stays behind.
    """
    return STEADIED(matte, last, still, kept, CHANGE_OF_MIND, LEAST_EXPONENT)


def _steadied_by_torch(
    matte: Tensor, last: Tensor, still: Tensor, kept: Tensor, scale: float, least: float
) -> Tensor:
    still = enlarged(still, (matte.shape[-2], matte.shape[-1]))
    return torch.lerp(matte, last, still * kept * _likeness(matte - last, scale, least))


def _likeness(change: Tensor, scale: float, least: float) -> Tensor:
    return (change / scale).square_().neg_().clamp_(min=least).exp_()


def _map(device: torch.device, height: int = 240, width: int = 320) -> Tensor:
    return torch.rand((4, 1, height, width), device=device)


def _guided_samples(device: torch.device) -> list[tuple[Tensor, Tensor, int, float]]:
    guide = _map(device)
    return [(guide * 255, (guide * 2 - 0.5).clamp(0, 1), RADIUS, EVENNESS)]


def _stillness_samples(device: torch.device) -> list[tuple[Tensor, Tensor, float, int, float, float]]:
    now = torch.randint(0, 256, (4, 3, 120, 160), dtype=torch.uint8, device=device)
    noise = torch.randint(0, 12, now.shape, dtype=torch.uint8, device=device)
    return [(now, now // 2 * 2 + noise // 2, NOISE, CHANGE_REACH, CHANGE, LEAST_EXPONENT)]


def _steadied_samples(device: torch.device) -> list[tuple[Tensor, Tensor, Tensor, Tensor, float, float]]:
    # Numbers of a picture lie beside its others.
    kept = torch.full((4, 5), 0.6, device=device).T[0][..., None, None, None]
    still = _map(device, 120, 160)
    return [(_map(device), _map(device), still, kept, CHANGE_OF_MIND, LEAST_EXPONENT)]


GUIDED = Twin(
    "guided",
    _guided_by_torch,
    kernel_of("inference_service.filters.vision.people.kernels.guided", "guided"),
    _guided_samples,
    off=0.001,
)
STILLNESS = Twin(
    "stillness",
    _stillness_by_torch,
    kernel_of("inference_service.filters.vision.people.kernels.steadying", "stillness"),
    _stillness_samples,
    off=0.01,
)
STEADIED = Twin(
    "steadied",
    _steadied_by_torch,
    kernel_of("inference_service.filters.vision.people.kernels.steadying", "steadied"),
    _steadied_samples,
    off=0.01,
)
