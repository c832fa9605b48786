"""`pose`: everybody as a coloured skeleton, hands and feet included, by the networks of the project.

torchvision's Keypoint R-CNN can be chosen instead, for crowds on a GPU: it finds more people than four, each
frame anew, and no hands or feet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.base import Answer, Data, Filtered, Item, Label, Later, Points
from inference_service.filters.vision.draw.people import PeoplePainter
from inference_service.filters.vision.draw.people_on_gpu import Look
from inference_service.filters.vision.draw.skeletons import SKELETONS
from inference_service.filters.vision.networks.packages import TORCHVISION
from inference_service.filters.vision.networks.people.recorded import OwnNetworks
from inference_service.filters.vision.networks.precision import OwnPrecision, dtype_of
from inference_service.filters.vision.networks.rcnn_models import KEYPOINT_WEIGHTS
from inference_service.filters.vision.people.bodies import Bodies
from inference_service.filters.vision.people.one_euro import cutoff_hz
from inference_service.filters.vision.rows import Rows
from inference_service.filters.vision.settings.keypoints import KeypointSettings, load_keypoint_network
from inference_service.weights.folder import WeightsFile
from shared.heap import keep_large_blocks

SURE_HEIGHT = 2.5
"""Height of Keypoint R-CNN's map that counts as 0.5: mostly above 5 where a point is plainly seen."""


class Pose(OwnNetworks):
    """Finds people and their points (`vision.people.bodies`), and draws these (`vision.draw.people`)."""

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
            default=1.8,
            ge=0.2,
            le=6.0,
            multiple_of=0.1,
            title="Line width",
            description="In hundredths of the picture's height.",
        )
        has_face: bool = Field(
            default=True,
            title="Face",
            description="Draw nose, eyes, ears and mouth too, and the line to them.",
        )
        has_hands_and_feet: bool = Field(
            default=True,
            title="Hands and feet",
            description="Draw thumbs, fingers, heels and toes too.",
        )
        steadiness: float = Field(
            default=0.6,
            ge=0.0,
            le=1.0,
            title="Steadiness",
            description="Calms points that tremble while a person stands still; 0 leaves them as they are.",
        )
        min_score: float = Field(
            default=0.6,
            ge=0.05,
            le=1.0,
            title="Lowest score of a person",
            description="How sure the network must be that something is a person.",
        )
        min_point_score: float = Field(
            default=0.5,
            ge=0.0,
            le=1.0,
            title="Lowest score of a point",
            description="How sure the network must be that a point is in the picture and not hidden.",
        )

    class Settings(KeypointSettings):
        """What an operator may set, once; all but network and precision are Keypoint R-CNN's."""

        network: Literal["body_points", "keypoint_rcnn"] = Field(
            default="body_points",
            title="Network",
            description="body_points lies in the project and follows four people; keypoint_rcnn is "
            "torchvision's, for crowds on a GPU.",
        )
        precision: OwnPrecision = Field(
            default="auto",
            title="Precision",
            description="Of the network's numbers; auto is float16 on a GPU and float32 on a CPU.",
        )

    name: ClassVar[str] = "pose"
    title: ClassVar[str] = "Pose"
    description: ClassVar[str] = "Draws everybody, up to four people, as a coloured skeleton."
    keeps_state: ClassVar[bool] = True
    equal_params: ClassVar[frozenset[str] | None] = frozenset()
    weights: ClassVar[tuple[WeightsFile, ...]] = (KEYPOINT_WEIGHTS,)

    def __init__(self) -> None:
        self._network: _Tracked | _Crowd | None = None
        self._painter: Any = None
        self._rows: Any = None

    def needed_weights(self) -> tuple[WeightsFile, ...]:
        """Return Keypoint R-CNN's file where that network is chosen and no other file is named."""
        is_needed = self.settings.network == "keypoint_rcnn" and not self.settings.weights
        return self.weights if is_needed else ()

    def needed_packages(self) -> Mapping[str, str]:
        return TORCHVISION if self.settings.network == "keypoint_rcnn" else {}

    def needs_gpu(self) -> bool:
        return bool(self.settings.network == "keypoint_rcnn")

    def load(self, device: torch.device) -> None:
        """Load the network.

        Raises WeightsError and, for Keypoint R-CNN, MissingPackage, which tell the operator what to do.
        """
        if device.type == "cpu":
            keep_large_blocks()
        self._rows = Rows(row, device)
        if self.settings.network == "body_points":
            self._painter = PeoplePainter(SKELETONS["body"], device)
            self._network = _Tracked(Bodies(device, dtype_of(self.settings.precision, device)))
            return
        path = self.settings.weights or self.weights_folder.get(self.weights[0])
        self._painter = PeoplePainter(SKELETONS["coco"], device)
        self._network = _Crowd(load_keypoint_network(self.name, path, self.settings, device))

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Answer:
        """Return (N, 3, H, W) drawings of uint8 RGB frames, uint8 on a CPU; see `Filter.apply`.

        All of a picture is NaN where the network's output for it is not finite. Where a session wants data,
        each person's points are told, in the network's order (docs/reference.md).
        """
        if self._network is None:
            raise RuntimeError("pose is not loaded")
        rows = self._rows.stack([item.params for item in items])
        with lap("network"):
            people = self._network.see(batch, items, rows)
        thickest = max(item.params.line_width for item in items) / 200
        with lap("paint"):
            drawn: Tensor = self._painter.draw(
                batch,
                people.points,
                people.scores,
                people.is_real,
                Look(*rows[:, 2:].unbind(1)),
                people.poison,
                thickest,
            )
        if any(item.wants_data for item in items):
            return Filtered(drawn, Later(rows_of(people, (batch.shape[2], batch.shape[3])), told))
        return drawn


def rows_of(people: _People, size: tuple[int, int]) -> Tensor:
    """Return (N, K, P + 1, 3) float32: x and y as shares of (H, W), score; in the last row who is there."""
    height, width = size
    x, y = people.points.unbind(-1)
    points = torch.stack((x / width, y / height, people.scores), -1).float()
    is_real = people.is_real.float()[..., None, None].expand(-1, -1, 1, 3)
    return torch.cat((points, is_real), 2)


def told(rows: np.ndarray) -> Data:
    """Return the points of everybody in one picture's rows.

    The label `no_person` says that there is nobody, `most_people` that there may be more than are drawn.
    """
    people = [
        Points([(float(x), float(y), float(score)) for x, y, score in row[:-1]], "person")
        for row in rows
        if row[-1, 0] > 0
    ]
    codes = ["most_people"] if len(people) == len(rows) else [] if people else ["no_person"]
    return Data(points=people, labels=[Label(code) for code in codes])


class _People(NamedTuple):
    """Whom to draw in N pictures.

    Points (N, K, P, 2), their scores (N, K, P) in 0..1, and who is there (N, K).
    """

    points: Tensor
    scores: Tensor
    is_real: Tensor
    poison: Tensor
    """(N,): 0, or not finite where the network's answer is not."""


class _Tracked:
    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def see(self, batch: Tensor, items: Sequence[Item], rows: Tensor) -> _People:
        seen = self._bodies.see(batch, items, rows[:, 0], rows[:, 1])
        is_real = seen.scores >= rows[:, :1]
        return _People(seen.points, seen.visibility, is_real, seen.poison)


class _Crowd:
    def __init__(self, network: Any) -> None:
        self._network = network

    def see(self, batch: Tensor, items: Sequence[Item], rows: Tensor) -> _People:
        found, points = self._network.see(batch, rows[:, 0])
        scores = torch.sigmoid(points.score - SURE_HEIGHT)
        return _People(points.place, scores, found.things.is_real, found.poison + points.poison)


def row(params: Pose.Params) -> np.ndarray:
    """Return the lowest score of a person, the cutoff of points at rest, then a `Look`; float32."""
    return np.array(
        (
            params.min_score,
            cutoff_hz(params.steadiness),
            params.line_width / 200,
            params.min_point_score,
            params.has_face,
            params.has_hands_and_feet,
            params.camera,
        ),
        np.float32,
    )
