"""What a GPU draws on heads, as layers that are done alike: the ears' shadows, the cards, the muzzle."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.animal.cards import EARS, MOUTH, NOSE, WHISKERS, Placed
from inference_service.filters.animal.light import Light

ORDER = (*EARS, *WHISKERS, MOUTH, NOSE)
"""Cards by the size of their drawings, largest first."""
LARGE = 4
"""So many of them are large, and so is the muzzle, which comes next."""
RELIEF = 1.15
"""How much a drawing's own relief is lit by light from aside."""
FAR = 9.0
"""Outside of every drawing, whose places are -1 to 1."""


class Layers(NamedTuple):
    """Of K heads, cards as in `ORDER`."""

    to_drawing: Tensor
    """(K, 2 + CARDS, 3, 3), shadows first: from homogeneous pixels to a drawing's homogeneous places."""
    shade: Tensor
    """(K, CARDS + 1, 2), with the muzzle: how much brighter paint gets with its relief in u and v."""
    tint: Tensor
    """(K, CARDS + 1, 4): by which red, green, blue and alpha of paint are multiplied."""
    shadow: Tensor
    """(K, 2): how much of a shadow is seen."""


def layers(
    cards: Placed,
    light: Light,
    lean: Tensor,
    muzzle_lean: Tensor,
    shadow_shift: Tensor,
    presence: Tensor,
    fur: Tensor,
) -> Layers:
    """Return the layers of K heads; `Scene` says what these are, and `fur` (K,) is how much of it is seen."""
    maps, opacity, lean = (_ordered(one) for one in (cards.maps, cards.opacity * presence[:, None], lean))
    ears = maps[:, : len(EARS)]
    shadows = torch.cat((ears[:, :, :2] + shadow_shift[:, None, :, None] * ears[:, :, 2:], ears[:, :, 2:]), 2)
    seen = _with_muzzle(opacity, presence * fur)[..., None]
    return Layers(
        _inverted(torch.cat((shadows, maps), 1)),
        _with_muzzle(lean, muzzle_lean) * RELIEF,
        torch.cat((seen * light.level[:, None], seen), -1),
        opacity[:, : len(EARS)],
    )


def _ordered(cards: Tensor) -> Tensor:
    return torch.stack([cards[:, number] for number in ORDER], 1)


def _with_muzzle(cards: Tensor, muzzle: Tensor) -> Tensor:
    return torch.cat((cards[:, :LARGE], muzzle[:, None], cards[:, LARGE:]), 1)


def _inverted(maps: Tensor) -> Tensor:
    """Return (K, L, 3, 3): back from pixels to places, -1 to 1 across and down a drawing."""
    first, second, third = maps.unbind(2)
    inverse = torch.stack(
        (
            torch.linalg.cross(second, third),
            torch.linalg.cross(third, first),
            torch.linalg.cross(first, second),
        ),
        -1,
    )
    size = (inverse[..., 0] * first).sum(-1)
    # A card without any area, where nobody is, or one that reaches behind the camera: nowhere.
    is_seen = (size.abs() > 1e-9) & ((third[..., 2] + third[..., :2].clamp(max=0).sum(-1)) > 0.2)
    inverse = inverse / torch.where(is_seen, size, 1)[..., None, None]
    u, v, w = inverse.unbind(2)
    places = torch.stack((2 * u - w, 2 * v - w, w), 2)
    nowhere = torch.zeros(3, 3, device=maps.device)
    nowhere[:2, 2], nowhere[2, 2] = FAR, 1
    return torch.where(is_seen[..., None, None], places, nowhere)
