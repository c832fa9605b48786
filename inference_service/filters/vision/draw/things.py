"""What a detector found, drawn as frames and labels over the camera's pictures."""

from __future__ import annotations

import colorsys
import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inference_service.device.kernels.twin import Twin, kernel_of
from inference_service.filters.vision.coco import CLASSES, NAMES
from inference_service.filters.vision.draw import canvas
from inference_service.filters.vision.draw.boxes import frames, whole
from inference_service.filters.vision.draw.labels import Lettering, labels, lettering
from inference_service.filters.vision.networks.rcnn import Things

WORDS = tuple(NAMES.get(number, "") for number in range(CLASSES))
TEXT_SHARE = 1 / 30
"""Height of a label's text against the picture's height; no less than `LEAST_TEXT` pixels."""
LEAST_TEXT = 10
MAX_LETTERINGS = 16
"""One is drawn in tens of milliseconds, during which all sessions wait, and takes some hundred kB."""
_HUE_STEP = 0.618034
"""The golden section: however many classes there are, neighbours by number differ in hue."""


class Look(NamedTuple):
    """How each of N pictures is to be drawn, all on the device."""

    line: Tensor
    """(N,) float32: width of lines against the picture's height."""
    has_label: Tensor
    """(N,) bool."""
    has_score: Tensor
    """(N,) bool."""
    colours: Tensor
    """(N, CLASSES, 3) float32, RGB, 0 to 255."""


class ThingPainter:
    """Keeps the lettering of the sizes of pictures it has met. One thread only."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._lettering: dict[int, Lettering] = {}

    def draw(self, pictures: Tensor, things: Things, look: Look, poison: Tensor, widest: float) -> Tensor:
        """Return (N, 3, H, W) float32 drawings over uint8 RGB `pictures` of that shape.

        The best thing lies on top, and labels on all frames. All of a picture is NaN where its `poison` (N,)
        float32 is not finite; else that is 0. `widest`: no less than any of `look.line`, on the host.
        """
        return THINGS(pictures, things, look, poison, self._letters(pictures.shape[2]), widest)

    def _letters(self, height: int) -> Lettering:
        text = max(LEAST_TEXT, round(height * TEXT_SHARE))
        found = self._lettering.pop(text, None) or lettering(WORDS, text, self._device)
        if len(self._lettering) >= MAX_LETTERINGS:
            # That which was not used for longest.
            del self._lettering[next(iter(self._lettering))]
        self._lettering[text] = found
        return found


def by_torch(
    pictures: Tensor, things: Things, look: Look, poison: Tensor, letters: Lettering, widest: float
) -> Tensor:
    """Draw as `ThingPainter.draw` says, without a question to a GPU."""
    n, _, height, width = pictures.shape
    size = (n, height, width)
    lines = (look.line * height).round().clamp(min=1).to(torch.int64)
    count = things.labels.shape[1]
    rank = torch.arange(count, device=pictures.device)
    picture = torch.arange(n, device=pictures.device)[:, None].expand(n, count)
    rows = [
        picture,
        torch.where(things.is_real, count - rank, 0),
        torch.where(things.is_real & look.has_label[:, None], 2 * count - rank, 0),
        lines[:, None].expand(n, count),
        things.labels,
        torch.where(look.has_score[:, None], (things.scores * 100).floor().to(torch.int64), -1),
    ]
    boxes = things.boxes.flatten(0, 1)
    flat = [row.flatten() for row in rows]
    if pictures.device.type == "cpu":
        # Asking what there is costs nothing here, and drawing nothing does.
        real = things.is_real.flatten().nonzero()[:, 0]
        boxes, flat = boxes[real], [row[real] for row in flat]
    at, frame, label, line, word, number = flat
    boxes = whole(boxes, size)
    # One piece after the other, so that no two are there at once.
    marks = itertools.chain(
        frames(boxes, at, frame, line, max(1, round(widest * height)), size),
        (labels(boxes, at, label, word, number, letters, size),),
    )
    keys = canvas.write(size, pictures.device, marks)
    shape, cover = canvas.read_stacked(keys)
    painted = canvas.coloured(shape, _table(things.labels, look.colours))
    share = (cover.to(torch.float32) / canvas.FULL)[:, None]
    drawn = torch.lerp(painted[:, :3], painted[:, 3:].expand(-1, 3, -1, -1), share)
    drawn = torch.where((shape > 0)[:, None], drawn, pictures.to(torch.float32))
    return drawn.add_(poison[:, None, None, None])


def _table(labels: Tensor, colours: Tensor) -> Tensor:
    """Return (N, 2 K + 1, 4): for each shape its colour and the brightness of text on it."""
    own = colours.gather(1, labels[..., None].expand(-1, -1, 3)).flip(1)
    # Brightness as ITU-R BT.601 weighs it.
    brightness = 0.299 * own[..., :1] + 0.587 * own[..., 1:2] + 0.114 * own[..., 2:]
    text = torch.where(brightness > 140, 0.0, 255.0)
    rows = torch.cat((own, text), dim=-1)
    return torch.cat((torch.zeros_like(rows[:, :1]), rows, rows), dim=1)


def class_colours() -> np.ndarray:
    """Return (CLASSES, 3) float32 RGB: a colour of its own for each class."""
    rows = [
        colorsys.hsv_to_rgb((0.33 + number * _HUE_STEP) % 1, (0.62, 0.8)[number % 2], 0.96)
        for number in range(CLASSES)
    ]
    return np.array(rows, np.float32) * 255


def _samples(device: torch.device) -> list[tuple[object, ...]]:
    n, count, height, width = 4, 40, 480, 640
    pictures = torch.randint(0, 256, (n, height, width, 3), dtype=torch.uint8, device=device)
    corner = torch.rand((n, count, 2), device=device) * torch.tensor([width, height], device=device)
    boxes = torch.cat((corner * 0.7, corner * 0.7 + torch.rand_like(corner) * 140 + 20), dim=2)
    labels = torch.randint(1, CLASSES, (n, count), device=device)
    scores = torch.rand((n, count), device=device)
    is_real = torch.arange(count, device=device).expand(n, count) < 8
    things = Things(boxes, boxes, labels, scores, is_real, is_real.sum(1))
    is_there = torch.ones(n, dtype=torch.bool, device=device)
    colours = torch.from_numpy(class_colours()).to(device).expand(n, -1, -1).contiguous()
    look = Look(torch.full((n,), 0.006, device=device), is_there, is_there, colours)
    letters = lettering(WORDS, round(height * TEXT_SHARE), device)
    return [
        (pictures.permute(0, 3, 1, 2), things, look, torch.zeros(n, device=device), letters, 0.006),
    ]


THINGS = Twin(
    "things", by_torch, kernel_of("inference_service.filters.vision.draw.kernels.things", "draw"), _samples
)
