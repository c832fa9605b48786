"""Looking at whole pictures: which faces are there, and which persons.

Faces are looked for upright, and in copies that are turned, as the detectors find faces turned by up to about
45 degrees. A picture with little contrast (dark, in fog, fading in) is stretched first, so that what people
can make out the networks can too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inference_service.device.kernels.twin import Twin, kernel_of
from inference_service.filters.vision.networks.people import regions
from inference_service.filters.vision.networks.people.cutting import Cutter
from inference_service.filters.vision.networks.people.detections import Detections
from inference_service.filters.vision.networks.people.face_finder import FaceFinder
from inference_service.filters.vision.networks.people.person_mask import PersonMask
from inference_service.filters.vision.networks.people.recordable import Steps, floats
from inference_service.filters.vision.rows import upload

MOST_FACES = 8
CROWD = 0.2
"""Score from which on a face counts where there may be more than `MOST_FACES`: in a crowd each is small, and
the finders are less sure of it. Pictures without people have up to six such places."""
TURNS = (-0.85, 0.85)
"""Radians: about 49 degrees either way."""
TURNED_SIDE = 256
MOST_SIZES = 32
TURNED_REACH = 1.1
"""Side of the turned square against the picture's longer side."""
SAME = 0.25
"""Two found faces are one whose middles are nearer than this share of the larger one's square."""
LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601-7, 2.5.1."""
SAMPLING = 8
"""Every eighth pixel of every eighth row tells how bright a picture is."""
CONTRAST, MOST_GAIN = 0.16, 12.0
"""Standard deviation of the luminance (0..1) to which a flat picture is stretched, by so much at most."""
BLIND = 0.008
"""Standard deviation of the luminance below which a picture is too flat to tell what is in it."""


class Found(NamedTuple):
    """Faces of N pictures, best first."""

    regions: Tensor
    """(N, F, 4) float32 turned squares, see `regions.py`."""
    scores: Tensor
    """(N, F) float32; 0 where there is none."""


class Looker:
    """The networks that see whole pictures."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        """Load the weights. Raises WeightsError if they are not those of this version."""
        self._device = device
        self._find = FaceFinder(device, limit=MOST_FACES + 1, dtype=dtype)
        self._find_turned = FaceFinder(device, ("near",), limit=MOST_FACES, dtype=dtype)
        self._mask = PersonMask("general", device, dtype)
        self._cut = Cutter(device, TURNED_SIDE)
        upright, turned = ((floats(n, 4), floats(n, 6, 2), floats(n)) for n in (MOST_FACES + 1, MOST_FACES))
        self._all = Steps(device, _all, *upright, floats(4), *turned, floats(4), *turned)
        self._squares = lru_cache(MOST_SIZES)(self._squares_of)
        self.mask_size = self._mask.size

    def begin_faces(self, pictures: Tensor, least: Tensor) -> Callable[[], Found]:
        """Begin to look for up to `MOST_FACES + 1` faces in each of (N, 3, H, W); what is returned waits for
        them.

        `least` (N,) is their lowest score, but `CROWD` where that is less.
        """
        finding = self._find.begin(pictures, least[:, None].clamp(max=CROWD))

        def found() -> Found:
            made = finding()
            return Found(regions.of_found_faces(made.boxes, made.points), made.scores)

        return found

    def turned_faces(self, pictures: Tensor, least: Tensor) -> Found:
        """Return the faces that are seen in turned copies of the pictures, best first; as `faces`."""
        parts = self._turned(pictures, least)
        return both(*(turned(where, found.boxes, found.points, found.scores) for where, found in parts))

    def all_faces(self, pictures: Tensor, least: Tensor) -> Found:
        """Return `both` of `faces` and `turned_faces`, without a question to the device."""
        upright = self._find(pictures, least[:, None].clamp(max=CROWD))
        answers = [upright.boxes, upright.points, upright.scores]
        for where, found in self._turned(pictures, least):
            answers += [where, found.boxes, found.points, found.scores]
        return Found(*self._all(*answers))

    def _turned(self, pictures: Tensor, least: Tensor) -> list[tuple[Tensor, Detections]]:
        """Return the turned squares (N, 4), and what is found in each."""
        n, _, height, width = pictures.shape
        owners = torch.arange(n, device=pictures.device)
        found = []
        for where in self._squares(height, width)[:, None].expand(-1, n, -1).unbind(0):
            cuts = self._cut(pictures, where, owners)
            found.append((where, self._find_turned(cuts, least[:, None])))
        return found

    def _squares_of(self, height: int, width: int) -> Tensor:
        side = max(height, width) * TURNED_REACH
        rows = [(width / 2, height / 2, side, angle) for angle in TURNS]
        return upload(np.array(rows, np.float32), self._device)

    def persons(self, pictures: Tensor) -> Tensor:
        """Return the probability of a person, (N, 1, h, w) float32, stretched over each picture."""
        return self._mask(pictures)


def turned(where: Tensor, boxes: Tensor, points: Tensor, scores: Tensor) -> Found:
    """Return what `Detections` in turned squares `where` (N, 4) are in their pictures."""
    own = regions.of_found_faces(boxes, points)
    middle = regions.to_picture(own[..., :2] / TURNED_SIDE, where)
    side = own[..., 2:3] * (where[:, None, 2:3] / TURNED_SIDE)
    return Found(torch.cat((middle, side, own[..., 3:] + where[:, None, 3:]), -1), scores)


def _all(boxes: Tensor, points: Tensor, scores: Tensor, *of_turned: Tensor) -> tuple[Tensor, Tensor]:
    upright = Found(regions.of_found_faces(boxes, points), scores)
    return both(upright, both(turned(*of_turned[:4]), turned(*of_turned[4:])))


def both(one: Found, other: Found) -> Found:
    """Return the faces of both, each once, best first, as many as the larger of both can hold."""
    count = max(one.scores.shape[1], other.scores.shape[1])
    squares, scores = torch.cat((one.regions, other.regions), 1), torch.cat((one.scores, other.scores), 1)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    squares = squares.gather(1, order[..., None].expand(-1, -1, 4))
    away = torch.linalg.vector_norm(squares[:, :, None, :2] - squares[:, None, :, :2], dim=-1)
    side = torch.maximum(squares[:, :, None, 2], squares[:, None, :, 2])
    is_earlier = torch.ones_like(away[0], dtype=torch.bool).tril(-1)
    is_again = ((away < SAME * side) & is_earlier & (scores > 0)[:, None]).any(-1)
    scores, order = (scores * ~is_again).topk(count, 1)
    return Found(squares.gather(1, order[..., None].expand(-1, -1, 4)), scores)


def sampled(pictures: Tensor) -> Tensor:
    """Return (N, 1, h, w) float32 luminance in 0..1 of some of the pixels."""
    some = pictures[:, :, ::SAMPLING, ::SAMPLING].to(torch.float32)
    red, green, blue = (some[:, channel : channel + 1] * (share / 255) for channel, share in enumerate(LUMA))
    return red + green + blue


def stretched(pictures: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pictures with enough contrast, and (N,) bool, which of them are too flat to tell.

    `samples` are those of `sampled`. On a CPU pictures that have it are returned as they are, uint8.
    """
    spread, mean = torch.std_mean(samples.flatten(1), dim=1, correction=0)
    is_blind = spread < BLIND
    gain = (CONTRAST / spread.clamp(min=1e-4)).clamp(1, MOST_GAIN)
    if pictures.device.type == "cpu" and bool((gain <= 1).all()):
        return pictures, is_blind
    # A dark picture becomes as bright as one that is well lit, the middle of others stays.
    middle = torch.where(gain > 1, torch.maximum(mean, torch.full_like(mean, 0.4)), mean)
    return CONTRASTED(pictures, gain, mean * 255, middle * 255), is_blind


def _contrasted_by_torch(pictures: Tensor, gain: Tensor, mean: Tensor, middle: Tensor) -> Tensor:
    gain, mean, middle = (value[:, None, None, None] for value in (gain, mean, middle))
    return (pictures.float() - mean).mul_(gain).add_(middle).clamp_(0, 255)


def _samples(device: torch.device) -> list[tuple[Tensor, ...]]:
    pictures = torch.randint(0, 256, (4, 3, 480, 640), dtype=torch.uint8, device=device)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    numbers = (torch.full((4,), value, device=device) for value in (3.0, 100.0, 110.0))
    return [(pictures, *numbers)]


CONTRASTED = Twin(
    "contrasted",
    _contrasted_by_torch,
    kernel_of("inference_service.filters.vision.kernels.floating", "contrasted"),
    _samples,
)
