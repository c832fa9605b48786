"""Where faces are: two small detectors, one for faces within two metres, one for those within five."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import files
from inference_service.filters.vision.networks.people.detections import (
    Detections,
    Merging,
    anchors,
    decode,
    probabilities,
)
from inference_service.filters.vision.networks.people.fit import Fit

Range = Literal["near", "far"]
OVERLAP = 0.3
"""Intersection over union of two answers from which on they are one: `face_detection.pbtxt` in MediaPipe."""


@dataclass(frozen=True, slots=True)
class _Detector:
    """The numbers of MediaPipe's `face_detection_short_range.pbtxt` and `face_detection_full_range.pbtxt`."""

    strides: tuple[int, ...]
    per_layer: int
    threshold: float


_DETECTORS: dict[Range, _Detector] = {
    "near": _Detector((8, 16, 16, 16), 2, 0.5),
    "far": _Detector((4,), 1, 0.6),
}


class FaceFinder:
    """Faces of a batch, by one detector or by both, whose answers are merged.

    Each finds upright faces and such that are turned by up to about 45 degrees.
    """

    def __init__(
        self,
        device: torch.device,
        ranges: Sequence[Range] = ("near", "far"),
        limit: int = 8,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Load the weights. `limit` faces are returned per picture.

        Raises WeightsError if the weights are not those of this version.
        """
        self._merge = Merging(device, 6, limit, OVERLAP)
        self._parts = []
        for name in ranges:
            network = files.load(f"face_{name}", device, dtype)
            detector = _DETECTORS[name]
            centres = anchors(network.input[1], detector.strides, detector.per_layer).to(device)
            self._parts.append((network, detector, centres))

    @torch.inference_mode()
    def __call__(self, pictures: Tensor, threshold: float | Tensor | None = None) -> Detections:
        """Return faces of (N, 3, H, W) RGB pictures in [0, 255], uint8 or floating; they stay as they are.

        Faces whose score is below `threshold` are left out: a number, (N, 1) for one per picture, or None:
        0.5 near, 0.6 far, as MediaPipe has it. A face has six points: the person's right eye, left eye, tip
        of the nose, middle of the mouth, right ear, left ear. Its box reaches from the brows to the chin, and
        leaves out the hair.
        """
        scores, boxes, points = [], [], []
        for network, detector, centres in self._parts:
            size = network.input[1], network.input[2]
            fit = Fit.letterboxed((pictures.shape[2], pictures.shape[3]), size)
            raw, logits = network(fit.apply(pictures, -1, 1))
            limit = detector.threshold if threshold is None else threshold
            corners, marks = decode(raw, centres)
            scores.append(probabilities(logits[..., 0], limit))
            boxes.append(fit.boxes_to_picture(corners))
            points.append(fit.to_picture(marks))
        return self._merge(torch.cat(scores, 1), torch.cat(boxes, 1), torch.cat(points, 1))
