"""What of each picture has to be hidden, from what is seen now and what each session's state knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inference_service.filters.base import Item
from inference_service.filters.vision.people.covers import COLUMNS, HOLD_FRAMES, follow
from inference_service.filters.vision.people.faces import HEADS, Sight
from inference_service.filters.vision.people.looking import MOST_FACES
from inference_service.filters.vision.people.unfound import GRID, explained, unfound
from inference_service.filters.vision.rows import upload

COVERS = HEADS + 8
"""Those found now, and some that are held."""


class Hidden(NamedTuple):
    """What of N pictures is to be hidden."""

    covers: Tensor
    """(N, COVERS, COLUMNS) float32, see `covers`."""
    areas: Tensor
    """(N, 1, GRID, GRID) bool, stretched over each picture."""
    is_all: Tensor
    """(N,) bool."""
    is_crowd: Tensor
    """(N,) bool: that is so since there are more faces than can be followed."""
    is_blind: Tensor
    """(N,) bool: since the picture is too flat to tell."""


def covers_of(items: Sequence[Item], device: torch.device) -> Tensor:
    """Return the covers (N, COVERS, COLUMNS) of each session's last frame."""
    none = torch.zeros(COVERS, COLUMNS, device=device)
    return torch.stack([item.state.get("covers", none) for item in items])


def hide(sight: Sight, items: Sequence[Item], before: Tensor, size: tuple[int, int]) -> Hidden:
    """Return what to hide of pictures of `size` (H, W), and write the sessions' states.

    `before` are the covers of `covers_of`.
    """
    device = before.device
    never = torch.zeros((), dtype=torch.bool, device=device)
    # Whether much of it may or may not be a person, and whether there is a crowd.
    calm = torch.zeros(2, dtype=torch.bool, device=device)
    nothing = torch.zeros(1, GRID, GRID, device=device)
    elapsed = [max(1, item.sequence - item.state.get("last", item.sequence)) for item in items]
    is_new = [item.sequence - item.state.get("first", item.sequence) < HOLD_FRAMES for item in items]
    times = upload(np.array((elapsed, is_new), np.float32), device)
    kept = follow(sight.heads, sight.is_real, before, times[0], MOST_FACES)
    has_found = torch.stack([item.state.get("has_found", never) for item in items]) | sight.is_real.any(1)
    areas = torch.stack([item.state.get("areas", nothing) for item in items])
    areas = (areas - times[0, :, None, None, None] / HOLD_FRAMES).clamp(min=0)
    is_wary = torch.stack([item.state.get("is_wary", calm) for item in items])
    if len(sight.looked):
        now = unfound(sight.persons, _of(kept.covers, sight.looked), size)
        areas, is_wary = _with(areas, now.cover, sight.looked), is_wary.clone()
        wary = torch.stack((now.is_doubtful, sight.is_crowd), 1)
        if len(sight.looked) == len(items):
            is_wary = wary
        else:
            is_wary[list(sight.looked)] = wary
        if device.type == "cpu":
            for number, is_person in zip(sight.looked, now.is_person.tolist(), strict=True):
                items[number].state["is_person"] = is_person
    if device.type != "cpu" or bool(areas.any()):
        areas = areas * ~explained(kept.covers, size)[:, None]
    is_doubtful, is_crowd = is_wary.unbind(1)
    is_crowd = is_crowd | kept.has_overflown
    is_all = is_crowd | (~has_found & (times[1] > 0)) | is_doubtful | sight.is_blind
    # On a GPU asking would hold up the host; there the worker withholds a picture that is not finite.
    is_sane = sight.poison.isfinite().tolist() if device.type == "cpu" else [True] * len(items)
    for number, item in enumerate(items):
        item.state.setdefault("first", item.sequence)
        item.state["last"] = item.sequence
        if is_sane[number]:
            item.state.update(
                covers=kept.covers[number].clone(),
                has_found=has_found[number].clone(),
                areas=areas[number].clone(),
                is_wary=is_wary[number].clone(),
            )
    return Hidden(kept.covers, areas > 0, is_all, is_crowd, sight.is_blind)


def _of(values: Tensor, chosen: Sequence[int]) -> Tensor:
    return values if len(chosen) == len(values) else values[list(chosen)]


def _with(areas: Tensor, cover: Tensor, looked: Sequence[int]) -> Tensor:
    """Return `areas` where those of the pictures `looked` at have `cover` too."""
    if len(looked) == len(areas):
        return torch.maximum(areas, cover.float())
    areas = areas.clone()
    for number, own in zip(looked, cover, strict=True):
        areas[number] = torch.maximum(areas[number], own.float())
    return areas
