"""What `background` remembers of a session: its matte, and the levels and luma that belong to it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inference_service.filters.base import Item
from inference_service.filters.vision.people import matte


def steadied(person: Tensor, tiny: Tensor, items: Sequence[Item], kept: Tensor) -> Tensor:
    """Return mattes, (N, 1, h, w) float in 0..1, that are calm where the picture stands still.

    `tiny` is (N, 3, h', w') uint8 RGB, and `kept` has the share of each session's last matte that stays.
    """
    last, seen = [], []
    for item, one, its_levels in zip(items, person, tiny, strict=True):
        before = item.state.get("matte")
        if before is None or before.shape != one.shape:
            last.append(one)
            seen.append(its_levels)
        else:
            last.append(before.float())
            seen.append(item.state["levels"])
    still = matte.stillness(tiny, torch.stack(seen))
    return matte.steadied(person, torch.stack(last), still, kept)


def last_grey(grey: Tensor, items: Sequence[Item]) -> Tensor:
    """Return each session's last luma, (N, 1, H, W) uint8; the new one where it has none of that size."""
    before = [item.state.get("grey") for item in items]
    last = [
        now if one is None or one.shape != now.shape else one for now, one in zip(grey, before, strict=True)
    ]
    return torch.stack(last)


def remember(person: Tensor, tiny: Tensor, grey: Tensor, items: Sequence[Item]) -> None:
    """Keep copies in the sessions' states, for the next frame."""
    # In half precision and bytes: 519 kB in all for a picture of 640x480.
    person = person.half()
    for place, item in enumerate(items):
        item.state["matte"] = person[place].clone()
        item.state["levels"] = tiny[place].clone()
        item.state["grey"] = grey[place].clone()
        item.state["sequence"] = item.sequence
