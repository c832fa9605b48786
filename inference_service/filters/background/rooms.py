"""The new rooms of `background`: one colour, green, or the user's own picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from inference_service.filters.background.own_picture import OwnPictures
from inference_service.filters.vision import levels

GREEN = "#00ff00"


class Choice(Protocol):
    """What a session chose: the parameters of `background` of these names."""

    @property
    def mode(self) -> str: ...
    @property
    def colour(self) -> str: ...
    @property
    def picture(self) -> str: ...


class Rooms:
    """Draws rooms, and keeps users' pictures. One thread only."""

    def __init__(self) -> None:
        self._pictures = OwnPictures()

    def of(self, choices: Sequence[Choice], like: Tensor) -> Tensor:
        """Return (N, 3, H, W) uint8 RGB, one for each choice, in the size of `like`, channels last."""
        height, width = levels.size_of(like)
        rooms = torch.empty((len(choices), height, width, 3), dtype=torch.uint8, device=like.device)
        rooms = rooms.permute(0, 3, 1, 2)
        for room, one in zip(rooms, choices, strict=True):
            if one.mode == "picture" and one.picture:
                room.copy_(self._pictures.get(one.picture, height, width, like.device))
            else:
                for channel, level in zip(room, _rgb(one), strict=True):
                    channel.fill_(level)
        return rooms


def _rgb(choice: Choice) -> tuple[int, int, int]:
    colour = GREEN if choice.mode == "green" else choice.colour
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
