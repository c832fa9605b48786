"""Pictures into painted pictures: hidden under noise, then denoised towards each one's prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference_service.device.laps import lap
from inference_service.filters.img2img.networks import LATENT_PIXELS, Networks
from inference_service.filters.img2img.noise import Noise
from inference_service.filters.img2img.prompts import Prompts
from inference_service.filters.img2img.schedule import Numbers, Plan

GUIDANCE_OFF = 1.0
LCM_GUIDANCE = 8.0
"""What the model's page recommends; LCM was never taught to draw without guidance."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How one picture is to be painted."""

    prompt: str
    negative_prompt: str
    seed: int
    guidance: float
    plan: Plan


class Painter:
    """Paints batches whose plans have equally many steps; everything else may differ."""

    def __init__(self, networks: Networks, prompts: Prompts, noise: Noise) -> None:
        self._networks = networks
        self._prompts = prompts
        self._noise = noise

    def paint(self, pictures: Tensor, wishes: Sequence[Wish]) -> Tensor:
        """Return the painted pictures of (N, 3, h, w) ones, both in [-1, 1] and any floating-point dtype."""
        networks = self._networks
        guided = (
            [] if networks.takes_guidance else [n for n, w in enumerate(wishes) if w.guidance > GUIDANCE_OFF]
        )
        with lap("words"):
            texts = [w.prompt for w in wishes] + [wishes[n].negative_prompt for n in guided]
            words = self._prompts.get(texts)
        numbers, guidance, rows = self._moved_up(wishes, guided)
        height, width = (size // LATENT_PIXELS for size in pictures.shape[-2:])
        noise = torch.stack([self._noise.get(w.seed, height, width)[: numbers.steps] for w in wishes], dim=1)
        with lap("encode"):
            latents = networks.encode(pictures.to(networks.dtype))
        kept, added = numbers.start()
        # In float32 whatever the networks' precision: sd-turbo adds up to 15 times as much noise.
        x = latents.float() * kept + noise[0] * added
        for step in range(numbers.steps):
            scale, keep, move, renew = numbers.step(step)
            asked, timesteps = (x * scale).to(networks.dtype), numbers.timestep(step)
            if guided:
                asked = torch.cat((asked, asked.index_select(0, rows)))
                timesteps = torch.cat((timesteps, timesteps.index_select(0, rows)))
            with lap("denoise"):
                said = networks.predict(asked, timesteps, words, guidance).float()
            if guided:
                said = _guided(said, rows, guidance)
            x = x * keep + said * move
            if step + 1 < numbers.steps:
                x = x + noise[step + 1] * renew
        with lap("decode"):
            return networks.decode(x.to(networks.dtype))

    def _moved_up(self, wishes: Sequence[Wish], guided: list[int]) -> tuple[Numbers, Tensor, Tensor]:
        """Return all numbers of a batch on the device, by one copy from pinned memory, which never waits."""
        device = self._networks.device
        rows = [[*w.plan.numbers(), self._scale(w), 0.0] for w in wishes]
        for place, row in zip(guided, rows, strict=False):
            row[-1] = float(place)
        host = torch.tensor(rows, dtype=torch.float32).T.contiguous()
        if device.type == "cuda":
            host = host.pin_memory()
        table = host.to(device, non_blocking=True)
        return Numbers(table[:-2]), table[-2], table[-1, : len(guided)].long()

    def _scale(self, wish: Wish) -> float:
        if self._networks.takes_guidance and wish.guidance <= GUIDANCE_OFF:
            return LCM_GUIDANCE
        return wish.guidance


def _guided(said: Tensor, rows: Tensor, guidance: Tensor) -> Tensor:
    """Return what is said of N pictures, moved away from what is said of some of them by the negative prompt.

    Classifier-free guidance: Ho and Salimans, "Classifier-Free Diffusion Guidance" (2022), equation 6.
    """
    count = len(said) - len(rows)
    positive, negative = said[:count], said[count:]
    away = (guidance.index_select(0, rows) - 1)[:, None, None, None]
    return positive.index_add(0, rows, (positive.index_select(0, rows) - negative) * away)
