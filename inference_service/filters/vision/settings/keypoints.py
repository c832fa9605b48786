"""What an operator may set of the keypoint network, for each filter that uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from inference_service.filters.vision.networks.precision import dtype_of
from inference_service.filters.vision.networks.rcnn_models import keypoint_detector
from inference_service.filters.vision.settings.proposals import ProposalSettings

SHORT_SIDE_GPU, SHORT_SIDE_CPU = 480, 320
LONG_TO_SHORT = 1333 / 800
"""The longest the other side may be, as torchvision's builder has it."""


class KeypointSettings(ProposalSettings):
    """What an operator may set, once."""

    short_side: int | None = Field(
        default=None,
        ge=64,
        le=800,
        title="Short side",
        description="Pixels to which a picture's short side is brought for the network; by default "
        f"{SHORT_SIDE_GPU} on a GPU and {SHORT_SIDE_CPU} on a CPU.",
    )
    max_people: int = Field(
        default=8, ge=1, le=50, title="People", description="Most people looked for in one picture."
    )


def load_keypoint_network(
    filter_name: str, path: Path, settings: KeypointSettings, device: torch.device, **limits: Any
) -> Any:
    """Return a KeypointNetwork on `device`; `limits` as torchvision's builder takes them, besides these.

    Raises MissingPackage and WeightsError, which tell the operator what to do.
    """
    from inference_service.filters.vision.networks.rcnn_keypoints import KeypointNetwork

    short_side = settings.short_side or (SHORT_SIDE_GPU if device.type == "cuda" else SHORT_SIDE_CPU)
    model = keypoint_detector(
        filter_name,
        path,
        min_size=short_side,
        max_size=round(short_side * LONG_TO_SHORT),
        rpn_pre_nms_top_n_test=settings.proposals_per_level,
        rpn_post_nms_top_n_test=settings.proposals,
        box_detections_per_img=settings.max_people,
        **limits,
    )
    return KeypointNetwork(model, device, dtype_of(settings.precision, device))
