"""The ink network: about 20,000 parameters that paint a camera frame anew.

    frame -- pixel-unshuffle, conv -> 16 ch, half size ------- + -- conv 3x3 -> 12 ch paint, 12 ch ink
                        |                                      |                |
                        conv 2x2, stride 2 -> 16 ch, quarter   conv up          pixel-shuffle, paint - ink
                        residual conv 3x3 ------------------ + residual conv 3x3
                        |                                    |
                        conv 2x2, stride 2 -> 24 ch, eighth  conv up
                        residual conv 3x3 -------------------+

Few channels where the picture is large and most of the parameters where it is small: there they
see far, for large calm areas, and cost little.

The frame itself is not added back at the end: a network that corrects its input must first learn to
cancel the noise of every pixel, one that paints leaves it out (measured: a third of the camera's
noise came through instead of all of it). Paint and ink leave the last convolution side by side, so
how dark the lines are is a matter of its weights alone, and costs nothing per frame.

A channels-last picture is already half of a pixel-unshuffle: two neighbours in a row are six values
side by side. So (H, W, 3) is read as (H, W / 2, 6) without a copy, and a convolution that steps two
rows down and one pair along does the rest. A copy would take as long as a convolution.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as nnf

from inference_service.errors import InferenceError

PAIR_CHANNELS = 6
"""Two neighbouring pixels of three colours."""
BLOCK_CHANNELS = 2 * PAIR_CHANNELS
"""Two pairs, one above the other."""
FINE_CHANNELS = 16
COARSE_CHANNELS = 16
DEEP_CHANNELS = 24
LEAK = 0.1
"""Slope below zero; with plain ReLU half of the few channels die early in training and stay dead."""
OUT_SCALE = 0.25
"""On the last convolution: unscaled, one step of the optimiser would overshoot most colours."""
SIZE_MULTIPLE = 8
"""Width and height that the network takes are multiples of this."""


class WeightsError(InferenceError):
    """The weights file is missing, unreadable or made for another network; the text says which."""


class InkNetwork(nn.Module):
    """See the top of the file; trained on frames in [0, 1], (N, 3, H, W) channels-last."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(PAIR_CHANNELS, FINE_CHANNELS, (4, 3), stride=(2, 1), padding=1)
        self.down = nn.Conv2d(FINE_CHANNELS, COARSE_CHANNELS, 2, stride=2)
        self.near = nn.Conv2d(COARSE_CHANNELS, COARSE_CHANNELS, 3, padding=1)
        self.dive = nn.Conv2d(COARSE_CHANNELS, DEEP_CHANNELS, 2, stride=2)
        self.deep = nn.Conv2d(DEEP_CHANNELS, DEEP_CHANNELS, 3, padding=1)
        self.rise = nn.ConvTranspose2d(DEEP_CHANNELS, COARSE_CHANNELS, 2, stride=2)
        self.blend = nn.Conv2d(COARSE_CHANNELS, COARSE_CHANNELS, 3, padding=1)
        self.up = nn.ConvTranspose2d(COARSE_CHANNELS, FINE_CHANNELS, 2, stride=2)
        self.out = nn.Conv2d(FINE_CHANNELS, 2 * BLOCK_CHANNELS, 3, padding=1)
        self._initialise()

    def _initialise(self) -> None:
        with torch.no_grad():
            for layer in (self.fine, self.down, self.near, self.dive, self.deep, self.blend):
                nn.init.kaiming_normal_(layer.weight, a=LEAK)
            for raised in (self.rise, self.up):
                # Each output pixel sees one input pixel, whatever the kernel's size says.
                nn.init.normal_(raised.weight, std=raised.in_channels**-0.5)
            # Colours lie round 0.5; training is much faster with features that lie round zero.
            assert self.fine.bias is not None
            assert self.out.bias is not None
            self.fine.bias.copy_(-0.5 * self.fine.weight.sum((1, 2, 3)))
            self.out.bias[:BLOCK_CHANNELS].fill_(0.5 / OUT_SCALE)

    def features(self, frames: Tensor) -> Tensor:
        """Return (N, 16, H / 2, W / 2) features of (N, 3, H, W) frames; H and W multiples of 8."""
        n, colours, height, width = frames.shape
        pairs = frames.permute(0, 2, 3, 1).reshape(n, height, width // 2, 2 * colours).permute(0, 3, 1, 2)
        fine = nnf.leaky_relu_(self.fine(pairs), LEAK)
        coarse = nnf.leaky_relu_(self.down(fine), LEAK)
        coarse = coarse + nnf.leaky_relu_(self.near(coarse), LEAK)
        deep = nnf.leaky_relu_(self.dive(coarse), LEAK)
        deep = deep + nnf.leaky_relu_(self.deep(deep), LEAK)
        coarse = nnf.leaky_relu_(self.rise(deep).add_(coarse), LEAK)
        coarse = coarse + nnf.leaky_relu_(self.blend(coarse), LEAK)
        return nnf.leaky_relu_(self.up(coarse).add_(fine), LEAK)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the paint, and the paint under ink, both (N, 3, H, W), of frames in [0, 1]."""
        paint, ink = (self.out(self.features(frames)) * OUT_SCALE).chunk(2, dim=1)
        return from_blocks(paint), from_blocks(paint - ink)


def from_blocks(blocks: Tensor) -> Tensor:
    """Return (N, 12, h, w) blocks as the picture they are of, (N, 3, 2h, 2w), channels-last.

    The channels of a block are ordered row, column, colour, unlike torch's pixel-shuffle: so a row of
    a block is six neighbouring values before and after.
    """
    n, channels, height, width = blocks.shape
    rows = blocks.permute(0, 2, 3, 1).reshape(n, height, width, 2, channels // 2)
    if blocks.dtype == torch.uint8:
        # Two bytes at a time take half as long.
        pixels = rows.view(torch.int16).transpose(2, 3).contiguous().view(torch.uint8)
    else:
        pixels = rows.transpose(2, 3)
    return pixels.reshape(n, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)


def load_network(path: Path) -> InkNetwork:
    """Return the network with the weights of `path`, float32 on the CPU.

    Raises WeightsError, naming each key, if the file is not exactly this network's: a file that
    fits only in part would load without a word and paint noise.
    """
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as exc:
        raise WeightsError(f"cannot read the weights {path.name}: {exc}") from exc
    network = InkNetwork()
    expected = network.state_dict()
    faults = [f"{key} is missing" for key in expected.keys() - weights.keys()]
    faults += [f"{key} is unknown" for key in weights.keys() - expected.keys()]
    faults += [
        f"{key} is {tuple(weights[key].shape)}, not {tuple(expected[key].shape)}"
        for key in expected.keys() & weights.keys()
        if weights[key].shape != expected[key].shape
    ]
    if faults:
        raise WeightsError(f"{path.name} does not fit the ink network: {'; '.join(sorted(faults))}")
    network.load_state_dict({key: value.float() for key, value in weights.items()})
    return network.eval()
