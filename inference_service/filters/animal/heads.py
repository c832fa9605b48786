"""What a GPU draws animals from: heads and drawings as tensors, and made-up ones to try kernels with."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.animal.cards import KINDS
from inference_service.filters.animal.layers import FAR, Layers
from inference_service.filters.animal.muzzle import SIDE, Maps


class Sheets(NamedTuple):
    """Drawings of all animals, float32 on the device."""

    large: Tensor
    """(5, animals, 6, S, S): paint and relief, as in NAMES."""
    small: Tensor
    """(2, animals, 6, s, s)."""
    shadows: Tensor
    """(animals, 1, SHADOW_SIZE, SHADOW_SIZE): alpha of the ears' shadows."""


class Heads(NamedTuple):
    """K heads as a GPU draws them: every place of every picture."""

    layers: Layers
    muzzle: Maps
    past_head: Tensor
    """As `cards.Placed` has it, and so has it `on_head`."""
    on_head: Tensor

    def part(self, some: slice) -> Heads:
        """Return some of them."""
        return Heads(
            Layers(*(one[some] for one in self.layers)),
            Maps(*(one[some] for one in self.muzzle)),
            self.past_head[some],
            self.on_head[some],
        )


def sample(
    device: torch.device, n: int, places: int, size: tuple[int, int]
) -> tuple[Tensor, Heads, Tensor, Sheets]:
    """Return pictures with made-up drawings round the first place of each; nobody is at the others."""
    count, (height, width) = n * places, size

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, device=device)

    sheets = Sheets(
        random(5, len(KINDS), 6, 128, 128), random(2, len(KINDS), 6, 64, 64), random(len(KINDS), 1, 64, 64)
    )
    for one in sheets[:2]:
        one[:, :, :3] *= 255 * one[:, :, 3:4]
    # A drawing is a quarter of the picture wide, and slanted: u, v and w of homogeneous pixels.
    to_drawing = torch.zeros((count, 8, 3, 3), device=device)
    to_drawing[..., :2, 2], to_drawing[..., 2, 2] = FAR, 1
    seen = to_drawing[::places]
    seen[..., 0, 0], seen[..., 0, 1] = 8 / width, 0.3 / width
    seen[..., 1, 1], seen[..., 2, 0] = 8 / height, 0.2 / width
    seen[..., :2, 2] = -random(n, 8, 2) * 4 - 1.5
    is_there = (torch.arange(count, device=device) % places == 0).float()
    steps = (torch.arange(SIDE, device=device) + 0.5) / SIDE
    uv = torch.stack((steps.expand(SIDE, -1), steps[:, None].expand(-1, SIDE))).expand(count, -1, -1, -1)
    middle = torch.tensor([width / 3, height / 3, height / 3], device=device).repeat(count, 1)
    veils = torch.linspace(0, 1, 64, device=device).view(8, 8).expand(count, 2, -1, -1)
    return (
        torch.randint(0, 256, (n, *size, 3), dtype=torch.uint8, device=device).permute(0, 3, 1, 2),
        Heads(
            Layers(
                to_drawing,
                random(count, 7, 2) - 0.5,
                random(count, 7, 4) * is_there[:, None, None],
                random(count, 2) * is_there[:, None],
            ),
            Maps(middle, uv.contiguous(), uv[:, :1].contiguous()),
            veils.contiguous(),
            1 - veils,
        ),
        torch.arange(n, device=device) % len(KINDS),
        sheets,
    )
