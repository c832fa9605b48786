"""`background`: the person stays, what is behind is blurred, or becomes a colour, a picture, or green."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.background import compose
from inference_service.filters.background.own_picture import MAX_CHARS, OwnPictures, decoded
from inference_service.filters.base import Filter, Item
from inference_service.filters.vision.enlarge import enlarged
from inference_service.filters.vision.networks.segmenter import PERSON, WEIGHTS, Segmenter
from inference_service.filters.vision.people import matte
from inference_service.filters.vision.settings.segmenter import SegmenterSettings, load_segmenter
from inference_service.weights.folder import WeightsFile

GREEN = "#00ff00"
SMALLER = 2
"""The matte and the blur are made in a picture of half the sides of the network's input."""
LEAST_BLUR, MOST_BLUR = 0.008, 0.07
"""Deviations of the blur, as shares of the picture's short side."""


def _whole(picture: str) -> str:
    if picture:
        decoded(picture)
    return picture


class Background(Filter):
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

    class Settings(SegmenterSettings):
        """What an operator may set, once."""

        short_side: int | None = Field(
            default=None,
            ge=96,
            le=1024,
            title="Short side",
            description="Pixels to which a picture's short side is brought for the network; left out, 192 on "
            "a CPU and 384 on a GPU.",
        )

    name: ClassVar[str] = "background"
    title: ClassVar[str] = "Background"
    description: ClassVar[str] = "Keeps you, and blurs or replaces what is behind you."
    keeps_state: ClassVar[bool] = True
    is_private: ClassVar[bool] = True
    equal_params: ClassVar[frozenset[str] | None] = frozenset()
    weights: ClassVar[tuple[WeightsFile, ...]] = tuple(WEIGHTS.values())

    def __init__(self) -> None:
        self._segmenter: Segmenter | None = None
        self._pictures = OwnPictures()
        self._dtype = torch.float32

    def needed_weights(self) -> tuple[WeightsFile, ...]:
        """Return the file of the chosen network, unless the operator has named another one."""
        needed: tuple[WeightsFile, ...] = self.settings.needed_weights
        return needed

    def load(self, device: torch.device) -> None:
        """Build the network and fill it; raises MissingPackage and WeightsError, which say what to do."""
        short_side = self.settings.short_side or (384 if device.type == "cuda" else 192)
        self._segmenter = load_segmenter(self.name, self.settings, self.weights_folder, device, short_side)
        self._dtype = self._segmenter.dtype

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Tensor:
        """Return (N, 3, H, W) uint8 RGB frames before other backgrounds, as floating-point numbers.

        All of a picture is NaN where the network's output for it is not finite.
        """
        if self._segmenter is None:
            raise RuntimeError("background is not loaded")
        with lap("network"):
            reduced = self._segmenter.reduced(batch)
            logits = self._segmenter.logits(reduced).float()
        return self.drawn(batch, reduced, logits, items)

    def drawn(self, batch: Tensor, reduced: Tensor, logits: Tensor, items: Sequence[Item]) -> Tensor:
        """Return what `apply` does where the network saw `reduced`, (N, 3, h, w), and said `logits`."""
        poison = logits.flatten(1).sum(1) * 0
        person = logits.softmax(dim=1)[:, PERSON : PERSON + 1]
        with lap("matte"):
            small = _halved(reduced)
            small_luminance = matte.luminance(small)
            wish = _Wish(items, batch.device)
            person = enlarged(person, (small.shape[2], small.shape[3])).contiguous()
            person = _steadied(person, small_luminance, items, wish.kept)
            lines = matte.guided(small, person)
            # Channels first, since the matte has one value for all three.
            pictures = batch.contiguous().to(self._dtype)
            alpha = compose.alpha_of(lines.at(pictures), wish.softness, wish.margin)
            small_alpha = compose.alpha_of(lines.at(small), wish.softness, wish.margin)
        with lap("draw"):
            shown = self._composed(pictures, small, alpha, small_alpha, wish)
        _remember(person, small_luminance, items)
        if not shown.is_cuda and bool(poison.isfinite().all()):
            # A CPU is not waited for, and the worker has no numbers to look through.
            return shown.add_(0.5).to(torch.uint8)
        return shown + poison[:, None, None, None].to(shown.dtype)

    def _composed(
        self, pictures: Tensor, small: Tensor, alpha: Tensor, small_alpha: Tensor, wish: _Wish
    ) -> Tensor:
        dtype, size = pictures.dtype, (pictures.shape[2], pictures.shape[3])
        alpha = alpha.to(dtype)
        behind = self._behind(pictures, small, small_alpha, wish)
        if wish.has_new_room:
            person, around = (
                enlarged(colours.to(dtype), size) for colours in compose.edge_colours(small, small_alpha)
            )
            own = compose.cleaned(pictures, alpha, person, around)
            # Before its own room, only blurred, a person's edges are right as they are.
            pictures = torch.lerp(pictures, own, wish.new_room.to(dtype))
        return torch.lerp(behind, pictures, alpha).clamp_(0, 255)

    def _behind(self, pictures: Tensor, small: Tensor, small_alpha: Tensor, wish: _Wish) -> Tensor:
        """Return (N, 3, H, W) levels: what is shown instead of each room."""
        height, width = pictures.shape[2:]
        if wish.has_blur:
            deviation = wish.blur * min(small.shape[2:])
            room = compose.surroundings(small, small_alpha, deviation)
            behind = enlarged(room.to(pictures.dtype), (height, width))
        else:
            behind = torch.empty_like(pictures)
        for one, params in zip(behind, wish.params, strict=True):
            if params.mode == "picture" and params.picture:
                one.copy_(self._pictures.get(params.picture, height, width, pictures.device))
            elif params.mode != "blur":
                for channel, level in zip(one, _rgb(params), strict=True):
                    channel.fill_(level)
        return behind


class _Wish:
    """What the sessions of a batch have chosen: numbers per picture on the device, all of one upload."""

    def __init__(self, items: Sequence[Item], device: torch.device) -> None:
        self.params: list[Background.Params] = [item.params for item in items]
        self.has_blur = any(one.mode == "blur" for one in self.params)
        self.has_new_room = any(one.mode != "blur" for one in self.params)
        rows = [
            (
                one.edge_softness,
                one.margin,
                matte.kept_share(one.steadiness, item.sequence - item.state.get("sequence", item.sequence)),
                float(one.mode != "blur"),
                LEAST_BLUR + (MOST_BLUR - LEAST_BLUR) * one.blur,
            )
            for item, one in zip(items, self.params, strict=True)
        ]
        host = torch.tensor(rows, pin_memory=device.type == "cuda")
        per_picture = host.to(device, non_blocking=True).T[..., None, None, None]
        self.softness, self.margin, self.kept, self.new_room = per_picture[:4]
        self.blur = per_picture[4].flatten()


def _halved(reduced: Tensor) -> Tensor:
    """Return (N, 3, h / 2, w / 2) float32: the mean of each four pixels."""
    size = (reduced.shape[2] // SMALLER, reduced.shape[3] // SMALLER)
    return nnf.interpolate(reduced, size, mode="bilinear", align_corners=False).float().contiguous()


def _steadied(person: Tensor, luminance: Tensor, items: Sequence[Item], kept: Tensor) -> Tensor:
    if not any("matte" in item.state for item in items):
        return person
    last = [item.state.get("matte", one) for item, one in zip(items, person, strict=True)]
    seen = [item.state.get("luminance", one) for item, one in zip(items, luminance, strict=True)]
    return matte.steadied(person, luminance, torch.stack(last).float(), torch.stack(seen).float(), kept)


def _remember(person: Tensor, luminance: Tensor, items: Sequence[Item]) -> None:
    # In half precision: 43 kB each for a picture of 640x480 on a CPU.
    person, luminance = person.half(), luminance.half()
    for place, item in enumerate(items):
        item.state["matte"] = person[place].clone()
        item.state["luminance"] = luminance[place].clone()
        item.state["sequence"] = item.sequence


def _rgb(params: Background.Params) -> tuple[int, int, int]:
    colour = GREEN if params.mode == "green" else params.colour
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
