"""A DensePose with narrow layers: the same architecture in under 1 MB, filled at random, in the zoo's form.

Random weights find nothing, so each layer is scaled on one random picture until its outputs are of a useful
size: boxes keep near their anchors, scores spread from 0 to 1, people come out with all kinds of labels.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from inference_service.filters.densepose import DensePose, model

Arrays = dict[str, npt.NDArray[Any]]

AUTHOR = "a test"
SPREADS = {
    "rpn_head.objectness_logits": 3.0,
    "rpn_head.anchor_deltas": 0.2,
    "box_predictor.cls_score": 2.0,
    "box_predictor.bbox_pred": 1.0,
}
"""Of the outputs of the layers that decide about boxes; all others have 1."""

_Weighted = (torch.nn.Conv2d, torch.nn.Linear, torch.nn.ConvTranspose2d)


class NarrowDensePose(DensePose):
    """The filter on narrow layers."""

    def configuration(self) -> Any:
        return narrow()


def narrow(**limits: Any) -> Any:
    """Return the configuration with narrow layers; `limits` as in `model.configuration`."""
    cfg = model.configuration(**limits)
    cfg.MODEL.RESNETS.STEM_OUT_CHANNELS = 4
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 8
    cfg.MODEL.RESNETS.WIDTH_PER_GROUP = 4
    cfg.MODEL.FPN.OUT_CHANNELS = 8
    cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 16
    cfg.MODEL.ROI_DENSEPOSE_HEAD.CONV_HEAD_DIM = 8
    cfg.MODEL.ROI_DENSEPOSE_HEAD.DECODER_CONV_DIMS = 8
    cfg.MODEL.ROI_DENSEPOSE_HEAD.DECODER_NUM_CLASSES = 8
    return cfg


def arrays(seed: int) -> Arrays:
    """Return the weights by name."""
    from detectron2.layers import FrozenBatchNorm2d

    torch.manual_seed(seed)
    made = model.build(narrow(short_side=128, proposals=50))
    for layer in made.modules():
        if isinstance(layer, FrozenBatchNorm2d):
            for buffer, low, high in (
                (layer.weight, 0.5, 1.5),
                (layer.bias, -0.2, 0.2),
                (layer.running_mean, -0.2, 0.2),
                (layer.running_var, 0.5, 1.5),
            ):
                buffer.uniform_(low, high)
        elif isinstance(layer, _Weighted):
            layer.register_forward_hook(_Fit())
    for name, layer in made.named_modules():
        for end, spread in SPREADS.items():
            if name.endswith(end):
                layer.register_forward_hook(_Fit(spread))
    with torch.no_grad():
        made([{"image": torch.rand(3, 8, 10).mul(255).repeat_interleave(16, 1).repeat_interleave(16, 2)}])
    return {name: value.numpy().copy() for name, value in made.state_dict().items()}


class _Fit:
    """Scales a layer, at its first use, so that its outputs have a mean of 0 and this deviation."""

    def __init__(self, spread: float = 1.0) -> None:
        self._spread = spread
        self._is_done = False

    def __call__(self, layer: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor | None:
        if self._is_done:
            return None
        self._is_done = True
        channels = 1 if output.dim() > 2 else output.dim() - 1
        others = [axis for axis in range(output.dim()) if axis != channels]
        factor = self._spread / output.std()
        mean = output.mean(others, keepdim=True)
        layer.weight.mul_(factor)
        if layer.bias is not None:
            layer.bias.copy_((layer.bias - mean.flatten()) * factor)
            return (output - mean) * factor
        return output * factor


def write(path: Path, weights: Mapping[str, Any]) -> Path:
    """Write `weights` in the model zoo's form."""
    with path.open("wb") as file:
        pickle.dump({"model": dict(weights), "__author__": AUTHOR}, file, protocol=2)
    return path
