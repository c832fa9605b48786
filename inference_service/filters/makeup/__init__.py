"""`makeup`: lips, cheeks, lids and brows of every face, and skin made even, by the face mesh.

picture ── Follower ── points ── areas (soft maps on an upright sheet of each face)
   └── sheets ── paint ── what is to be added ── back onto the picture, at its own resolution
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.base import Answer, Item
from inference_service.filters.makeup.paint import AMOUNTS, COLOURS
from inference_service.filters.makeup.painter import Painter
from inference_service.filters.vision.networks.people.recorded import OwnNetworks
from inference_service.filters.vision.networks.precision import dtype_of
from inference_service.filters.vision.people.counting import with_count
from inference_service.filters.vision.people.following import Follower
from inference_service.filters.vision.poison import poisoned
from inference_service.filters.vision.rows import Rows
from inference_service.filters.vision.settings.own import OwnSettings

_COLOUR = r"^#[0-9a-fA-F]{6}$"


class Makeup(OwnNetworks):
    """Follows faces (`vision.people.following`) and makes them up (`areas`, `skin`, `paint`)."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        smooth: float = Field(
            default=0.6, ge=0.0, le=1.0, title="Even skin", description="Evens skin out; pores stay."
        )
        lips: float = Field(
            default=0.6, ge=0.0, le=1.0, title="Lipstick", description="How much of it there is."
        )
        lip_colour: str = Field(
            default="#a83c4c", pattern=_COLOUR, title="Lipstick's colour", description="Of the lips."
        )
        gloss: float = Field(
            default=0.3, ge=0.0, le=1.0, title="Gloss", description="How much the lips shine."
        )
        cheeks: float = Field(
            default=0.4, ge=0.0, le=1.0, title="Blush", description="How much of it is on the cheeks."
        )
        cheek_colour: str = Field(
            default="#e06a62", pattern=_COLOUR, title="Blush's colour", description="Of the cheeks."
        )
        lids: float = Field(
            default=0.5, ge=0.0, le=1.0, title="Eye shadow", description="How much of it is on the lids."
        )
        lid_colour: str = Field(
            default="#8a5a6c", pattern=_COLOUR, title="Shadow's colour", description="Of the lids."
        )
        line: float = Field(
            default=0.55, ge=0.0, le=1.0, title="Eye line", description="How dark the line at the lashes is."
        )
        line_colour: str = Field(
            default="#1d1518",
            pattern=_COLOUR,
            title="Line's colour",
            description="Of the line at the lashes.",
        )
        brows: float = Field(
            default=0.35, ge=0.0, le=1.0, title="Brows", description="How much fuller the brows are."
        )
        brow_colour: str = Field(
            default="#6b4a3a", pattern=_COLOUR, title="Brows' colour", description="Of the brows."
        )

    Settings = OwnSettings

    name: ClassVar[str] = "makeup"
    title: ClassVar[str] = "Make-up"
    description: ClassVar[str] = "Lips, cheeks, lids, brows and even skin, on up to four faces."
    keeps_state: ClassVar[bool] = True
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def __init__(self) -> None:
        self._follower: Follower | None = None
        self._painter: Painter | None = None
        self._rows: Any = None

    def load(self, device: torch.device) -> None:
        """Load the networks. Raises WeightsError if their files are not those of this version."""
        self._rows = Rows(row, device)
        self._painter = Painter(device)
        self._follower = Follower(device, dtype_of(self.settings.precision, device))

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Answer:
        """Return (N, 3, H, W) pictures of uint8 RGB frames, uint8 on a CPU; see `Filter.apply`.

        All of a picture is NaN where a network's answer for it is not finite. Where a session wants data, it
        is told how many faces there are.
        """
        if self._follower is None or self._painter is None:
            raise RuntimeError("makeup is not loaded")
        rows = self._rows.stack([item.params for item in items])
        with lap("network"):
            seen = self._follower.follow(batch, items)
        with lap("paint"):
            made = self._painter.made_up(batch, seen, rows)
        return with_count(poisoned(made, seen.poison), seen, items)


def row(params: Makeup.Params) -> np.ndarray:
    """Return the amounts, then the colours as R, G, B in 0..1; float32."""
    amounts = [getattr(params, name) for name in AMOUNTS]
    colours = [bytes.fromhex(getattr(params, name)[1:]) for name in COLOURS]
    return np.array((*amounts, *(level / 255 for colour in colours for level in colour)), np.float32)
