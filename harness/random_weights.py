"""Weights of the true shapes with random numbers in them, where the real ones cannot be had.

A network's time does not depend on its numbers, but that of what follows it may: detectors are made to find
as much in every picture as they may report, which is the most expensive case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from harness.tokenizer import write_tokenizer

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


def _diffusion(folder: Path) -> dict[str, Any]:
    """sd-turbo's parts in half precision; 866 and 340 million numbers, as its published files have."""
    # By name, since their types differ from version to version.
    diffusers: Any = import_module("diffusers")
    transformers: Any = import_module("transformers")
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            attention_head_dim=(5, 10, 20, 20),
            cross_attention_dim=1024,
            use_linear_projection=True,
        )
        tiny = diffusers.AutoencoderTiny()
        words = transformers.CLIPTextModel(
            transformers.CLIPTextConfig(
                hidden_size=1024,
                intermediate_size=4096,
                num_hidden_layers=23,
                num_attention_heads=16,
                hidden_act="gelu",
            )
        )
    for name, stem, part in (
        ("unet", "diffusion_pytorch_model", unet),
        ("vae", "diffusion_pytorch_model", tiny),
        ("text_encoder", "model", words),
    ):
        (folder / name).mkdir()
        if part is words:
            words.config.save_pretrained(folder / name)
        else:
            part.save_config(folder / name)
        generator = torch.Generator().manual_seed(0)
        shapes = {key: value.shape for key, value in part.state_dict().items()}
        # Small, so that halves do not overflow on the way through the network.
        numbers = {
            key: torch.randn(shape, generator=generator).mul_(0.02).half() for key, shape in shapes.items()
        }
        save_file(numbers, folder / name / f"{stem}.fp16.safetensors")
    write_tokenizer(folder / "tokenizer")
    return {"weights": str(folder)}


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
    "detection": _detector,
    "pose": _keypoints,
    "img2img": _diffusion,
}
