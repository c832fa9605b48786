"""`grade`: colour looks as films have them, made by code alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from inference_service.filters import base
from inference_service.filters.base import Item
from inference_service.filters.grade.apply import Order, graded
from inference_service.filters.grade.grading import Bytes, Grading, Wish, grading, vignette
from inference_service.filters.grade.looks import LOOKS, LookName

_KEPT_GRADINGS = 256
_KEPT_SHADES = 16


class Grade(base.Filter):
    """Colours, contrast and light of a whole picture. Frames with different values share a batch."""

    class Params(base.Params):
        """What a page may set, live."""

        look: LookName = Field(default="cinema", title="Look", description="The kind of grading.")
        strength: float = Field(
            default=1.0, ge=0.0, le=1.0, title="Strength", description="0 shows the camera as it is."
        )
        warmth: float = Field(
            default=0.0, ge=-1.0, le=1.0, title="Warmth", description="Below 0 is bluer, above is yellower."
        )
        exposure: float = Field(
            default=0.0, ge=-2.0, le=2.0, title="Exposure", description="In stops; 1 is twice the light."
        )
        contrast: float = Field(
            default=0.0, ge=-1.0, le=1.0, title="Contrast", description="Added to that of the look."
        )
        saturation: float = Field(
            default=0.0, ge=-1.0, le=1.0, title="Saturation", description="-1 is grey, 1 is twice the colour."
        )
        vignette: float = Field(
            default=0.25, ge=0.0, le=1.0, title="Vignette", description="How dark the corners are."
        )

    name: ClassVar[str] = "grade"
    title: ClassVar[str] = "Colour looks"
    description: ClassVar[str] = "Seventeen colour looks, from vivid to black and white."
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Tensor:
        """Return the graded (N, 3, H, W) uint8 RGB frames; see `Filter.apply`."""
        height, width = batch.shape[-2:]
        return graded(batch, [order(item.params, height, width) for item in items])


def order(params: Grade.Params, height: int, width: int) -> Order:
    """Return what is to be done to one picture of this size."""
    wish = Wish(params.warmth, params.contrast, params.saturation, params.exposure)
    shade = _shade(height, width, params.vignette) if params.vignette else None
    return Order(_grading(params.look, wish), params.strength, shade)


@lru_cache(_KEPT_GRADINGS)
def _grading(look: LookName, wish: Wish) -> Grading:
    return grading(LOOKS[look], wish)


@lru_cache(_KEPT_SHADES)
def _shade(height: int, width: int, strength: float) -> Bytes:
    return vignette(height, width, strength)
