"""Weights of the true shapes with random numbers in them, for figures where the real ones cannot be had.

A network's time does not depend on its numbers, but that of what follows it may: detectors are made to find
as much in every picture as they may report, which is the most expensive case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

PERSON = 1
"""Of COCO's 91 classes, as torchvision numbers them."""
SURE = 6.0
"""Added to a class's logit, so that its score is well above any threshold."""


def settings_with(name: str, folder: Path) -> dict[str, Any]:
    """Return settings of a filter with random weights, written to `folder`; {} for one that needs none."""
    make = _MAKERS.get(name)
    return {} if make is None else make(folder)


def _segmenter(folder: Path) -> dict[str, Any]:
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    torch.manual_seed(0)
    return _written(folder, lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21))


def _detector(folder: Path) -> dict[str, Any]:
    from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

    torch.manual_seed(0)
    model = fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None, num_classes=91)
    return _written(folder, _finding_people(model))


def _keypoints(folder: Path) -> dict[str, Any]:
    from torchvision.models.detection import keypointrcnn_resnet50_fpn

    torch.manual_seed(0)
    return _written(folder, _finding_people(keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None)))


def _finding_people(model: Any) -> Any:
    with torch.no_grad():
        model.roi_heads.box_predictor.cls_score.bias[PERSON] += SURE
    return model


def _written(folder: Path, model: torch.nn.Module) -> dict[str, Any]:
    path = folder / "random.pth"
    torch.save(model.state_dict(), path)
    return {"weights": str(path)}


_MAKERS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "segmentation": _segmenter,
    "background": _segmenter,
    "detection": _detector,
    "pose": _keypoints,
    "face": _keypoints,
}
