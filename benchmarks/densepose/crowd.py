"""A full-size DensePose with random weights that sees a fixed number of people in every picture.

Weights cannot be fetched everywhere, and their arithmetic costs the same whatever they are. What costs by
people is fixed by construction: boxes are the anchors themselves, all of about a person's size; every one of
them is taken for a person; and the limit of people per picture, after suppression, is the number that is
wanted. Which anchors those are depends on the picture.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from inference_service.filters.densepose import DensePose, model

ANCHORS = [[193], [211], [227], [241], [257]]
"""One size per level, in pixels of the network's input, in three shapes each: half of a 480-pixel side.

Primes: boxes on a grid whose sides are multiples of its step overlap by exactly the limit of suppression.
"""


def configuration(**limits: Any) -> Any:
    """Return detectron2's configuration with those anchors; `limits` as in `model.configuration`."""
    cfg = model.configuration(**limits)
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = ANCHORS
    return cfg


class BenchDensePose(DensePose):
    """The filter, on a model that sees as many people as `max_people` says."""

    def configuration(self) -> Any:
        return configuration()


def write_checkpoint(path: Path) -> None:
    """Write the weights in the model zoo's form, 255 MB."""
    torch.manual_seed(0)
    made: Any = model.build(configuration())
    rpn, predictor = made.proposal_generator.rpn_head, made.roi_heads.box_predictor
    norms = {name: layer for name, layer in made.backbone.named_modules() if name.endswith(".norm")}
    with torch.no_grad():
        # Random layers would let the values grow from block to block until half precision cannot hold them.
        for name, norm in norms.items():
            if name.endswith("stem.conv1.norm"):
                norm.weight.fill_(1 / 64)
            elif name.endswith("conv3.norm"):
                norm.weight.fill_(0.25)
        for layer in (rpn.anchor_deltas, predictor.bbox_pred):
            layer.weight.zero_()
            layer.bias.zero_()
        # Person and background: all are people, each as clearly more or less than the others that single
        # precision tells them apart.
        predictor.cls_score.weight.mul_(30)
        predictor.cls_score.bias.copy_(torch.tensor([3.0, 0.0]))
    weights = {name: value.numpy() for name, value in made.state_dict().items()}
    with path.open("wb") as file:
        pickle.dump({"model": weights, "__author__": "benchmarks.densepose.crowd"}, file, protocol=4)
