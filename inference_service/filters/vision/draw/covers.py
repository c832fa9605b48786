"""Heads covered in a whole batch of pictures: which pixels, and with what."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.device.kernels.twin import Twin, kernel_of
from inference_service.filters.vision.draw.masks import REACH, Places, drawn
from inference_service.filters.vision.draw.nearest import Facts, facts_of, nearest, recorded_facts
from inference_service.filters.vision.draw.pixelate import LEVELS, pixelated, squares
from inference_service.filters.vision.draw.wishes import KINDS, ROWS_OF_ALL, SQUARES_ACROSS, STYLES, Wishes
from inference_service.filters.vision.people.covers import COLUMNS, HAS_MASK, IS_THERE, RADIUS, X, Y
from inference_service.filters.vision.poison import poisoned


def covered(
    pictures: Tensor,
    covers: Tensor,
    areas: Tensor,
    is_all: Tensor,
    wishes: Wishes,
    poison: Tensor,
    facts: Facts | None = None,
) -> Tensor:
    """Return (N, 3, H, W) of uint8 RGB `pictures` with `covers` (N, M, COLUMNS, see `covers`) on them.

    `areas` (N, 1, h, w) bool, stretched over each picture: there nothing but large squares is left of it; nor
    is it anywhere in pictures that are `is_all`, (N,) bool. uint8 on a CPU, where only what is covered is
    touched, and float32 elsewhere. All of a picture is NaN where its `poison`, (N,) float32, is not finite;
    see `poisoned`. `facts` are recorded ones, of a GPU.
    """
    if pictures.device.type != "cpu":
        return COVERED(pictures, covers, areas, is_all, wishes, poison, facts or facts_of)
    side = max(1, pictures.shape[2] // ROWS_OF_ALL)
    result = pictures.clone()
    # A cover that is nowhere could not be drawn, and a picture that is withheld needs none.
    for number, whole in enumerate((is_all | ~poison.isfinite()).tolist()):
        one = slice(number, number + 1)
        if whole:
            result[one] = _levels(squares(pictures[one], side))
            continue
        _cover_pieces(result[one], pictures[one], covers[one], wishes.of(number))
        if areas[one].any():
            is_hidden = nnf.interpolate(areas[one].float(), pictures.shape[2:], mode="nearest") > 0
            result[one] = torch.where(is_hidden, _levels(squares(pictures[one], side)), result[one])
    return poisoned(result, poison)


def _covered_by_torch(
    pictures: Tensor,
    covers: Tensor,
    areas: Tensor,
    is_all: Tensor,
    wishes: Wishes,
    poison: Tensor,
    facts: Facts,
) -> Tensor:
    shown = _with_covers(pictures, covers, wishes, facts)
    is_hidden = nnf.interpolate(areas.float(), pictures.shape[2:], mode="nearest") > 0
    large = squares(pictures, max(1, pictures.shape[2] // ROWS_OF_ALL))
    return poisoned(torch.where(is_hidden | is_all[:, None, None, None], large, shown), poison)


def _cover_pieces(result: Tensor, picture: Tensor, covers: Tensor, wishes: Wishes) -> None:
    """Draw `covers` on a picture (1, 3, H, W), in the pieces of it that they reach."""
    reach = REACH if wishes.modes[0] == "mask" else 1.0
    rows = covers[0, covers[0, :, IS_THERE] > 0]
    # Whole squares of the coarsest level, so that these are the same wherever the piece begins.
    grid = wishes.sides[0] * 2 ** (LEVELS - 1)
    sizes = picture.shape[3], picture.shape[2]
    boxes = []
    for x, y, radius in rows[:, : RADIUS + 1].tolist():
        far = max(1.0, radius * float(wishes.scale)) * reach + 2
        box = []
        for middle, size in zip((x, y), sizes, strict=True):
            low = min(max(math.floor((middle - far) / grid) * grid, 0), size)
            box += [low, max(low, min(math.ceil((middle + far) / grid) * grid, size))]
        if box[0] < box[1] and box[2] < box[3]:
            boxes.append(box)
    for left, right, top, bottom in _apart(boxes):
        moved = covers.clone()
        moved[..., X] -= left
        moved[..., Y] -= top
        piece = picture[:, :, top:bottom, left:right]
        result[:, :, top:bottom, left:right] = _levels(_with_covers(piece, moved, wishes))


def _apart(boxes: list[list[int]]) -> list[list[int]]:
    """Return boxes that do not meet and hold all of `boxes`; each is (left, right, top, bottom)."""
    done: list[list[int]] = []
    for box in boxes:
        while meets := [
            one for one in done if one[0] < box[1] and box[0] < one[1] and one[2] < box[3] and box[2] < one[3]
        ]:
            done = [one for one in done if one not in meets]
            lows = [min(one[side] for one in (box, *meets)) for side in (0, 2)]
            highs = [max(one[side] for one in (box, *meets)) for side in (1, 3)]
            box = [lows[0], highs[0], lows[1], highs[1]]
        done.append(box)
    return done


def _with_covers(pictures: Tensor, covers: Tensor, wishes: Wishes, facts: Facts = facts_of) -> Tensor:
    places, share = nearest(covers, wishes.scale, (pictures.shape[2], pictures.shape[3]), facts)
    hidden = _hidden(pictures, places, wishes)
    result = torch.lerp(pictures.to(torch.float32), hidden, share[:, None])
    masks = [
        style if mode == "mask" else None for style, mode in zip(wishes.styles, wishes.modes, strict=True)
    ]
    styles = sorted({mask for mask in masks if mask is not None})
    if styles:
        places = _of_masks(covers, wishes.scale, places, facts)
    for style in styles:
        colours, cover = drawn(style, places, wishes.colour)
        has_it = [mask == style for mask in masks]
        result = _only(has_it, torch.lerp(result, colours, cover), result)
    return result


def _of_masks(covers: Tensor, scale: Tensor, places: Places, facts: Facts) -> Places:
    """Return where each pixel lies on the nearest cover that has a mask; `places` are those of all covers."""
    is_bare = (covers[..., IS_THERE] > 0) & (covers[..., HAS_MASK] == 0)
    if covers.is_cpu and not is_bare.any():
        return places
    masked = torch.cat((covers[..., :IS_THERE], covers[..., IS_THERE:] * covers[..., HAS_MASK, None]), -1)
    return nearest(masked, scale, (places.u.shape[1], places.u.shape[2]), facts)[0]


def _levels(values: Tensor) -> Tensor:
    return values.add(0.5).clamp_(0, 255).to(torch.uint8)


def _hidden(pictures: Tensor, places: Places, wishes: Wishes) -> Tensor:
    side = torch.stack([torch.full_like(places.radius[0], side) for side in wishes.sides])
    level = torch.log2((2 / SQUARES_ACROSS) * places.radius / side).ceil().clamp(0, LEVELS - 1)
    is_smooth = [mode == "blur" for mode in wishes.modes]
    if all(is_smooth) or not any(is_smooth):
        return pixelated(pictures, wishes.sides, level, is_smooth=is_smooth[0])
    smooth, square = (pixelated(pictures, wishes.sides, level, is_smooth=one) for one in (True, False))
    return _only(is_smooth, smooth, square)


def _only(chosen: Sequence[bool], some: Tensor, others: Tensor) -> Tensor:
    """Return the pictures of `some` that are `chosen`, the rest of `others`; no index is moved up."""
    if all(chosen):
        return some
    return torch.stack(
        [one if is_chosen else other for is_chosen, one, other in zip(chosen, some, others, strict=True)]
    )


def _samples(device: torch.device) -> Sequence[tuple[object, ...]]:
    """Return pictures with two heads each: first as most are, one of them hidden; then in all modes."""
    count = len(KINDS)
    pictures = torch.randint(0, 256, (count, 3, 480, 640), dtype=torch.uint8, device=device)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    covers = torch.zeros(count, 8, COLUMNS, device=device)
    heads = (200.3, 180.2, 70.0, 0.8, 0.6, 0.3, 0.2, 0.5), (420.4, 300.1, 40.0, 1.0, 0.0, 0.0, -0.4, 0.0)
    covers[:, : len(heads), : len(heads[0])] = torch.tensor(heads, device=device)
    covers[:, : len(heads), IS_THERE] = covers[:, 0, HAS_MASK] = 1
    areas = torch.zeros(count, 1, 64, 64, dtype=torch.bool, device=device)
    areas[1, :, 40:50, 50:60] = True
    is_all = torch.zeros(count, dtype=torch.bool, device=device)
    is_all[0] = True
    facts = recorded_facts(device, covers.shape[1])
    made = []
    for kinds in ((0,) * count, range(count)):
        modes = ["mask" if KINDS[kind] in STYLES else KINDS[kind] for kind in kinds]
        styles = [STYLES[kind % len(STYLES)] for kind in kinds]
        rows = [(1.15, 240.0, 136.0, 58.0, 12.0, kind) for kind in kinds]
        wishes = Wishes(modes, styles, [12] * count, torch.tensor(rows, device=device))
        made.append((pictures, covers, areas, is_all, wishes, torch.zeros(count, device=device), facts))
    return made


COVERED = Twin(
    "covers",
    _covered_by_torch,
    kernel_of("inference_service.filters.vision.draw.kernels.covers", "covered"),
    _samples,
)
