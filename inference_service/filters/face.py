"""`face`: every face covered, by squares, a blur or a drawn mask, with the networks of the project.

What hides a face must not show one that has just been missed. So

- a cover stays for half a second where a face is no longer found, moving on as it moved;
- where a person is seen (by the person mask) but no face on them, the upper part of them is covered;
- all of the picture is, while that is not certain: until a face was found since a session's state is new (its
  first frame, a change of size, another worker), for half a second at most; in a picture that is too flat to
  tell; where there are more faces than can be followed; where much of it may or may not be a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.base import Answer, Box, Data, Filtered, Item, Label, Later
from inference_service.filters.vision.draw.covers import covered
from inference_service.filters.vision.draw.masks import Style
from inference_service.filters.vision.draw.nearest import recorded_facts
from inference_service.filters.vision.draw.wishes import KINDS, Wishes
from inference_service.filters.vision.networks.people.recordable import Steps
from inference_service.filters.vision.networks.people.recorded import OwnNetworks
from inference_service.filters.vision.networks.precision import dtype_of
from inference_service.filters.vision.people import hiding
from inference_service.filters.vision.people.covers import IS_THERE, RADIUS, X, Y
from inference_service.filters.vision.people.faces import Faces
from inference_service.filters.vision.people.heads import HALF_WIDTH
from inference_service.filters.vision.people.hiding import Hidden
from inference_service.filters.vision.rows import Rows
from inference_service.filters.vision.settings.own import OwnSettings
from shared.heap import keep_large_blocks


class Face(OwnNetworks):
    """Finds faces (`vision.people.faces`), decides what to hide (`hiding`) and draws it (`draw.covers`)."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        mode: Literal["mosaic", "blur", "mask"] = Field(
            default="mosaic",
            title="Cover",
            description="Squares, a blur, or a drawn mask that follows turn, tilt and mouth.",
        )
        mask: Style = Field(default="fox", title="Mask", description="Which mask is drawn.")
        mask_colour: str = Field(
            default="#f0883a",
            pattern=r"^#[0-9a-fA-F]{6}$",
            title="Mask's colour",
            description="Of its fur or skin.",
        )
        size: float = Field(
            default=1.15,
            ge=1.0,
            le=3.0,
            title="Size",
            description="How much larger than the face a cover is.",
        )
        mosaic: float = Field(
            default=2.5,
            ge=1.0,
            le=12.0,
            multiple_of=0.5,
            title="Squares",
            description="Side of a square, or width of the blur, in hundredths of the picture's height; on a "
            "large face they are larger, so that there are never more than eight across.",
        )
        min_score: float = Field(
            default=0.3,
            ge=0.05,
            le=0.9,
            title="Lowest score",
            description="How sure the networks must be that something is a face. The lower, the fewer faces "
            "are missed, and the more is covered that is none.",
        )

    Settings = OwnSettings

    name: ClassVar[str] = "face"
    title: ClassVar[str] = "Faces covered"
    description: ClassVar[str] = (
        "Covers every face, and whoever's face is not found. The whole picture is covered until a face was "
        "found, or for half a second."
    )
    keeps_state: ClassVar[bool] = True
    is_private: ClassVar[bool] = True
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def __init__(self) -> None:
        self._faces: Faces | None = None
        self._rows: Any = None
        self._decided: Steps | None = None
        self._facts: Steps | None = None

    def load(self, device: torch.device) -> None:
        """Load the networks. Raises WeightsError if their files are not those of this version."""
        if device.type == "cpu":
            keep_large_blocks()
        self._rows = Rows(lambda key: row(*key), device)
        self._faces = Faces(device, dtype_of(self.settings.precision, device))
        if device.type != "cpu":
            self._decided = hiding.decisions(device, self._faces.mask_size)
            self._facts = recorded_facts(device, hiding.COVERS)

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Answer:
        """Return (N, 3, H, W) pictures of uint8 RGB frames, uint8 on a CPU; see `Filter.apply`.

        All of a picture is NaN where a network's answer for it is not finite. Where a session wants data, the
        boxes of the covers are told, and why all is covered, and nothing of the faces below.
        """
        if self._faces is None:
            raise RuntimeError("face is not loaded")
        size = (batch.shape[2], batch.shape[3])
        rows = self._rows.stack([(item.params, size[0]) for item in items])
        with lap("network"):
            before = hiding.covers_of(items, batch.device)
            sight = self._faces.see(batch, items, rows[:, 0], before)
        with lap("paint"):
            hidden = hiding.hide(sight, items, before, size, self._decided)
            wishes = wishes_of(items, rows, size[0])
            # Covers may go on from a frame that failed a moment ago, and whose failure is not known yet.
            poison = sight.poison + hidden.covers.flatten(1).sum(1) * 0
            drawn = covered(batch, hidden.covers, hidden.areas, hidden.is_all, wishes, poison, self._facts)
        if any(item.wants_data for item in items):
            return Filtered(drawn, Later(rows_of(hidden, size), told))
        return drawn


def rows_of(hidden: Hidden, size: tuple[int, int]) -> Tensor:
    """Return (N, COVERS + 1, 5) float32 of what is hidden in pictures of `size` (H, W).

    Of each cover x, y, width, height as shares of the picture, and whether it is there. Then a row with
    whether all is covered, since the picture is flat, since there is a crowd, and two zeros.
    """
    height, width = size
    x, y, radius, is_there = (hidden.covers[..., column] for column in (X, Y, RADIUS, IS_THERE))
    half = HALF_WIDTH * radius
    boxes = torch.stack(
        ((x - half) / width, (y - radius) / height, 2 * half / width, 2 * radius / height, is_there), dim=-1
    )
    no = torch.zeros_like(hidden.is_all)
    why = torch.stack((hidden.is_all, hidden.is_blind, hidden.is_crowd, no, no), dim=-1)
    return torch.cat((boxes, why[:, None].to(boxes.dtype)), dim=1)


def told(rows: np.ndarray) -> Data:
    """Return the boxes of one picture's rows, and in labels whether all is covered, and why."""
    *covers, (is_all, is_blind, is_crowd, _, _) = rows.tolist()
    boxes = [Box(x, y, width, height, "face") for x, y, width, height, is_there in covers if is_there > 0]
    codes = [] if boxes else ["no_face"]
    if is_all:
        codes = ["too_flat"] if is_blind else ["too_many_faces"] if is_crowd else codes or ["unsure"]
        codes.append("all_covered")
    return Data(boxes=boxes, labels=[Label(code) for code in codes])


def wishes_of(items: Sequence[Item], rows: Tensor, height: int) -> Wishes:
    """Return what the sessions of `items` want; `rows` (N, P) on the device as `row` makes them."""
    wanted = [item.params for item in items]
    return Wishes(
        [params.mode for params in wanted],
        [params.mask for params in wanted],
        [_side(params, height) for params in wanted],
        rows[:, 1:],
    )


def row(params: Face.Params, height: int) -> np.ndarray:
    """Return float32: the lowest score, then `Wishes.numbers` for a picture of so many rows."""
    rgb = [int(params.mask_colour[at : at + 2], 16) for at in (1, 3, 5)]
    kind = KINDS.index(params.mask if params.mode == "mask" else params.mode)
    return np.array((params.min_score, params.size, *rgb, _side(params, height), kind), np.float32)


def _side(params: Face.Params, height: int) -> int:
    return max(2, round(params.mosaic / 100 * height))
