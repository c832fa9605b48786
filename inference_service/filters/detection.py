"""`detection`: boxes round people and things, named, with torchvision's Faster R-CNN mobilenet v3 320."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.base import Answer, Box, Data, Filter, Filtered, Item, Later, Piece
from inference_service.filters.vision.coco import CLASSES, NAMES, NUMBERS, ClassName, Group, numbers_of
from inference_service.filters.vision.draw.things import Look, ThingPainter, class_colours
from inference_service.filters.vision.networks.packages import TORCHVISION
from inference_service.filters.vision.networks.precision import dtype_of
from inference_service.filters.vision.networks.rcnn_models import DETECTION_WEIGHTS, detector
from inference_service.filters.vision.rows import Rows
from inference_service.filters.vision.settings.recorded import SizedSettings, by_size
from inference_service.weights.folder import WeightsFile


class Detection(Filter):
    """Finds things of COCO's 80 classes and frames them; see `vision.rcnn` and `vision.draw_things`."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        min_score: float = Field(
            default=0.5,
            ge=0.05,
            le=1.0,
            title="Lowest score",
            description="How sure the network must be of what a thing is.",
        )
        groups: tuple[Group, ...] = Field(
            default=(),
            max_length=12,
            title="Groups",
            description="Which groups of things are shown; all where neither groups nor classes are named.",
        )
        classes: tuple[ClassName, ...] = Field(
            default=(),
            max_length=80,
            title="Classes",
            description="Which things are shown, besides those of the groups.",
        )
        max_boxes: int = Field(
            default=20,
            ge=1,
            le=100,
            title="Boxes",
            description="Most boxes in the picture, the surest ones; the operator may allow fewer.",
        )
        line_width: float = Field(
            default=0.6,
            ge=0.1,
            le=3.0,
            multiple_of=0.1,
            title="Line width",
            description="In hundredths of the picture's height.",
        )
        labels: Literal["name and score", "name", "none"] = Field(
            default="name and score", title="Labels", description="What is written at each box."
        )
        colouring: Literal["by class", "one colour"] = Field(
            default="by class",
            title="Colours",
            description="A colour of its own for each class, or one for all.",
        )
        colour: str = Field(
            default="#35d0a5",
            pattern=r"^#[0-9a-fA-F]{6}$",
            title="Colour",
            description="Of all boxes, where they have one colour.",
        )

    class Settings(SizedSettings):
        """What an operator may set, once."""

        short_side: int = Field(
            default=320,
            ge=64,
            le=800,
            title="Short side",
            description="Pixels to which a picture's short side is brought for the network.",
        )
        proposals: int = Field(
            default=150,
            ge=8,
            le=1000,
            title="Proposals",
            description="Places of a picture that are looked at closely.",
        )
        max_things: int = Field(
            default=40, ge=1, le=100, title="Things", description="Most things found in one picture."
        )

    name: ClassVar[str] = "detection"
    title: ClassVar[str] = "Object detection"
    description: ClassVar[str] = "Frames and names people and things of 80 kinds."
    equal_params: ClassVar[frozenset[str] | None] = frozenset()
    weights: ClassVar[tuple[WeightsFile, ...]] = (DETECTION_WEIGHTS,)

    def __init__(self) -> None:
        self._network: Any = None
        self._painter: Any = None
        self._rows: Any = None

    def needed_weights(self) -> tuple[WeightsFile, ...]:
        """Return the network's file, unless the operator has named another one."""
        return () if self.settings.weights else self.weights

    def needed_packages(self) -> Mapping[str, str]:
        return TORCHVISION

    def needs_gpu(self) -> bool:
        return True

    def load(self, device: torch.device) -> None:
        """Build the model and fill it.

        Raises MissingPackage and WeightsError, which tell the operator what to do.
        """
        from inference_service.filters.vision.networks.fusing import refusals
        from inference_service.filters.vision.networks.rcnn import Network

        settings = self.settings
        path = settings.weights or self.weights_folder.get(self.weights[0])
        model = detector(
            self.name,
            path,
            min_size=settings.short_side,
            max_size=2 * settings.short_side,
            rpn_pre_nms_top_n_test=settings.proposals,
            rpn_post_nms_top_n_test=settings.proposals,
            box_detections_per_img=settings.max_things,
        )
        self._painter = ThingPainter(device)
        self._rows = Rows(row, device)
        self._network = Network(model, device, dtype_of(settings.precision, device))
        self.fallbacks += refusals(device, self._network.dtype)

    def recordings(self) -> Iterator[Piece]:
        """Record the work of a GPU, by the network's size."""
        return by_size(self, self._network)

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Answer:
        """Return (N, 3, H, W) float32 drawings over uint8 RGB frames; see `Filter.apply`.

        All of a picture is NaN where the network's output for it is not finite. Where a session wants data,
        the boxes that are drawn are told.
        """
        if self._network is None:
            raise RuntimeError("detection is not loaded")
        grid = self._network.grid((batch.shape[2], batch.shape[3]))
        wishes = Wishes.read(self._rows.stack([item.params for item in items]))
        with lap("network"):
            seen, poison = self._network.things(batch, wishes.min_scores, wishes.is_wanted, grid)
        rank = torch.arange(seen.labels.shape[1], device=batch.device)
        things = seen._replace(is_real=seen.is_real & (rank < wishes.max_boxes))
        widest = max(item.params.line_width for item in items) / 100
        with lap("paint"):
            drawn: Tensor = self._painter.draw(batch, things, wishes.look, poison, widest)
        if any(item.wants_data for item in items):
            return Filtered(drawn, Later(rows_of(things, (batch.shape[2], batch.shape[3])), told))
        return drawn


def rows_of(things: Any, size: tuple[int, int]) -> Tensor:
    """Return (N, K, 7) float32: x, y, width, height as shares of (H, W), class, score, is shown."""
    height, width = size
    left, top, right, bottom = things.boxes.unbind(-1)
    places = (left / width, top / height, (right - left) / width, (bottom - top) / height)
    return torch.stack((*places, things.labels.float(), things.scores, things.is_real.float()), dim=-1)


def told(rows: np.ndarray) -> Data:
    """Return the boxes of one picture's rows."""
    return Data(
        boxes=[
            Box(x, y, width, height, NAMES.get(int(number), ""), score)
            for x, y, width, height, number, score, is_shown in rows.tolist()
            if is_shown > 0
        ]
    )


class Wishes(NamedTuple):
    """The parameters of N sessions, on the device."""

    min_scores: Tensor
    """(N,) float32."""
    max_boxes: Tensor
    """(N, 1) float32."""
    is_wanted: Tensor
    """(N, CLASSES) bool."""
    look: Look

    @classmethod
    def read(cls, rows: Tensor) -> Wishes:
        """Read (N, P) float32 as `row` makes them."""
        scalars, wanted = rows[:, :_SCALARS], rows[:, _SCALARS : _SCALARS + CLASSES]
        colours = rows[:, _SCALARS + CLASSES :]
        look = Look(scalars[:, 2], scalars[:, 3] > 0, scalars[:, 4] > 0, colours.reshape(-1, CLASSES, 3))
        return cls(scalars[:, 0], scalars[:, 1:2], wanted > 0, look)


_SCALARS = 5


def row(params: Detection.Params) -> np.ndarray:
    """Return scalars, then which classes are wanted, then their colours; float32."""
    named = {NUMBERS[name] for name in params.classes}
    named |= {number for group in params.groups for number in numbers_of(group)}
    wanted = np.zeros(CLASSES, np.float32)
    wanted[sorted(named or NUMBERS.values())] = 1
    colours = class_colours()
    if params.colouring == "one colour":
        colours[:] = [int(params.colour[at : at + 2], 16) for at in (1, 3, 5)]
    scalars = [
        params.min_score,
        params.max_boxes,
        params.line_width / 100,
        params.labels != "none",
        params.labels == "name and score",
    ]
    return np.concatenate((np.array(scalars, np.float32), wanted, colours.ravel()))
