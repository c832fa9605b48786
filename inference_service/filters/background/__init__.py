"""`background`: the person stays, what is behind is blurred, or becomes a colour, a picture, or green.

picture ── network's size ── PersonMask ──┐
   └── small (240 lines) ── luma ── steadied, guided ── matte as lines over luma
          └── tiny (120 lines) ── blur, edge colours, light        │
picture ── luma ──────────────────────────────────────────── alpha ┴── mixed, in bytes
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.background import compose, whole
from inference_service.filters.background.memory import last_grey, remember, steadied
from inference_service.filters.background.own_picture import MAX_CHARS, decoded
from inference_service.filters.background.rooms import Rooms
from inference_service.filters.background.views import Views, views_of
from inference_service.filters.base import Answer, Data, Filtered, Item, Label, Later
from inference_service.filters.vision import levels
from inference_service.filters.vision.enlarge import enlarged
from inference_service.filters.vision.networks.people.person_mask import Kind, PersonMask
from inference_service.filters.vision.networks.people.recorded import OwnNetworks
from inference_service.filters.vision.networks.precision import Precision, dtype_of
from inference_service.filters.vision.people import matte
from inference_service.filters.vision.poison import poisoned
from shared.heap import keep_large_blocks

LEAST_SHARE = 0.002
"""Of a picture that is surely a person; where it is less nobody is said to be there."""
LEAST_BLUR, MOST_BLUR = 0.008, 0.07
"""Deviations of the blur, as shares of the picture's short side."""


def _whole(picture: str) -> str:
    if picture:
        decoded(picture)
    return picture


class Background(OwnNetworks):
    """Finds persons, refines their edges, steadies them, and draws them before something else."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        mode: Literal["blur", "colour", "picture", "green"] = Field(
            default="blur",
            title="Background",
            description="What is behind the person: the room blurred, one colour, your own picture, or pure "
            "green, which video software can make transparent.",
        )
        blur: float = Field(
            default=0.5, ge=0.0, le=1.0, title="Blur", description="How much the room is blurred."
        )
        colour: str = Field(
            default="#2b3a4a",
            pattern=r"^#[0-9a-fA-F]{6}$",
            title="Colour",
            description="Of the background; also where there is no picture yet.",
        )
        picture: Annotated[str, AfterValidator(_whole)] = Field(
            default="",
            max_length=MAX_CHARS,
            title="Own picture",
            description="JPEG, PNG or WebP of at most 2560 x 2560 pixels; cut to the camera's shape.",
            json_schema_extra={"contentMediaType": "image/*", "contentEncoding": "base64"},
        )
        light_wrap: float = Field(
            default=0.3,
            ge=0.0,
            le=1.0,
            title="Light of the new room",
            description="How much of a colour's or picture's light falls on your edges.",
        )
        edge_softness: float = Field(
            default=0.4,
            ge=0.0,
            le=1.0,
            title="Soft edges",
            description="0 cuts sharply, which suits green; 1 fades out.",
        )
        margin: float = Field(
            default=0.0,
            ge=-1.0,
            le=1.0,
            title="Margin",
            description="Above 0 more around the person is kept, below 0 less.",
        )
        steadiness: float = Field(
            default=0.6,
            ge=0.0,
            le=1.0,
            title="Steadiness",
            description="Calms edges that flicker while the picture stands still.",
        )

    class Settings(base.Settings):
        """What an operator may set, once."""

        network: Kind = Field(
            default="general",
            title="Network",
            description="general is the better one at every shape of picture; wide takes 60 % of its time.",
        )
        precision: Precision = Field(
            default="auto",
            title="Precision",
            description="Of the network's numbers; auto is float16 on a GPU and float32 on a CPU.",
        )
        cuda_graphs: bool = Field(
            default=True,
            title="CUDA graphs",
            description="Record a GPU's work once, then replay it.",
        )

    name: ClassVar[str] = "background"
    title: ClassVar[str] = "Background"
    description: ClassVar[str] = "Keeps you, and blurs or replaces what is behind you."
    keeps_state: ClassVar[bool] = True
    is_private: ClassVar[bool] = True
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def __init__(self) -> None:
        self._network: PersonMask | None = None
        self._rooms = Rooms()

    def load(self, device: torch.device) -> None:
        """Load the network, which lies in the project; raises WeightsError where it is damaged."""
        if device.type == "cpu":
            keep_large_blocks()
        dtype = dtype_of(self.settings.precision, device)
        self._network = PersonMask(self.settings.network, device, dtype)

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Answer:
        """Return (N, 3, H, W) uint8 RGB frames before other backgrounds.

        Where the network's output for a picture is not finite, all of that picture is NaN, and the result is
        floating point. Where a session wants data, it is told by a label that nobody is seen.
        """
        if self._network is None:
            raise RuntimeError("background is not loaded")
        with lap("network"):
            persons = self._network.begin(batch)
        with lap("matte"):
            views = views_of(batch)
        with lap("network"):
            person = persons()
        drawn = self._drawn(batch, views, person, items)
        if any(item.wants_data for item in items):
            return Filtered(drawn, Later((person > 0.5).flatten(1).float().mean(1), told))
        return drawn

    def drawn(self, batch: Tensor, person: Tensor, items: Sequence[Item]) -> Tensor:
        """Return what `apply` does where the network says `person`, (N, 1, h, w) in 0..1, of any size."""
        return self._drawn(batch, views_of(batch), person, items)

    def _drawn(self, batch: Tensor, views: Views, person: Tensor, items: Sequence[Item]) -> Tensor:
        wish = _Wish(items, batch.device)
        with lap("matte"):
            tiny, small_luma = views.tiny, views.small_luma
            steady = steadied(enlarged(person, levels.size_of(small_luma)), tiny, items, wish.kept)
            lines = matte.guided(small_luma, steady)
            last = last_grey(views.grey, items)
            grey, alpha = whole.looked_through(views.grey, last, lines, wish.kept, wish.softness, wish.margin)
            small_alpha = whole.alpha_at(small_luma, lines, wish.softness, wish.margin)
            tiny_alpha = enlarged(small_alpha, levels.size_of(tiny))
        with lap("draw"):
            shown = self._composed(batch, tiny.float().contiguous(), alpha, tiny_alpha, wish)
        remember(steady, tiny, grey, items)
        # What is remembered may be of a frame that failed a moment ago, and whose failure is not known yet.
        return poisoned(shown, (person.flatten(1).sum(1) + steady.flatten(1).sum(1)) * 0)

    def _composed(
        self, batch: Tensor, tiny: Tensor, alpha: Tensor, tiny_alpha: Tensor, wish: _Wish
    ) -> Tensor:
        """Return uint8 pictures: those whose room is blurred, and those with a new one, each in one go."""
        parts = []
        if wish.is_blurred:
            seen, small, share, small_share, blur = _chosen(
                wish.is_blurred, batch, tiny, alpha, tiny_alpha, wish.blur
            )
            room = compose.surroundings(small, small_share, blur * min(small.shape[2:]))
            # Before its own room a person's edges are right as they are, and lit as they should be.
            parts.append(whole.before_blur(seen, room, share))
        if wish.is_new:
            seen, small, share, small_share, light = _chosen(
                wish.is_new, batch, tiny, alpha, tiny_alpha, wish.light
            )
            own, shine = compose.edge_colours(small, small_share), None
            params = [wish.params[place] for place in wish.is_new]
            if any(one.light_wrap and one.mode != "green" for one in params):
                lights = self._rooms.of(params, small)
                shine = compose.wrapped_light(lights.float(), small_share, light)
            parts.append(whole.before_room(seen, own, shine, self._rooms.of(params, seen), share))
        if len(parts) == 1:
            return parts[0]
        by_place = dict(zip((*wish.is_blurred, *wish.is_new), (*parts[0], *parts[1]), strict=True))
        return torch.stack([by_place[place] for place in range(len(batch))])


def told(share: np.ndarray) -> Data:
    """Return what is said of one picture, of which `share` (0-dimensional, 0 to 1) is surely a person."""
    return Data(labels=[Label("no_person")] if share < LEAST_SHARE else [])


class _Wish:
    """What the sessions of a batch have chosen: numbers per picture on the device, all of one upload."""

    def __init__(self, items: Sequence[Item], device: torch.device) -> None:
        self.params: list[Background.Params] = [item.params for item in items]
        self.is_blurred = [place for place, one in enumerate(self.params) if one.mode == "blur"]
        self.is_new = [place for place, one in enumerate(self.params) if one.mode != "blur"]
        rows = [
            (
                one.edge_softness,
                one.margin,
                matte.kept_share(one.steadiness, item.sequence - item.state.get("sequence", item.sequence)),
                # Green is to be taken out again, so none of it may be on a person.
                0.0 if one.mode == "green" else one.light_wrap,
                LEAST_BLUR + (MOST_BLUR - LEAST_BLUR) * one.blur,
            )
            for item, one in zip(items, self.params, strict=True)
        ]
        host = torch.tensor(rows, pin_memory=device.type == "cuda")
        per_picture = host.to(device, non_blocking=True).T[..., None, None, None]
        self.softness, self.margin, self.kept, self.light = per_picture[:4]
        self.blur = per_picture[4].flatten()


def _chosen(places: Sequence[int], *batches: Tensor) -> list[Tensor]:
    """Return the rows of each batch at these places; no index is moved up to a device, all is no copy."""
    if len(places) == len(batches[0]):
        return list(batches)
    return [torch.stack([batch[place] for place in places]) for batch in batches]
