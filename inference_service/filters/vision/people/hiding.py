"""What of each picture has to be hidden, from what is seen now and what each session's state knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inference_service.filters.base import Item
from inference_service.filters.vision.networks.people.recordable import Steps, flags, floats
from inference_service.filters.vision.people.covers import COLUMNS, HOLD_FRAMES, follow
from inference_service.filters.vision.people.faces import HEADS, Sight
from inference_service.filters.vision.people.heads import Heads
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


def hide(
    sight: Sight,
    items: Sequence[Item],
    before: Tensor,
    size: tuple[int, int],
    decided: Callable[..., tuple[Tensor, ...]] | None = None,
) -> Hidden:
    """Return what to hide of pictures of `size` (H, W), and write the sessions' states.

    `before` are the covers of `covers_of`; `decided` are a GPU's `decisions`.
    """
    device = before.device
    never = torch.zeros((), dtype=torch.bool, device=device)
    # Whether much of it may or may not be a person, and whether there is a crowd.
    calm = torch.zeros(2, dtype=torch.bool, device=device)
    nothing = torch.zeros(1, GRID, GRID, device=device)
    elapsed = [max(1, item.sequence - item.state.get("last", item.sequence)) for item in items]
    is_new = [item.sequence - item.state.get("first", item.sequence) < HOLD_FRAMES for item in items]
    times = upload(np.array((elapsed, is_new), np.float32), device)
    if decided is not None:
        return _on_device(sight, items, before, size, times, decided)
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
        for number, is_person in zip(sight.looked, now.is_person.tolist(), strict=True):
            items[number].state["is_person"] = is_person
    if bool(areas.any()):
        areas = areas * ~explained(kept.covers, size)[:, None]
    is_doubtful, is_crowd = is_wary.unbind(1)
    is_crowd = is_crowd | kept.has_overflown
    is_all = is_crowd | (~has_found & (times[1] > 0)) | is_doubtful | sight.is_blind
    is_sane = sight.poison.isfinite().tolist()
    for number, item in enumerate(items):
        item.state.setdefault("first", item.sequence)
        item.state["last"] = item.sequence
        if is_sane[number]:
            item.state.update(
                # Nobody writes into them, so sessions may share them.
                covers=kept.covers[number],
                has_found=has_found[number],
                areas=areas[number],
                is_wary=is_wary[number],
            )
    return Hidden(kept.covers, _is_hidden(areas), is_all, is_crowd, sight.is_blind)


def decisions(device: torch.device, mask_size: tuple[int, int]) -> Steps:
    """Return what decides for `hide` on a GPU; `mask_size` (h, w) is that of `Sight.persons`."""
    return Steps(
        device,
        _decided,
        floats(HEADS, 2),
        floats(HEADS),
        floats(HEADS, 2),
        floats(HEADS, 3),
        flags(HEADS),
        floats(1, *mask_size),
        flags(),
        flags(),
        floats(COVERS, COLUMNS),
        flags(),
        floats(1, GRID, GRID),
        floats(2),
        floats(2),
    )


def _on_device(
    sight: Sight,
    items: Sequence[Item],
    before: Tensor,
    size: tuple[int, int],
    times: Tensor,
    decided: Callable[..., tuple[Tensor, ...]],
) -> Hidden:
    """Do as `hide` where every picture was looked at, without a question to the device."""
    never = torch.zeros((), dtype=torch.bool, device=before.device)
    nothing = torch.zeros(1, GRID, GRID, device=before.device)
    has_found = torch.stack([item.state.get("has_found", never) for item in items])
    areas = torch.stack([item.state.get("areas", nothing) for item in items])
    sizes = upload(np.array([size] * len(items), np.float32), before.device)
    covers, has_found, areas, is_wary, is_hidden, is_all, is_crowd = decided(
        *sight.heads,
        sight.is_real,
        sight.persons,
        sight.is_crowd,
        sight.is_blind,
        before,
        has_found,
        areas,
        times.T,
        sizes,
    )
    for number, item in enumerate(items):
        item.state.setdefault("first", item.sequence)
        item.state["last"] = item.sequence
        # The worker withholds a picture that is not finite. Nobody writes into these, so sessions share them.
        item.state.update(
            covers=covers[number], has_found=has_found[number], areas=areas[number], is_wary=is_wary[number]
        )
    return Hidden(covers, is_hidden, is_all, is_crowd, sight.is_blind)


def _decided(
    centre: Tensor,
    radius: Tensor,
    axis: Tensor,
    mimic: Tensor,
    is_real: Tensor,
    persons: Tensor,
    is_crowd: Tensor,
    is_blind: Tensor,
    before: Tensor,
    has_found: Tensor,
    areas: Tensor,
    times: Tensor,
    size: Tensor,
) -> tuple[Tensor, ...]:
    """Return what is kept of covers, whether a face was found, areas, and wariness; then what is hidden."""
    elapsed, is_new = times.unbind(1)
    height, width = size[:, :, None, None, None].unbind(1)
    kept = follow(Heads(centre, radius, axis, mimic), is_real, before, elapsed, MOST_FACES)
    has_found = has_found | is_real.any(1)
    now = unfound(persons, kept.covers, (height, width))
    areas = (areas - elapsed[:, None, None, None] / HOLD_FRAMES).clamp(min=0)
    areas = torch.maximum(areas, now.cover.float()) * ~explained(kept.covers, (height, width))[:, None]
    is_wary = torch.stack((now.is_doubtful, is_crowd), 1)
    is_crowd = is_crowd | kept.has_overflown
    is_all = is_crowd | (~has_found & (is_new > 0)) | now.is_doubtful | is_blind
    return kept.covers, has_found, areas, is_wary, _is_hidden(areas), is_all, is_crowd


def _is_hidden(areas: Tensor) -> Tensor:
    # Also where it is no number, as after a frame whose numbers were none.
    return ~(areas <= 0)


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
