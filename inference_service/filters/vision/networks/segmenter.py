"""torchvision's segmentation networks of the PASCAL VOC classes: built, filled, and run on whole batches.

What comes out are the network's own maps, an eighth or a sixteenth of its input; whoever draws enlarges them.
torchvision is imported where a network is built.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf
from torch.nn.utils.fusion import fuse_conv_bn_eval

from inference_service.filters.base import Piece
from inference_service.filters.vision.networks.fusing import fuse
from inference_service.filters.vision.networks.graphs import Recorder, Unrecorded
from inference_service.filters.vision.networks.precision import require_finite
from inference_service.filters.vision.networks.replays import Replays
from inference_service.filters.vision.networks.state_dict import load_state
from inference_service.weights.folder import WeightsFile

NetworkName = Literal["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"]

CLASSES = 21
PERSON = 15
"""The class of persons among PASCAL VOC's; 0 is the background."""
SIDE_MULTIPLE = 16
"""Of the network's input, so that its maps come out even."""
MAX_STRETCH = 4
"""The long side is at most so many times the short one; a picture longer than that is pressed together."""
MEAN_RGB = (0.485, 0.456, 0.406)
DEVIATION_RGB = (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in 0..1, as torchvision's transforms of these weights have them."""

_LICENCE = "none is named; trained on COCO, see docs/licences.md"
_ZOO = "https://download.pytorch.org/models"
WEIGHTS: Mapping[NetworkName, WeightsFile] = {
    "lraspp_mobilenet_v3_large": WeightsFile(
        name="lraspp_mobilenet_v3_large-d234d4ea.pth",
        url=f"{_ZOO}/lraspp_mobilenet_v3_large-d234d4ea.pth",
        sum_prefix="sha256:d234d4ea",
        licence=_LICENCE,
        about_bytes=13_000_000,
    ),
    "deeplabv3_mobilenet_v3_large": WeightsFile(
        name="deeplabv3_mobilenet_v3_large-fc3c493d.pth",
        url=f"{_ZOO}/deeplabv3_mobilenet_v3_large-fc3c493d.pth",
        sum_prefix="sha256:fc3c493d",
        licence=_LICENCE,
        about_bytes=44_000_000,
    ),
}


def build(name: NetworkName) -> nn.Module:
    """Return torchvision's model as its weights file expects it, with random weights, on the CPU.

    Raises ImportError without torchvision.
    """
    from torchvision.models import segmentation

    # The file of the one has a second head, for training; the other model has none.
    more: dict[str, Any] = {"aux_loss": True} if name.startswith("deeplab") else {}
    model: nn.Module = getattr(segmentation, name)(
        weights=None, weights_backbone=None, num_classes=CLASSES, **more
    )
    return model.eval().requires_grad_(False)


class Segmenter:
    """One network on one device; all pictures of a batch at once, and nothing waits for the device."""

    def __init__(self, model: nn.Module, device: torch.device, short_side: int, dtype: torch.dtype) -> None:
        """`model` is one of `build`, and is changed; `short_side` is that of its input, in pixels."""
        self._short_side = short_side
        self.device = device
        self.dtype = dtype
        self._replays = Replays()
        fold_norms(model)
        require_finite(model, self.dtype)
        if dtype != torch.float32:
            fuse(model)
        # Called by its parts: the model itself would enlarge all its maps to the size of the input.
        parts: Any = model
        self._backbone = parts.backbone.to(device, self.dtype, memory_format=torch.channels_last)
        self._head = parts.classifier.to(device, self.dtype, memory_format=torch.channels_last)
        self._is_of_parts = type(model).__name__ == "LRASPP"
        deviation = torch.tensor(DEVIATION_RGB)[:, None, None]
        self._scale = (1 / (255 * deviation)).to(device, self.dtype)
        self._shift = (-torch.tensor(MEAN_RGB)[:, None, None] / deviation).to(device, self.dtype)

    @classmethod
    def load(
        cls, name: NetworkName, path: Path, device: torch.device, short_side: int, dtype: torch.dtype
    ) -> Segmenter:
        """Return the network of `name` with the weights of a file; raises WeightsError."""
        model = build(name)
        load_state(model, path)
        return cls(model, device, short_side, dtype)

    def reduced(self, pictures: Tensor) -> Tensor:
        """Return (N, 3, H, W) uint8 RGB in the size of the network's input; see `reduced` below."""
        return reduced(pictures, self._short_side, self.dtype)

    def logits(self, reduced: Tensor) -> Tensor:
        """Return (N, 21, h', w') of what `reduced` gives, of the network's type; the larger, the likelier."""
        (logits,) = self._replays.run(reduced.shape[2:], self._logits, reduced)
        return logits

    def pieces(
        self, size: tuple[int, int], most: int, recorder: Recorder, unrecorded: Unrecorded
    ) -> Iterator[Piece]:
        """Give the pieces that record `logits` for up to `most` pictures of `size` (height, width)."""
        height, width = input_size(*size, self._short_side)
        rows = torch.zeros(most, 3, height, width, dtype=self.dtype, device=self.device)
        if not self._replays.has(rows.shape[2:]):
            rows = rows.to(memory_format=torch.channels_last)
            name = f"{width}x{height}"
            yield from self._replays.pieces(rows.shape[2:], self._logits, (rows,), recorder, unrecorded, name)

    def _logits(self, reduced: Tensor) -> tuple[Tensor]:
        levels = reduced.to(self.dtype, memory_format=torch.channels_last)
        features = self._backbone(torch.addcmul(self._shift, levels, self._scale))
        logits: Tensor = self._head(features if self._is_of_parts else features["out"])
        return (logits,)


def reduced(pictures: Tensor, short_side: int, dtype: torch.dtype) -> Tensor:
    """Return (N, 3, h, w) levels in 0..255 of (N, 3, H, W) uint8 RGB; of `dtype` on a GPU, uint8 on a CPU."""
    size = input_size(pictures.shape[2], pictures.shape[3], short_side)
    # On a CPU torch resizes bytes that lie channels last many times as fast as floating-point numbers.
    levels = pictures.to(dtype if pictures.is_cuda else torch.uint8, memory_format=torch.channels_last)
    return nnf.interpolate(levels, size, mode="bilinear", antialias=True, align_corners=False)


def input_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Return (height, width) of the network's input for a picture of these sides."""
    scale = short_side / min(height, width)
    most = MAX_STRETCH * short_side
    rows, columns = (
        max(1, round(min(side * scale, most) / SIDE_MULTIPLE)) * SIDE_MULTIPLE for side in (height, width)
    )
    return rows, columns


def fold_norms(model: nn.Module) -> None:
    """Fold every batch norm that follows a convolution in a sequence into it, in place."""
    for sequence in [one for one in model.modules() if isinstance(one, nn.Sequential)]:
        for place in range(len(sequence) - 1):
            conv, norm = sequence[place], sequence[place + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[place] = fuse_conv_bn_eval(conv, norm)
                sequence[place + 1] = nn.Identity()
