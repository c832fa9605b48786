"""The two detectors of torchvision that filters use, with the files of their weights, as it has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from inference_service.filters.vision.networks.packages import require
from inference_service.filters.vision.networks.state_dict import load_state
from inference_service.weights.folder import WeightsFile

LICENCE = "torchvision names none; trained on COCO, see docs/licences.md"
DETECTION_WEIGHTS = WeightsFile(
    name="fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
    url="https://download.pytorch.org/models/fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
    sum_prefix="sha256:907ea3f9",
    licence=LICENCE,
    about_bytes=78_000_000,
)
KEYPOINT_WEIGHTS = WeightsFile(
    name="keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
    url="https://download.pytorch.org/models/keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
    sum_prefix="sha256:fc266e95",
    licence=LICENCE,
    about_bytes=237_000_000,
)
KEYPOINT_EPS = 0.0
"""Of this checkpoint's norms, as torchvision sets it when it loads the file itself (`overwrite_eps`)."""


def detector(filter_name: str, path: Path, **limits: Any) -> nn.Module:
    """Return fasterrcnn_mobilenet_v3_large_320_fpn from a file; `limits` as torchvision's builder takes them.

    Raises MissingPackage and WeightsError, which tell the operator what to do.
    """
    require(filter_name, "torchvision")
    from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn as build

    return _loaded(build(weights=None, weights_backbone=None, **limits), path, eps=1e-5)


def keypoint_detector(filter_name: str, path: Path, **limits: Any) -> nn.Module:
    """Return keypointrcnn_resnet50_fpn from a file, like `detector`."""
    require(filter_name, "torchvision")
    from torchvision.models.detection import keypointrcnn_resnet50_fpn as build

    return _loaded(build(weights=None, weights_backbone=None, **limits), path, eps=KEYPOINT_EPS)


def _loaded(model: nn.Module, path: Path, eps: float) -> nn.Module:
    _freeze_norms(model, eps)
    load_state(model, path)
    return model.eval().requires_grad_(False)


def _freeze_norms(model: nn.Module, eps: float) -> None:
    """Put frozen batch norms in place of the others: what the builder does where it loads weights itself."""
    from torchvision.ops import FrozenBatchNorm2d

    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, FrozenBatchNorm2d(norm.num_features, eps=eps))
