"""Where faces are: two small detectors, one for faces within two metres, one for those within five."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import files
from inference_service.filters.vision.networks.people.detections import Answers, Detections, anchors
from inference_service.filters.vision.networks.people.fit import Fit
from inference_service.filters.vision.networks.people.network import Pending

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
        self._parts = [(files.load(f"face_{name}", device, dtype), _DETECTORS[name]) for name in ranges]
        centres = [
            anchors(network.input[1], detector.strides, detector.per_layer)
            for network, detector in self._parts
        ]
        self._answers = Answers(device, centres, 6, limit, OVERLAP)

    def __call__(self, pictures: Tensor, threshold: float | Tensor | None = None) -> Detections:
        """Return what `begin` begins to find."""
        return self.begin(pictures, threshold)()

    @torch.inference_mode()
    def begin(self, pictures: Tensor, threshold: float | Tensor | None = None) -> Callable[[], Detections]:
        """Begin to look, and return what waits for the faces; on a CPU that LiteRT computes meanwhile.

        Faces are those of (N, 3, H, W) RGB pictures in [0, 255], uint8 or floating; they stay as they are.

        Faces whose score is below `threshold` are left out: a number, (N, 1) for one per picture, or None:
        0.5 near, 0.6 far, as MediaPipe has it. A face has six points: the person's right eye, left eye, tip
        of the nose, middle of the mouth, right ear, left ear. Its box reaches from the brows to the chin, and
        leaves out the hair.
        """
        fits, begun = [], []
        for network, _ in self._parts:
            fit = Fit.letterboxed(
                (pictures.shape[2], pictures.shape[3]), (network.input[1], network.input[2])
            )
            begun.append(network.begin(fit.apply(pictures, -1, 1), is_lent=True))
            fits.append(fit)
        return lambda: self._found(fits, begun, threshold)

    @torch.inference_mode()
    def _found(
        self, fits: Sequence[Fit], begun: Sequence[Pending], threshold: float | Tensor | None
    ) -> Detections:
        answers = []
        for outputs in begun:
            raw, logits = outputs()
            answers += [raw, logits[..., 0]]
        if isinstance(threshold, Tensor):
            return self._answers(fits, threshold, *answers)
        limits = [detector.threshold if threshold is None else threshold for _, detector in self._parts]
        return self._answers(fits, limits, *answers)
