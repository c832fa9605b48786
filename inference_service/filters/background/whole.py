"""What is done to each pixel of the whole picture, once the small ones are known.

Each step has a second form, one Triton kernel that reads and writes everything once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.device.kernels.twin import Twin, kernel_of
from inference_service.filters.background.edges import alpha_of
from inference_service.filters.vision import levels
from inference_service.filters.vision.people import matte
from inference_service.filters.vision.people.matte import Lines


def looked_through(
    grey: Tensor, last: Tensor, lines: Lines, kept: Tensor, softness: Tensor, margin: Tensor
) -> tuple[Tensor, Tensor]:
    """Return `matte.calmed` luma, (N, 1, H, W) uint8, and its alpha, float32.

    `grey` and `last` are (N, 1, H, W) uint8, the others of a picture each (N, 1, 1, 1).
    """
    return LOOKED_THROUGH(grey, last, *lines, kept, softness, margin)


def alpha_at(luma: Tensor, lines: Lines, softness: Tensor, margin: Tensor) -> Tensor:
    """Return the alpha, (N, 1, h, w) float32, of such luma, in the size of the lines."""
    return ALPHA_AT(luma, *lines, softness, margin)


def before_blur(seen: Tensor, room: Tensor, share: Tensor) -> Tensor:
    """Return uint8 pictures: `share` of those `seen`, (N, 3, H, W) uint8, and the rest of a tiny room."""
    return BEFORE_BLUR(seen, room, share)


def before_room(seen: Tensor, own: Tensor, light: Tensor | None, room: Tensor, share: Tensor) -> Tensor:
    """Return uint8 pictures: `share` of those `seen` in their `own` colours, and the rest of new rooms.

    `seen` and `room` are (N, 3, H, W) uint8, `own` and the light that falls on persons are tiny.
    """
    return BEFORE_ROOM(seen, own, light, room, share)


def _looked_through_by_torch(
    grey: Tensor,
    last: Tensor,
    slope: Tensor,
    offset: Tensor,
    kept: Tensor,
    softness: Tensor,
    margin: Tensor,
) -> tuple[Tensor, Tensor]:
    calm = matte.calmed(grey, last, kept)
    return calm, alpha_of(Lines(slope, offset).at(calm.float()), softness, margin)


def _alpha_at_by_torch(
    luma: Tensor, slope: Tensor, offset: Tensor, softness: Tensor, margin: Tensor
) -> Tensor:
    return alpha_of(Lines(slope, offset).at(luma), softness, margin)


def _before_blur_by_torch(seen: Tensor, room: Tensor, share: Tensor) -> Tensor:
    return levels.mixed(_stretched(room, seen), seen, share)


def _before_room_by_torch(
    seen: Tensor, own: Tensor, light: Tensor | None, room: Tensor, share: Tensor
) -> Tensor:
    person = levels.mixed(_stretched(own, seen), seen, share)
    if light is not None:
        person = levels.lit(person, _stretched(light, seen))
    return levels.mixed(room, person, share)


def _stretched(tiny: Tensor, like: Tensor) -> Tensor:
    return levels.stretched(tiny.round().to(torch.uint8), levels.size_of(like))


COUNT, SIZE, SMALL, TINY = 4, (480, 640), (240, 320), (120, 160)
"""Of samples."""


def _number(value: float, device: torch.device) -> Tensor:
    # Numbers of a picture lie beside its others.
    return torch.full((COUNT, 5), value, device=device).T[0][..., None, None, None]


def _lines(device: torch.device) -> tuple[Tensor, Tensor]:
    both = torch.rand((COUNT, 2, *SMALL), device=device)
    return (both[:, :1] - 0.5) / 128, both[:, 1:]


def _looked_through_samples(device: torch.device) -> list[tuple[Tensor, ...]]:
    grey = torch.randint(0, 256, (COUNT, 1, *SIZE), dtype=torch.uint8, device=device)
    last = (grey // 4 * 4 + 2).to(torch.uint8)
    # With a quarter every product is exact, so that both forms round alike.
    numbers = (_number(value, device) for value in (0.25, 0.4, 0.2))
    return [(grey, last, *_lines(device), *numbers)]


def _alpha_at_samples(device: torch.device) -> list[tuple[Tensor, ...]]:
    luma = torch.rand((COUNT, 1, *SMALL), device=device) * 255
    return [(luma, *_lines(device), _number(0.4, device), _number(0.2, device))]


def _seen(device: torch.device) -> Tensor:
    seen = torch.randint(0, 256, (COUNT, 3, *SIZE), dtype=torch.uint8, device=device)
    return seen.contiguous(memory_format=torch.channels_last)


def _tiny(device: torch.device) -> Tensor:
    return torch.rand((COUNT, 3, *TINY), device=device) * 255


def _before_blur_samples(device: torch.device) -> list[tuple[Tensor, ...]]:
    return [(_seen(device), _tiny(device), torch.rand((COUNT, 1, *SIZE), device=device))]


def _before_room_samples(device: torch.device) -> list[tuple[Tensor | None, ...]]:
    seen, room, own = _seen(device), _seen(device), _tiny(device)
    share = torch.rand((COUNT, 1, *SIZE), device=device)
    return [(seen, own, light, room, share) for light in (None, _tiny(device))]


LOOKED_THROUGH = Twin(
    "looked_through",
    _looked_through_by_torch,
    kernel_of("inference_service.filters.background.kernels.alphas", "looked_through"),
    _looked_through_samples,
    off=0.01,
)
ALPHA_AT = Twin(
    "alpha_at",
    _alpha_at_by_torch,
    kernel_of("inference_service.filters.background.kernels.alphas", "alpha_at"),
    _alpha_at_samples,
    off=0.01,
)
BEFORE_BLUR = Twin(
    "before_blur",
    _before_blur_by_torch,
    kernel_of("inference_service.filters.background.kernels.rooms", "before_blur"),
    _before_blur_samples,
)
BEFORE_ROOM = Twin(
    "before_room",
    _before_room_by_torch,
    kernel_of("inference_service.filters.background.kernels.rooms", "before_room"),
    _before_room_samples,
)
