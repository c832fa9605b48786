"""`afterglow`: whatever moves leaves a trail of light that fades.

What moves is what differs from the last frame by more than a camera's noise. It makes its place hot; heat
fades from frame to frame, and is shown as a tint over the picture wherever nothing changes at this moment. So
edges and texture that move stay clear; a plain surface that moves slowly shows its own trail.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters import base
from inference_service.filters.base import Filter, Item

NOISE_LEVELS = 10.0
"""A change of this many levels of 255, or less, is the camera's noise."""
FULL_LEVELS = 50.0
"""A change of this many levels, or more, is as hot as it gets."""


class Afterglow(Filter):
    """A trail per session, kept on the worker's device; sessions of different looks share a batch."""

    class Params(base.Params):
        """What a page may set, live: each becomes a control on it."""

        decay: float = Field(
            0.92, ge=0, le=1, title="Decay", description="What is left of the trail one frame later."
        )
        strength: float = Field(
            0.8, ge=0, le=1, title="Strength", description="How far a fresh trail covers the picture."
        )
        tint: str = Field(
            "#40c8ff", pattern="^#[0-9a-fA-F]{6}$", title="Tint", description="Colour of the trail, #rrggbb."
        )

    class Settings(base.Settings):
        """What an operator may set, once for all sessions of a worker."""

        divisor: int = Field(
            4, ge=1, le=16, description="The trail has one value for this many pixels each way."
        )

    name: ClassVar[str] = "afterglow"
    title: ClassVar[str] = "Afterglow"
    description: ClassVar[str] = "Whatever moves leaves a trail of light that fades."
    keeps_state: ClassVar[bool] = True
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def apply(self, batch: Tensor, items: Sequence[Item]) -> Tensor:
        """Return the frames under their trails, float32 in [0, 255]; see `Filter.apply`."""
        height, width = batch.shape[-2:]
        divisor = self.settings.divisor
        # Colour by colour in memory: so a CPU mixes them in a tenth of the time that it takes interleaved.
        frames = batch.contiguous().float()
        seen = nnf.avg_pool2d(frames, divisor, ceil_mode=True)
        fade, strength, tint = _looks(items, batch.device)
        seen_before, heat = _remembered(seen, items)

        change = (seen - seen_before).abs().amax(dim=1, keepdim=True)
        motion = ((change - NOISE_LEVELS) / (FULL_LEVELS - NOISE_LEVELS)).clamp(0, 1)
        heat = torch.maximum(heat * fade, motion)
        cover = strength * heat * (1 - motion)

        # Last: whatever has raised before this line has left every session's trail as it was.
        _remember(torch.cat((seen, heat), dim=1), items)
        cover = nnf.interpolate(cover, scale_factor=divisor, mode="bilinear")[..., :height, :width]
        return frames.lerp_(tint, cover)


def _looks(items: Sequence[Item], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return fade and strength in (N, 1, 1, 1) and tint, RGB in [0, 255], in (N, 3, 1, 1); all float32."""
    rows = []
    for item in items:
        # A worker that is behind skips frames. By their numbers the trail fades as fast as it would have.
        frames_since = max(1, item.sequence - item.state.get("sequence", item.sequence))
        params = item.params
        rows.append([params.decay**frames_since, params.strength, *bytes.fromhex(params.tint[1:])])
    # From pinned memory, since a copy to a GPU from any other memory waits for the GPU.
    looks = torch.tensor(rows, dtype=torch.float32, pin_memory=device.type == "cuda")
    looks = looks.to(device, non_blocking=True)[..., None, None]
    return looks[:, 0:1], looks[:, 1:2], looks[:, 2:5]


def _remembered(seen: Tensor, items: Sequence[Item]) -> tuple[Tensor, Tensor]:
    """Return what was seen last, like `seen`, and the heat, (N, 1, h, w) in 0..1; a first frame is cold."""
    cold = torch.zeros_like(seen[0, :1])
    kept = [
        item.state["kept"] if "kept" in item.state else torch.cat((one, cold))
        for one, item in zip(seen, items, strict=True)
    ]
    remembered = torch.stack(kept)
    return remembered[:, :3], remembered[:, 3:]


def _remember(remembered: Tensor, items: Sequence[Item]) -> None:
    for one, item in zip(remembered, items, strict=True):
        # A copy: a view would keep the whole batch in memory for as long as this session lasts.
        item.state["kept"] = one.clone()
        item.state["sequence"] = item.sequence
