"""The ink network: about 18,000 parameters that paint a camera frame anew.

    frame -- pixel-unshuffle, conv -> 16 ch, half size ------------------- + -- conv 3x3 -> 12 ch paint
                        |                                                  |                12 ch ink
                        conv 2x2, stride 2 -> 24 ch, quarter size          |                    |
                        two residual convs 3x3, the second dilated         |    pixel-shuffle, paint - ink
                        conv 1x1 -> 64, pixel-shuffle -> 16 ch, half size -+

The frame itself is not added back at the end: a network that corrects its input must first learn to
cancel the noise of every pixel, one that paints leaves it out (measured: a third of the camera's
noise came through instead of all of it). Paint and ink leave the last convolution side by side, so
how dark the lines are is a matter of its weights alone, and costs nothing per frame.

A channels-last picture is already half of a pixel-unshuffle: two neighbours in a row are six values
side by side, so (H, W, 3) is read as (H, W / 2, 6) without a copy and a convolution that steps two
rows down and one pair along does the rest. Copying instead would take as long as a convolution.
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
COARSE_CHANNELS = 24
LEAK = 0.1
"""Slope below zero; with plain ReLU half of the few channels die early in training and stay dead."""
OUT_SCALE = 0.25
"""On the last convolution: unscaled, one step of the optimiser would overshoot most colours."""
SIZE_MULTIPLE = 4
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
        self.wide = nn.Conv2d(COARSE_CHANNELS, COARSE_CHANNELS, 3, padding=2, dilation=2)
        self.up = nn.Linear(COARSE_CHANNELS, 4 * FINE_CHANNELS)
        self.out = nn.Conv2d(FINE_CHANNELS, 2 * BLOCK_CHANNELS, 3, padding=1)
        self._initialise()

    def _initialise(self) -> None:
        with torch.no_grad():
            for layer in (self.fine, self.down, self.near, self.wide, self.up):
                nn.init.kaiming_normal_(layer.weight, a=LEAK)
            # Colours lie round 0.5; training is much faster with features that lie round zero.
            assert self.fine.bias is not None
            assert self.out.bias is not None
            self.fine.bias.copy_(-0.5 * self.fine.weight.sum((1, 2, 3)))
            self.out.bias[:BLOCK_CHANNELS].fill_(0.5 / OUT_SCALE)

    def features(self, frames: Tensor) -> Tensor:
        """Return (N, 16, H / 2, W / 2) features of (N, 3, H, W) frames; H and W multiples of 4."""
        n, colours, height, width = frames.shape
        pairs = frames.permute(0, 2, 3, 1).reshape(n, height, width // 2, 2 * colours).permute(0, 3, 1, 2)
        fine = nnf.leaky_relu_(self.fine(pairs), LEAK)
        coarse = nnf.leaky_relu_(self.down(fine), LEAK)
        coarse = coarse + nnf.leaky_relu_(self.near(coarse), LEAK)
        coarse = coarse + nnf.leaky_relu_(self.wide(coarse), LEAK)
        # A 1x1 convolution, written so because torch has a slow path for those on a single thread.
        rise = self.up(coarse.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return nnf.leaky_relu_(add_blocks(fine, rise), LEAK)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the paint, and the paint under ink, both (N, 3, H, W), of frames in [0, 1]."""
        paint, ink = (self.out(self.features(frames)) * OUT_SCALE).chunk(2, dim=1)
        painted = add_blocks(torch.zeros_like(frames), paint)
        return painted, add_blocks(torch.zeros_like(frames), paint - ink)


def add_blocks(image: Tensor, blocks: Tensor) -> Tensor:
    """Return `image`, (N, C, 2h, 2w), plus the pixel-shuffle of `blocks`, (N, 4C, h, w); channels-last.

    The channels of a block are ordered row, column, channel: in this order a row of a block stays
    together in memory. In place while no gradient is wanted.
    """
    n, channels, height, width = image.shape
    target = image.permute(0, 2, 3, 1).reshape(n, height // 2, 2, width // 2, 2 * channels)
    source = blocks.permute(0, 2, 3, 1).reshape(n, height // 2, width // 2, 2, 2 * channels).transpose(2, 3)
    total = target + source if torch.is_grad_enabled() else target.add_(source)
    return total.reshape(n, height, width, channels).permute(0, 3, 1, 2)


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
