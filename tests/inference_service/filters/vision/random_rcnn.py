"""Weights for torchvision's detectors that nobody has trained, but with which they find things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def write(path: Path, build: Callable[..., Any], **limits: Any) -> Path:
    """Write random weights for the model that `build` makes; its scores are spread over the whole range.

    `limits`: those with which it will be used, or else this takes long.
    """
    torch.manual_seed(1)
    model = build(weights=None, weights_backbone=None, **limits).eval()
    with torch.no_grad():
        settle(model)
        spread(model)
    # The published files are of models with frozen norms, which count nothing.
    state = {key: value for key, value in model.state_dict().items() if "num_batches" not in key}
    torch.save(state, path)
    return path


def settle(model: Any) -> None:
    """Give the norms the statistics of pictures, as training would, so that signals neither fade nor grow."""
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 1.0
            norm.train()
    model.backbone(scenes(4, (120, 176), seed=8).float() / 127.5 - 1)
    model.eval()


def spread(model: Any) -> None:
    """Scale the last layers so that what they say differs from place to place, as in a trained one."""
    pictures = scenes(2, (120, 176), seed=9).float() / 255
    rpn, heads = model.rpn.head, model.roi_heads
    # What is done for each of them takes longest.
    heads.detections_per_img = 1
    _scale(model, pictures, rpn.cls_logits, 3.0)
    _scale(model, pictures, rpn.bbox_pred, 0.4)
    _scale(model, pictures, heads.box_predictor.cls_score, 4.0)
    _scale(model, pictures, heads.box_predictor.bbox_pred, 1.0)
    if heads.keypoint_predictor is not None:
        _scale(model, pictures, heads.keypoint_predictor.kps_score_lowres, 4.0)


def _scale(model: nn.Module, pictures: Tensor, layer: Any, wanted: float) -> None:
    seen: list[Tensor] = []
    hook = layer.register_forward_hook(
        lambda _module, _inputs, output: seen.append(output.transpose(0, 1).flatten(1))
    )
    model(list(pictures))
    hook.remove()
    values = torch.cat(seen, dim=1)
    mean = values.mean(dim=1)
    scale = wanted / (values - mean[:, None]).std()
    # Whatever is the same everywhere would hide what differs.
    layer.weight.mul_(scale)
    layer.bias.sub_(mean).mul_(scale)


def scenes(count: int, size: tuple[int, int], seed: int = 1) -> Tensor:
    """Return (count, 3, H, W) uint8 pictures of rectangles in random colours."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    pictures = torch.full((count, 3, height, width), 96, dtype=torch.uint8)
    for picture in pictures:
        for _ in range(24):
            y, x = (int(torch.randint(0, side * 3 // 4, (1,), generator=generator)) for side in size)
            h, w = (int(torch.randint(8, side // 2, (1,), generator=generator)) for side in size)
            colour = torch.randint(0, 256, (3, 1, 1), generator=generator)
            picture[:, y : y + h, x : x + w] = colour.to(torch.uint8)
    return pictures
