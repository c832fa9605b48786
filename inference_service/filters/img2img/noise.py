"""Noise that is the same in every frame, after every restart and on every worker: from the seed alone."""

from __future__ import annotations

from functools import lru_cache, partial

import torch
from torch import Tensor

from inference_service.filters.img2img.schedule import MAX_STEPS

LATENTS = 4
"""Channels of the autoencoder's latent pictures."""
KEPT = 64
"""Noises; 0.25 MB each at 512x512."""


class Noise:
    """The noises in use lie on the device, the one unused for longest is let go."""

    def __init__(self, device: torch.device, kept: int = KEPT) -> None:
        self._drawn = lru_cache(kept)(partial(_drawn, device))

    def __len__(self) -> int:
        return self._drawn.cache_info().currsize

    def get(self, seed: int, height: int, width: int) -> Tensor:
        """Return (MAX_STEPS, 4, height, width) float32 normal noise for a latent picture of that size.

        The first is what the picture is hidden under, the others what later steps of LCM renew it with.
        """
        return self._drawn(seed, height, width)


def _drawn(device: torch.device, seed: int, height: int, width: int) -> Tensor:
    # A CPU's generator gives the same numbers beside every GPU, those that diffusers' pipelines draw.
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(LATENTS, height, width, generator=generator) for _ in range(MAX_STEPS)]
    noise = torch.stack(drawn)
    if device.type == "cuda":
        return noise.pin_memory().to(device, non_blocking=True)
    return noise.to(device)
