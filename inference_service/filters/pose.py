"""`pose`: everybody as a coloured skeleton, with torchvision's Keypoint R-CNN resnet50."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.base import Filter, Item
from inference_service.filters.vision.draw.people import Look, PeoplePainter
from inference_service.filters.vision.networks.packages import TORCHVISION
from inference_service.filters.vision.networks.rcnn_models import KEYPOINT_WEIGHTS
from inference_service.filters.vision.rows import Rows
from inference_service.filters.vision.settings.keypoints import KeypointSettings, load_keypoint_network
from inference_service.weights.folder import WeightsFile


class Pose(Filter):
    """Finds people and their points, and draws these; see `vision.rcnn_keypoints`, `vision.draw_people`."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        camera: float = Field(
            default=1.0,
            ge=0.0,
            le=1.0,
            title="Camera",
            description="How much of the camera's picture is seen below: 0 is black.",
        )
        line_width: float = Field(
            default=1.4,
            ge=0.2,
            le=6.0,
            multiple_of=0.1,
            title="Line width",
            description="In hundredths of the picture's height.",
        )
        min_score: float = Field(
            default=0.6,
            ge=0.05,
            le=1.0,
            title="Lowest score of a person",
            description="How sure the network must be that something is a person.",
        )
        min_point_score: float = Field(
            default=2.5,
            ge=-5.0,
            le=20.0,
            title="Lowest score of a point",
            description="The height of the network's map at a point, mostly above 5 where a point is plainly "
            "seen and below 2 where it is hidden.",
        )
        has_face: bool = Field(
            default=True, title="Face", description="Draw nose, eyes and ears too, and the line to them."
        )

    class Settings(KeypointSettings):
        """What an operator may set, once."""

    name: ClassVar[str] = "pose"
    title: ClassVar[str] = "Pose"
    description: ClassVar[str] = (
        "Draws everybody as a coloured skeleton. Needs a GPU to keep up with a camera."
    )
    equal_params: ClassVar[frozenset[str] | None] = frozenset()
    weights: ClassVar[tuple[WeightsFile, ...]] = (KEYPOINT_WEIGHTS,)

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
        path = self.settings.weights or self.weights_folder.get(self.weights[0])
        self._painter = PeoplePainter(device)
        self._rows = Rows(row, device)
        self._network = load_keypoint_network(self.name, path, self.settings, device)

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Tensor:
        """Return (N, 3, H, W) float32 drawings of uint8 RGB frames; see `Filter.apply`.

        All of a picture is NaN where the network's output for it is not finite.
        """
        if self._network is None:
            raise RuntimeError("pose is not loaded")
        rows = self._rows.stack([item.params for item in items])
        with lap("network"):
            found, points = self._network.see(batch, rows[:, 0])
        thickest = max(item.params.line_width for item in items) / 200
        with lap("paint"):
            drawn: Tensor = self._painter.draw(
                batch,
                points.place,
                points.score,
                found.things.is_real,
                Look(*rows[:, 1:].unbind(1)),
                thickest,
            )
        drawn += (found.poison + points.poison)[:, None, None, None]
        return drawn


def row(params: Pose.Params) -> np.ndarray:
    """Return the lowest score of a person, then a `Look`; float32."""
    radius = params.line_width / 200
    return np.array(
        (params.min_score, radius, params.min_point_score, params.has_face, params.camera), np.float32
    )
