"""`segmentation`: everything of twenty kinds painted in the colour of its kind."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, Literal, get_args

import torch
from pydantic import Field
from torch import Tensor

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.base import Filter, Item, Piece
from inference_service.filters.vision.enlarge import enlarged
from inference_service.filters.vision.networks.fusing import refusals
from inference_service.filters.vision.networks.packages import TORCHVISION
from inference_service.filters.vision.networks.segmenter import WEIGHTS, Segmenter
from inference_service.filters.vision.settings.recorded import by_size
from inference_service.filters.vision.settings.segmenter import SegmenterSettings, load_segmenter
from inference_service.weights.folder import WeightsFile

Kind = Literal[
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table",
    "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
]  # fmt: skip
"""PASCAL VOC's classes 1 to 20; 0 is all else."""
KINDS: tuple[Kind, ...] = get_args(Kind)
Colours = Literal["voc", "vivid", "soft"]

FINER = 4
"""The classes are decided in so many times the size of the network's maps, and only then enlarged."""
SHARPNESS = 3.0
"""By which logits are multiplied: of two classes that differ by 1, the likelier has 95 % of the paint."""
MAX_TABLES = 256


class Segmentation(Filter):
    """Asks the network for the likeliest class around each pixel, and paints that; see `vision.segmenter`."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        classes: tuple[Kind, ...] = Field(
            default=(),
            max_length=len(KINDS),
            title="Kinds",
            description="Which kinds of things are painted; all of them where none is named.",
        )
        alpha: float = Field(
            default=0.6,
            ge=0.0,
            le=1.0,
            title="Opacity",
            description="How much the paint covers what is below: 0 nothing, 1 all.",
        )
        over_camera: bool = Field(
            default=True,
            title="Over the camera's picture",
            description="Paint over the camera's picture instead of on black.",
        )
        colours: Colours = Field(
            default="voc",
            title="Colours",
            description="voc: those of the PASCAL VOC data set. vivid and soft: twenty hues.",
        )

    class Settings(SegmenterSettings):
        """What an operator may set, once."""

        short_side: int | None = Field(
            default=None,
            ge=96,
            le=1024,
            title="Short side",
            description="Pixels to which a picture's short side is brought for the network; left out, 256 on "
            "a CPU and 448 on a GPU. The weights were trained with about 500.",
        )

    name: ClassVar[str] = "segmentation"
    title: ClassVar[str] = "Segmentation"
    description: ClassVar[str] = "Paints people, animals, cars and furniture, each kind in its colour."
    equal_params: ClassVar[frozenset[str] | None] = frozenset()
    weights: ClassVar[tuple[WeightsFile, ...]] = tuple(WEIGHTS.values())

    def __init__(self) -> None:
        self._segmenter: Segmenter | None = None

    def needed_weights(self) -> tuple[WeightsFile, ...]:
        """Return the file of the chosen network, unless the operator has named another one."""
        needed: tuple[WeightsFile, ...] = self.settings.needed_weights
        return needed

    def needed_packages(self) -> Mapping[str, str]:
        return TORCHVISION

    def load(self, device: torch.device) -> None:
        """Build the network and fill it; raises MissingPackage and WeightsError, which say what to do."""
        short_side = self.settings.short_side or (448 if device.type == "cuda" else 256)
        self._segmenter = load_segmenter(self.name, self.settings, self.weights_folder, device, short_side)
        self.fallbacks += refusals(device, self._segmenter.dtype)

    def recordings(self) -> Iterator[Piece]:
        """Record the work of a GPU, by the network's size."""
        return iter(()) if self._segmenter is None else by_size(self, self._segmenter)

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Tensor:
        """Return the drawings of (N, 3, H, W) uint8 RGB frames as floating-point numbers; see `Filter.apply`.

        All of a picture is NaN where the network's output for it is not finite.
        """
        if self._segmenter is None:
            raise RuntimeError("segmentation is not loaded")
        with lap("network"):
            logits = self._segmenter.logits(self._segmenter.reduced(batch))
        with lap("draw"):
            return self.drawn(batch, logits, [item.params for item in items])

    def drawn(self, batch: Tensor, logits: Tensor, params: Sequence[Segmentation.Params]) -> Tensor:
        """Return what `apply` does where the network says `logits`, (N, 21, h, w)."""
        logits = logits.float()
        poison = logits.flatten(1).sum(1) * 0
        fine = enlarged(logits, (logits.shape[2] * FINER, logits.shape[3] * FINER))
        # Nearly the likeliest class alone, but for edges, which else were stairs when they are enlarged.
        shares = (fine * SHARPNESS).softmax(dim=1)
        paint = torch.matmul(self._looks(params, batch.device).transpose(1, 2), shares.flatten(2))
        paint = enlarged(paint.view(len(batch), 4, *fine.shape[2:]), (batch.shape[2], batch.shape[3]))
        shown = torch.addcmul(paint[:, :3], paint[:, 3:], batch.contiguous().float())
        if not shown.is_cuda and bool(poison.isfinite().all()):
            # A CPU is not waited for, and the worker has no numbers to look through.
            return shown.add_(0.5).to(torch.uint8)
        return shown + poison[:, None, None, None]

    def _looks(self, params: Sequence[Segmentation.Params], device: torch.device) -> Tensor:
        """Return (N, 21, 4) float32: R, G, B that each class adds, and the camera's share."""
        tables = torch.stack([colour_table(one.classes, one.colours) for one in params])
        shares = torch.tensor([(one.alpha, float(one.over_camera)) for one in params])
        alpha, over_camera = shares.T[..., None, None]
        shown = tables[..., 3:] * alpha
        looks = torch.cat((tables[..., :3] * shown, (1 - shown) * over_camera), dim=2)
        if device.type == "cuda":
            return looks.pin_memory().to(device, non_blocking=True)
        return looks


@lru_cache(MAX_TABLES)
def colour_table(classes: tuple[Kind, ...], colours: Colours) -> Tensor:
    """Return (21, 4) float32 on the CPU: R, G, B of each class, and 1 where it is painted, else 0."""
    shown = set(classes) or set(KINDS)
    rows = [(0.0, 0.0, 0.0, 0.0)]
    for number, kind in enumerate(KINDS, 1):
        red, green, blue = voc_colour(number) if colours == "voc" else _hue(number, colours)
        rows.append((red, green, blue, float(kind in shown)))
    return torch.tensor(rows)


def voc_colour(number: int) -> tuple[int, int, int]:
    """Return R, G, B of a class by the PASCAL VOC development kit's `VOClabelcolormap`.

    Bits 0, 3, 6 of the number become the highest bits of red, bits 1, 4, 7 of green, 2, 5, 8 of blue.
    """
    levels = [0, 0, 0]
    for bit in range(9):
        levels[bit % 3] |= (number >> bit & 1) << (7 - bit // 3)
    red, green, blue = levels
    return red, green, blue


def _hue(number: int, colours: Colours) -> tuple[float, float, float]:
    # Neighbours in the list lie far apart on the circle of hues: 7 and 20 have no common divisor.
    hue = number * 7 % len(KINDS) / len(KINDS)
    saturation, value = (0.9, 1.0) if colours == "vivid" else (0.4, 0.95)
    red, green, blue = (255 * level for level in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue
