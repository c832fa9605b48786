"""`face`: every face covered, by squares, a blur or a drawn mask, with torchvision's Keypoint R-CNN resnet50.

What hides a face must not show one that has just been missed. So a cover stays for half a second where a
head is no longer found, and moves on as the head moved. While a session's state is new, the whole picture is
in squares until a face is found, for half a second at most. It is new at the first frame, after a change of
size, and on another worker. The picture is also in squares where there are more people than can be followed.
What the network never finds is not covered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.base import Filter, Item
from inference_service.filters.vision.draw.covers import Wishes, covered
from inference_service.filters.vision.draw.masks import Style
from inference_service.filters.vision.networks.rcnn_models import KEYPOINT_WEIGHTS
from inference_service.filters.vision.people.covers import COLUMNS, HOLD_FRAMES, follow
from inference_service.filters.vision.people.heads import Heads, heads_of
from inference_service.filters.vision.rows import Rows, upload
from inference_service.filters.vision.settings.keypoints import KeypointSettings, load_keypoint_network
from inference_service.weights.folder import WeightsFile

LEAST_POINT_SCORE = 1.0
"""Of a point of the face that counts: a wrong one makes a cover larger, a lacking one makes it rougher."""
OVERLAP = 0.7
"""Of two people's boxes: more than for other filters, since whoever stands behind another has a face too."""
COVERS_PER_PERSON = 2


class Face(Filter):
    """Finds people, reckons their heads and covers these; see `vision.heads`, `covers`, `draw_covers`."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        mode: Literal["mosaic", "blur", "mask"] = Field(
            default="mosaic",
            title="Cover",
            description="Squares, a blur, or a drawn mask that tilts with the head.",
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
            default=0.2,
            ge=0.05,
            le=0.9,
            title="Lowest score",
            description="How sure the network must be that something is a person. The lower, the fewer faces "
            "are missed, and the more is covered that is none.",
        )

    class Settings(KeypointSettings):
        """What an operator may set, once."""

    name: ClassVar[str] = "face"
    title: ClassVar[str] = "Faces covered"
    description: ClassVar[str] = (
        "Covers every face that is found. Needs a GPU to keep up. The whole picture is covered until a face "
        "was found, or for half a second."
    )
    keeps_state: ClassVar[bool] = True
    is_private: ClassVar[bool] = True
    equal_params: ClassVar[frozenset[str] | None] = frozenset()
    weights: ClassVar[tuple[WeightsFile, ...]] = (KEYPOINT_WEIGHTS,)

    def __init__(self) -> None:
        self._network: Any = None
        self._rows: Any = None

    def load(self, device: torch.device) -> None:
        """Build the model and fill it.

        Raises MissingPackage and WeightsError, which tell the operator what to do.
        """
        path = self.settings.weights or self.weights_folder.get(self.weights[0])
        self._rows = Rows(row, device)
        self._network = load_keypoint_network(self.name, path, self.settings, device, box_nms_thresh=OVERLAP)

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Tensor:
        """Return (N, 3, H, W) float32 pictures of uint8 RGB frames; see `Filter.apply`.

        All of a picture is NaN where the network's output for it is not finite.
        """
        if self._network is None:
            raise RuntimeError("face is not loaded")
        rows = self._rows.stack([item.params for item in items])
        with lap("network"):
            found, points = self._network.see(batch, rows[:, 0])
        poison = found.poison + points.poison
        people = found.things
        with lap("paint"):
            is_real = people.is_real & poison.isfinite()[:, None]
            heads = heads_of(
                torch.where(is_real[..., None, None], points.place, 0),
                points.score,
                people.boxes,
                LEAST_POINT_SCORE,
            )
            seen = see(heads, is_real, items)
            is_all = seen.is_all | (people.found > people.is_real.shape[1])
            drawn = covered(batch, seen.covers, is_all, wishes_of(items, rows, batch.shape[2]))
        drawn += poison[:, None, None, None]
        seen.keep(items)
        return drawn


class Seen(NamedTuple):
    """The covers of N pictures."""

    covers: Tensor
    """(N, M, COLUMNS) float32, see `vision.covers`."""
    has_found: Tensor
    """(N,) bool: a face was found in this picture or an earlier one of its session's state."""
    is_all: Tensor
    """(N,) bool: the whole picture is to be covered."""

    def keep(self, items: Sequence[Item]) -> None:
        """Write the state of each session."""
        for item, covers, has_found in zip(items, self.covers, self.has_found, strict=True):
            item.state.setdefault("first", item.sequence)
            item.state.update(covers=covers.clone(), has_found=has_found.clone(), last=item.sequence)


def see(heads: Heads, is_real: Tensor, items: Sequence[Item]) -> Seen:
    """Return the covers of the heads found now, where `is_real` (N, K), and of those found before."""
    count, device = is_real.shape[1], is_real.device
    none = torch.zeros(COVERS_PER_PERSON * count, COLUMNS, device=device)
    never = torch.zeros((), dtype=torch.bool, device=device)
    before = torch.stack([item.state.get("covers", none) for item in items])
    has_found = torch.stack([item.state.get("has_found", never) for item in items]) | is_real.any(dim=1)
    elapsed = [max(1, item.sequence - item.state.get("last", item.sequence)) for item in items]
    is_new = [item.sequence - item.state.get("first", item.sequence) < HOLD_FRAMES for item in items]
    times = upload(np.array((elapsed, is_new), np.float32), device)
    kept = follow(heads, is_real, before, times[0])
    return Seen(kept.covers, has_found, kept.has_overflown | (~has_found & (times[1] > 0)))


def wishes_of(items: Sequence[Item], rows: Tensor, height: int) -> Wishes:
    """Return what the sessions of `items` want; `rows` (N, P) on the device as `row` makes them."""
    wanted = [item.params for item in items]
    return Wishes(
        [params.mode for params in wanted],
        [params.mask for params in wanted],
        [max(2, round(params.mosaic / 100 * height)) for params in wanted],
        rows[:, 1],
        rows[:, 2:5],
    )


def row(params: Face.Params) -> np.ndarray:
    """Return the lowest score, the scale of covers, and a mask's colour, R, G, B; float32."""
    rgb = [int(params.mask_colour[at : at + 2], 16) for at in (1, 3, 5)]
    return np.array((params.min_score, params.size, *rgb), np.float32)
