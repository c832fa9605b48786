"""`frame`: keeps whoever speaks in the middle, at the picture's full size, as a calm cameraman would.

glance (five times a second) ── faces ── aim ── view ── its part of the picture, enlarged

It shows parts of the camera's picture as they are. So it hides nothing: what lies outside of the view now may
be inside in a second.
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
from inference_service.filters.base import Answer, Data, Filtered, Item, Label, Later
from inference_service.filters.frame import aim
from inference_service.filters.frame.aim import Aim, Wish
from inference_service.filters.frame.crop import enlarged
from inference_service.filters.vision.calm import FRAMES_PER_S, Motion
from inference_service.filters.vision.networks.people.recorded import OwnNetworks
from inference_service.filters.vision.networks.precision import dtype_of
from inference_service.filters.vision.people.glances import Glances
from inference_service.filters.vision.rows import Rows, upload
from inference_service.filters.vision.settings.own import OwnSettings
from shared.heap import keep_large_blocks

GLANCE_EVERY = 6
"""Frames."""
FORGOTTEN_S = 1.0
"""After so long without a frame the view is at once where it should be."""


class Frame(OwnNetworks):
    """Finds faces now and then (`vision.people.glances`), aims (`aim`) and enlarges (`crop`)."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        closeness: float = Field(
            default=0.5,
            ge=0.0,
            le=1.0,
            title="Closeness",
            description="0 shows much of the room, 1 little more than the head.",
        )
        zoom: float = Field(
            # At exactly 2 the result's pixels meet only two places of a pixel, see `crop`.
            default=1.9,
            ge=1.0,
            le=4.0,
            title="Largest zoom",
            description="The picture is enlarged by so much at most; the more, the softer it looks.",
        )
        calm: float = Field(
            default=0.5,
            ge=0.0,
            le=1.0,
            title="Calm",
            description="0 follows in half a second, 1 takes five.",
        )

    Settings = OwnSettings

    name: ClassVar[str] = "frame"
    title: ClassVar[str] = "Framing"
    description: ClassVar[str] = "Keeps whoever speaks in the middle, and everybody in the picture."
    keeps_state: ClassVar[bool] = True
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def __init__(self) -> None:
        self._glances: Glances | None = None
        self._rows: Any = None

    def load(self, device: torch.device) -> None:
        """Load the networks. Raises WeightsError if their files are not those of this version."""
        if device.type == "cpu":
            keep_large_blocks()
        self._glances = Glances(device, GLANCE_EVERY, dtype_of(self.settings.precision, device))
        self._rows = Rows(row, device)

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Answer:
        """Return (N, 3, H, W) uint8 RGB parts of uint8 RGB frames, enlarged; see `Filter.apply`.

        Where a session wants data, it is told by a label that nobody was seen at the last glance.
        """
        if self._glances is None:
            raise RuntimeError("frame is not loaded")
        height, width = batch.shape[2:]
        with lap("network"):
            faces = self._glances.look(items, lambda numbers: _chosen(batch, numbers))
        wish = Wish(*self._rows.stack([item.params for item in items]).unbind(1))
        heads = aim.heads_of(faces.boxes, faces.is_real, height)
        aims = _moved(items, heads, faces.is_fresh, wish, width / height)
        with lap("draw"):
            x, y, side = aim.shown(aims.motion.at, width / height)
            made = enlarged(batch, torch.stack((x, y), -1) * height, 1 / side)
        _remember(aims, items)
        if any(item.wants_data for item in items):
            return Filtered(made, Later(faces.is_real.any(1), told))
        return made


def told(is_anybody: np.ndarray) -> Data:
    """Return what is said of one picture; `is_anybody` is 0-dimensional."""
    return Data(labels=[] if is_anybody else [Label("no_person")])


def row(params: Frame.Params) -> np.ndarray:
    """Return the numbers of a `Wish`; float32."""
    return np.array((params.closeness, params.zoom, aim.rate(params.calm)), np.float32)


def _chosen(batch: Tensor, numbers: Sequence[int]) -> Tensor:
    # Stacked and not indexed: an index would be moved up to a GPU, which waits for it.
    return batch if len(numbers) == len(batch) else torch.stack([batch[number] for number in numbers])


def _moved(items: Sequence[Item], heads: Tensor, is_fresh: Sequence[bool], wish: Wish, aspect: float) -> Aim:
    new = aim.begun(heads, wish, aspect)
    before: list[tuple[Aim, int] | None] = [_kept(item) for item in items]
    rows = [
        (Motion(new.motion.at[n], new.motion.speed[n]), *(part[n] for part in new[1:]))
        if one is None
        else one[0]
        for n, one in enumerate(before)
    ]
    motions, goals, past, absent_s = zip(*rows, strict=True)
    ats, speeds = zip(*motions, strict=True)
    last = Aim(
        Motion(torch.stack(ats), torch.stack(speeds)),
        torch.stack(goals),
        torch.stack(past),
        torch.stack(absent_s),
    )
    # What has just begun knows its glance already.
    numbers = [
        (0.0, 0.0) if one is None else (max(0, item.sequence - one[1]) / FRAMES_PER_S, float(fresh))
        for item, one, fresh in zip(items, before, is_fresh, strict=True)
    ]
    passed_s, is_news = upload(np.array(numbers, np.float32), heads.device).unbind(1)
    return aim.moved(aim.glanced(last, heads, is_news > 0), wish, aspect, passed_s)


def _kept(item: Item) -> tuple[Aim, int] | None:
    kept: tuple[Aim, int] | None = item.state.get("aim")
    if kept is None or not 0 <= item.sequence - kept[1] <= FORGOTTEN_S * FRAMES_PER_S:
        return None
    return kept


def _remember(aims: Aim, items: Sequence[Item]) -> None:
    for number, item in enumerate(items):
        motion = Motion(aims.motion.at[number].clone(), aims.motion.speed[number].clone())
        rest = [part[number].clone() for part in aims[1:]]
        item.state["aim"] = Aim(motion, *rest), item.sequence
