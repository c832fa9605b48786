"""`ink`: the camera as an ink-and-paint drawing, by a small convolutional network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters import base
from inference_service.filters.base import Filter, Item
from inference_service.filters.ink.network import (
    BLOCK_CHANNELS,
    OUT_SCALE,
    SIZE_MULTIPLE,
    InkNetwork,
    from_blocks,
    load_network,
)
from inference_service.filters.vision import levels
from shared.heap import keep_large_blocks

WEIGHTS = Path(__file__).with_name("ink.safetensors")
LINES, MOST_TIMES = 480, 2.0
"""Of the short side: a larger picture is drawn in this size, at most so many times as small, then enlarged.

The network's lines are as wide as it was trained for, so at 1280x720 they would be thin and pale.
"""


class Ink(Filter):
    """Flat paint with dark lines along edges; see `network` for how and `teacher` for the look."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        strength: float = Field(
            default=1.0,
            ge=0.0,
            le=1.0,
            title="Strength",
            description="0 shows the camera as it is, 1 the drawing.",
        )
        lines: float = Field(
            default=1.0,
            ge=0.0,
            le=1.5,
            title="Lines",
            description="How dark the ink is; 0 leaves the paint alone.",
        )

    name: ClassVar[str] = "ink"
    title: ClassVar[str] = "Ink and paint"
    description: ClassVar[str] = "A drawing: flat paint, dark lines along edges. Calms a noisy camera too."
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._weights = weights
        self._network: InkNetwork | None = None

    def load(self, device: torch.device) -> None:
        """Read the weights and put them on `device`; raises WeightsError if they do not fit."""
        network = load_network(self._weights)
        # The scale of bytes goes into the weights once, not into 900,000 values of every frame.
        assert network.out.bias is not None
        with torch.no_grad():
            network.fine.weight.div_(255)
            network.out.weight.mul_(255 * OUT_SCALE)
            network.out.bias.mul_(255 * OUT_SCALE)
        if device.type == "cpu":
            keep_large_blocks()
        self._network = network.requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Tensor:
        """Return the drawings of (N, 3, H, W) uint8 RGB frames, H and W even; see `Filter.apply`."""
        if self._network is None:
            raise RuntimeError("ink is not loaded")
        size = levels.size_of(batch)
        small = drawn_size(size)
        looks = [(item.params.strength, item.params.lines) for item in items]
        if small == size:
            return self._drawings(self._network, batch, looks)
        whole = [(1.0, lines) for _, lines in looks]
        drawings = self._drawings(self._network, levels.shrunk(batch, small), whole)
        enlarged = levels.stretched(drawings, size)
        if all(strength == 1 for strength, _ in looks):
            return enlarged
        share = torch.tensor([strength for strength, _ in looks], pin_memory=batch.is_cuda)
        share = share.to(batch.device, non_blocking=True)[:, None, None, None]
        return levels.mixed(batch, enlarged, share.expand(-1, 1, *size))

    def _drawings(self, network: InkNetwork, batch: Tensor, looks: Sequence[tuple[float, float]]) -> Tensor:
        height, width = batch.shape[-2:]
        frames = _padded(batch).to(torch.float32, memory_format=torch.channels_last)
        features = network.features(frames)
        if len(set(looks)) == 1:
            drawings = _drawn(network, features, *looks[0])
        else:
            parts = [_drawn(network, features[i : i + 1], *look) for i, look in enumerate(looks)]
            drawings = torch.cat(parts)
        if all(strength == 1 for strength, _ in looks):
            pictures = from_blocks(drawings.clamp_(0, 255).to(torch.uint8))
        else:
            kept = torch.tensor([1 - strength for strength, _ in looks], pin_memory=frames.is_cuda)
            kept = kept.to(frames.device, non_blocking=True)
            mixed = from_blocks(drawings).addcmul_(frames, kept[:, None, None, None])
            pictures = mixed.clamp_(0, 255).to(torch.uint8)
        return pictures[..., :height, :width]


def drawn_size(size: levels.Size) -> levels.Size:
    """Return (height, width), both even, in which a picture of `size` is drawn."""
    times = min(MOST_TIMES, min(size) / LINES)
    if times <= 1:
        return size
    height, width = (round(side / times / 2) * 2 for side in size)
    return height, width


def _drawn(network: InkNetwork, features: Tensor, strength: float, lines: float) -> Tensor:
    """Return blocks of the drawing, in levels; both parameters fold into the last convolution."""
    weight, bias = network.out.weight, network.out.bias
    assert bias is not None
    weight = strength * (weight[:BLOCK_CHANNELS] - lines * weight[BLOCK_CHANNELS:])
    # The half level makes the cut to uint8 round to the nearest.
    bias = strength * (bias[:BLOCK_CHANNELS] - lines * bias[BLOCK_CHANNELS:]) + 0.5
    return nnf.conv2d(features, weight, bias, padding=1)


def _padded(batch: Tensor) -> Tensor:
    """Return `batch` with its last row and column repeated up to the network's multiple."""
    below, right = (-size % SIZE_MULTIPLE for size in batch.shape[-2:])
    if below:
        batch = torch.cat((batch, batch[:, :, -1:].expand(-1, -1, below, -1)), dim=2)
    if right:
        batch = torch.cat((batch, batch[..., -1:].expand(-1, -1, -1, right)), dim=3)
    return batch
