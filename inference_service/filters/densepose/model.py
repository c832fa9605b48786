"""The model as detectron2 defines it: DensePose R50-FPN s1x, its configuration set in code."""

from __future__ import annotations

from typing import Any

from torch import nn

from inference_service.filters.vision.networks.packages import TORCHVISION, require

COMMIT = "02b5c4e295e990042a714712c21dc79b731e8833"
"""Of detectron2, with which this was written and tested; any later one that builds the same model will do."""
SOURCE = f"git+https://github.com/facebookresearch/detectron2@{COMMIT}"

PACKAGES = {
    **TORCHVISION,
    "detectron2": f"pip install --no-build-isolation '{SOURCE}'",
    "densepose": f"pip install --no-build-isolation '{SOURCE}#subdirectory=projects/DensePose'",
}


def require_packages() -> None:
    """Raise MissingPackage, which names what is missing and how to install it."""
    require("densepose", *PACKAGES, how=PACKAGES)


def configuration(
    *,
    short_side: int = 800,
    proposals_per_level: int = 1000,
    proposals: int = 1000,
    max_people: int = 100,
    min_score: float = 0.05,
) -> Any:
    """Return detectron2's configuration (a CfgNode) of densepose_rcnn_R_50_FPN_s1x.

    The defaults are those of the model zoo. Raises ImportError where a package is missing.
    """
    from densepose import add_densepose_config
    from detectron2.config import get_cfg

    cfg = get_cfg()
    add_densepose_config(cfg)
    model = cfg.MODEL
    model.DEVICE = "cpu"
    model.WEIGHTS = ""
    model.META_ARCHITECTURE = "GeneralizedRCNN"
    model.BACKBONE.NAME = "build_resnet_fpn_backbone"
    model.RESNETS.DEPTH = 50
    model.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    model.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    model.ANCHOR_GENERATOR.SIZES = [[32], [64], [128], [256], [512]]
    model.ANCHOR_GENERATOR.ASPECT_RATIOS = [[0.5, 1.0, 2.0]]
    model.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    model.RPN.PRE_NMS_TOPK_TEST = proposals_per_level
    model.RPN.POST_NMS_TOPK_TEST = proposals
    # Matters in training alone, but is part of the zoo's configuration.
    model.RPN.POST_NMS_TOPK_TRAIN = 1000
    model.RPN.PRE_NMS_TOPK_TRAIN = 2000
    model.DENSEPOSE_ON = True
    model.ROI_HEADS.NAME = "DensePoseROIHeads"
    model.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    model.ROI_HEADS.NUM_CLASSES = 1
    model.ROI_HEADS.SCORE_THRESH_TEST = min_score
    model.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    model.ROI_BOX_HEAD.NUM_FC = 2
    model.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    model.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO = 2
    model.ROI_BOX_HEAD.POOLER_TYPE = "ROIAlign"
    model.ROI_DENSEPOSE_HEAD.NAME = "DensePoseV1ConvXHead"
    model.ROI_DENSEPOSE_HEAD.POOLER_TYPE = "ROIAlign"
    model.ROI_DENSEPOSE_HEAD.NUM_COARSE_SEGM_CHANNELS = 2
    cfg.TEST.DETECTIONS_PER_IMAGE = max_people
    cfg.INPUT.MIN_SIZE_TEST = short_side
    return cfg


def build(cfg: Any) -> nn.Module:
    """Return detectron2's model with random weights, on the CPU, for inference."""
    from detectron2.modeling import build_model

    model: nn.Module = build_model(cfg)
    return model.eval().requires_grad_(False)
