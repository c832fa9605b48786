"""Denoiser and autoencoder on their device, as three functions of tensors; recorded on a GPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from inference_service.filters.base import Piece
from inference_service.filters.img2img.noise import LATENTS
from inference_service.filters.img2img.words import TOKENS
from inference_service.filters.vision.networks.compiling import Compiled
from inference_service.filters.vision.networks.graphs import (
    SMALL,
    Recorded,
    Recorder,
    Unrecorded,
    bucket,
    descending,
)

LATENT_PIXELS = 8
"""Of a picture, each way, for one value of the latent picture."""


class Networks:
    """The model's parts.

    Pictures are (N, 3, h, w) in [-1, 1], latents (N, 4, h / 8, w / 8), all in `dtype`.
    """

    def __init__(self, unet: Any, autoencoder: Any, device: torch.device, dtype: torch.dtype) -> None:
        # On a CPU channels-last convolutions of this size are no faster.
        form = torch.channels_last if device.type == "cuda" else torch.preserve_format
        self._unet = unet.to(device, memory_format=form)
        self._autoencoder = autoencoder.to(device, memory_format=form)
        self._form = form
        self._scaling = float(autoencoder.config.scaling_factor)
        self._guidance_values: int | None = unet.config.time_cond_proj_dim
        self._words = int(unet.config.cross_attention_dim)
        self._recorded: dict[tuple[str, int, int, int], Recorded[Tensor]] = {}
        self.unrecorded = Unrecorded(device)
        self.device = device
        self.dtype = dtype

    @property
    def takes_guidance(self) -> bool:
        """The denoiser is told the guidance, as LCMs are, instead of being asked twice."""
        return self._guidance_values is not None

    def compiled(self) -> Compiled:
        """Prepare a compiled form of all parts."""
        return Compiled((self._unet, self._autoencoder.encoder, self._autoencoder.decoder))

    @torch.inference_mode()
    def run_once(self, width: int, height: int) -> None:
        """Do all work for one picture of this size, which is thrown away."""
        for _, function, static in self._works(1, width, height):
            function(*static)

    def recordings(self, sizes: Sequence[tuple[int, int]], max_batch: int) -> Iterator[Piece]:
        """Give the pieces that record all work for pictures of `sizes` (width, height), on a GPU.

        What cannot be recorded is noted, and done without.
        """
        recorder = Recorder(self.device)
        for width, height in dict.fromkeys(sizes):
            for batch in descending(max_batch, SMALL):
                yield partial(self._record, recorder, batch, width, height)

    @torch.inference_mode()
    def _record(self, recorder: Recorder, batch: int, width: int, height: int) -> None:
        size = (height // LATENT_PIXELS, width // LATENT_PIXELS)
        for name, function, static in self._works(batch, width, height):
            with self.unrecorded.noted(f"{name} of {batch} of {width}x{height}"):
                self._recorded[(name, batch, *size)] = recorder.record(function, static)

    def encode(self, pictures: Tensor) -> Tensor:
        """Return the latents of pictures."""
        return self._run("encode", self._encode, (pictures,), pictures.shape[-2] // LATENT_PIXELS)

    def predict(self, latents: Tensor, timesteps: Tensor, words: Tensor, guidance: Tensor) -> Tensor:
        """Return what noise there is in latents, at (N,) timesteps.

        `words` (N, 77, D) say what is painted, `guidance` (N,) how strictly, where the denoiser takes it.
        """
        inputs = (latents, timesteps, words, guidance) if self.takes_guidance else (latents, timesteps, words)
        return self._run("predict", self._predict, inputs, latents.shape[-2])

    def decode(self, latents: Tensor) -> Tensor:
        """Return the pictures of latents."""
        return self._run("decode", self._decode, (latents,), latents.shape[-2])

    def _run(
        self, name: str, function: Callable[..., Tensor], inputs: tuple[Tensor, ...], height: int
    ) -> Tensor:
        count = len(inputs[0])
        width = inputs[0].shape[-1] // (LATENT_PIXELS if name == "encode" else 1)
        recorded = self._recorded.get((name, bucket(count, SMALL), height, width))
        if recorded is None:
            return function(*inputs)
        for static, given in zip(recorded.inputs, inputs, strict=True):
            static[:count].copy_(given)
        return recorded.replay()[:count]

    def _encode(self, pictures: Tensor) -> Tensor:
        pictures = pictures.contiguous(memory_format=self._form) if pictures.is_cuda else pictures
        latents: Tensor = self._autoencoder.encode(pictures, return_dict=False)[0]
        return latents * self._scaling

    def _predict(
        self, latents: Tensor, timesteps: Tensor, words: Tensor, guidance: Tensor | None = None
    ) -> Tensor:
        told = None
        if guidance is not None and self._guidance_values is not None:
            told = guidance_embedding(guidance, self._guidance_values).to(self.dtype)
        latents = latents.contiguous(memory_format=self._form) if latents.is_cuda else latents
        said: Tensor = self._unet(
            latents, timesteps, encoder_hidden_states=words, timestep_cond=told, return_dict=False
        )[0]
        return said

    def _decode(self, latents: Tensor) -> Tensor:
        latents = latents.contiguous(memory_format=self._form) if latents.is_cuda else latents
        pictures: Tensor = self._autoencoder.decode(latents / self._scaling, return_dict=False)[0]
        return pictures

    def _works(
        self, batch: int, width: int, height: int
    ) -> Iterator[tuple[str, Callable[..., Tensor], tuple[Tensor, ...]]]:
        """Give the three functions with inputs of their own."""
        size = (height // LATENT_PIXELS, width // LATENT_PIXELS)
        yield "encode", self._encode, (self._static(batch, 3, height, width),)
        inputs: list[Tensor] = [
            self._static(batch, LATENTS, *size),
            torch.zeros(batch, device=self.device),
            self._static(batch, TOKENS, self._words),
        ]
        if self.takes_guidance:
            inputs.append(torch.zeros(batch, device=self.device))
        yield "predict", self._predict, tuple(inputs)
        yield "decode", self._decode, (self._static(batch, LATENTS, *size),)

    def _static(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=self.dtype, device=self.device)


def guidance_embedding(guidance: Tensor, values: int) -> Tensor:
    """Return (N, values) float32 waves of (N,) guidance scales, 1 meaning none.

    As LCM was distilled (Luo et al. 2023, algorithm 1): the scale less one, times 1000, as sines, then
    cosines of falling frequency.
    """
    half = values // 2
    falling = torch.arange(half, dtype=torch.float32, device=guidance.device) * -(
        math.log(10000.0) / (half - 1)
    )
    waves = ((guidance.float() - 1) * 1000.0)[:, None] * torch.exp(falling)
    return torch.cat((torch.sin(waves), torch.cos(waves)), dim=1)
