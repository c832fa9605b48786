"""Where people are: a detector of whole bodies, whose answers tell where to look for their points."""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import files
from inference_service.filters.vision.networks.people.detections import Answers, Detections, anchors
from inference_service.filters.vision.networks.people.fit import Fit

STRIDES = (8, 16, 32, 32, 32)
PER_LAYER = 2
THRESHOLD = 0.5
OVERLAP = 0.3
"""These four as in MediaPipe's `pose_detection_cpu.pbtxt`."""


class BodyFinder:
    """People of a batch."""

    def __init__(self, device: torch.device, limit: int = 4, dtype: torch.dtype = torch.float32) -> None:
        """Load the weights. `limit` people are returned per picture.

        Raises WeightsError if the weights are not those of this version.
        """
        self._network = files.load("body_box", device, dtype)
        centres = anchors(self._network.input[1], STRIDES, PER_LAYER)
        self._answers = Answers(device, [centres], 4, limit, OVERLAP)

    @torch.inference_mode()
    def __call__(self, pictures: Tensor, threshold: float | Tensor = THRESHOLD) -> Detections:
        """Return people in (N, 3, H, W) RGB pictures in [0, 255], uint8 or floating; they stay as they are.

        `threshold` is the lowest score; a tensor (N, 1) has one for each picture.

        The box is round the face alone. Of the four points the first is the middle of the hips and the
        second lies on a circle round it that holds the whole body (`regions.of_found_bodies`); third and
        fourth are the same for the upper body: the middle of the shoulders and a point on its circle.
        """
        size = self._network.input[1], self._network.input[2]
        fit = Fit.letterboxed((pictures.shape[2], pictures.shape[3]), size)
        raw, logits = self._network(fit.apply(pictures, -1, 1), is_lent=True)
        limits = threshold if isinstance(threshold, Tensor) else [threshold]
        return self._answers([fit], limits, raw, logits[..., 0])
