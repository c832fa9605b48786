"""Which of a picture's covers is nearest to each pixel, and where on it the pixel lies."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from inference_service.filters.vision.at_once import parts
from inference_service.filters.vision.draw.masks import COVER, Places
from inference_service.filters.vision.networks.people.recordable import Steps, floats
from inference_service.filters.vision.people.covers import (
    AXIS_X,
    AXIS_Y,
    COLUMNS,
    IS_THERE,
    MOUTH,
    NOD,
    RADIUS,
    TURN,
    X,
    Y,
)

VALUES = 3
"""Of each pixel and cover, at the most at once on a GPU."""
Facts = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
"""What `facts_of` is."""


def facts_of(covers: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `nearest` has to know of covers (N, M, COLUMNS), by `Wishes.scale` (N,).

    (N, 6, M): of u and v, 1 on a cover's border, what they rise by a column, what they are at the picture's
    corner, and what they rise by a row. (N, 8, M): the same of `Places`, its radius, turn, nod and mouth.
    """
    x, y, own, axis_x, axis_y, turn, nod, mouth, there = (
        covers[..., column] for column in (X, Y, RADIUS, AXIS_X, AXIS_Y, TURN, NOD, MOUTH, IS_THERE)
    )
    own = (own * scale[:, None]).clamp(min=1)
    # u = a across + b down + c, v = a down - b across + d. A pixel's sum is of its column and its row alone.
    a, b = axis_x / own, axis_y / own
    c, d = -(x * a + y * b), x * b - y * a
    facts = torch.stack((a, b, c, d, own * (there > 0), turn, nod, mouth), 1)
    # Not a number: such a cover is nowhere.
    is_there = (there > 0) & ((c + d + own) * 0 == 0)
    facts = torch.where(is_there[:, None], facts.nan_to_num(0, 0, 0), 0.0)
    a, b, c, d = facts[:, :4].unbind(1)
    c = c + torch.where(is_there, 0.0, torch.inf)
    (to_u, to_v) = (1 / side for side in COVER)
    return torch.stack((a * to_u, -b * to_v, c * to_u, d * to_v, b * to_u, a * to_v), 1), facts


def recorded_facts(device: torch.device, covers: int) -> Steps:
    """Return `facts_of` of so many covers, as a GPU records it."""
    return Steps(device, facts_of, floats(covers, COLUMNS), floats(), is_lent=True)


def nearest(
    covers: Tensor, scale: Tensor, size: tuple[int, int], facts: Facts = facts_of
) -> tuple[Places, Tensor]:
    """Return where each pixel lies on the cover nearest to it, and how much of it is covered, (N, H, W)."""
    height, width = size
    n = len(covers)
    across, down = (torch.arange(side, device=covers.device) + 0.5 for side in (width, height))
    lines, own = facts(_rows(covers), scale)
    slope, offset, drop = torch.unflatten(lines, 1, (3, 2))[..., None].unbind(1)
    of_column, of_row = torch.addcmul(offset, slope, across)[..., None, :], (drop * down)[..., None]
    best, which = (_nearest if covers.is_cpu else _nearest_of_all)(of_column, of_row)
    if which is None:
        own = own[..., None].expand(-1, -1, height, width)
    else:
        own = own.gather(2, which.view(n, 1, -1).expand(-1, own.shape[1], -1)).view(n, -1, height, width)
    a, b, c, d, *mine = own.unbind(1)
    places = Places(a * across + b * down[:, None] + c, a * down[:, None] - b * across + d, *mine)
    share = ((1 - best) * min(COVER) * places.radius + 0.5).nan_to_num(0).clamp(0, 1)
    return places, share * (places.radius > 0)


def _nearest(of_column: Tensor, of_row: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return how far away the nearest middle is, 1 on a border, and which that is; (N, H, W).

    u and v are the sums of (N, 2, M, 1, W) and (N, 2, M, H, 1). None instead of zeros where M is 1.
    """
    best, which = None, None
    for number in range(of_column.shape[2]):
        away = torch.hypot(*(of_column[:, :, number] + of_row[:, :, number]).unbind(1))
        if best is None:
            best = away
            continue
        if which is None:
            which = torch.zeros(best.shape, dtype=torch.int64, device=best.device)
        which.masked_fill_(away < best, number)
        torch.minimum(best, away, out=best)
    assert best is not None
    return best, which


def _nearest_of_all(of_column: Tensor, of_row: Tensor) -> tuple[Tensor, Tensor | None]:
    """Do as `_nearest` for all covers at once, as far as memory goes."""
    n, _, count, height, _ = of_row.shape
    found = []
    for _, some in parts(n, 1, VALUES * count * height * of_column.shape[-1]):
        away = torch.hypot(*(of_column[some] + of_row[some]).unbind(1))
        found.append(away.min(1))
    if len(found) == 1:
        return found[0].values, found[0].indices
    return torch.cat([one.values for one in found]), torch.cat([one.indices for one in found])


def _rows(covers: Tensor) -> Tensor:
    """Return (N, M, COLUMNS); on a CPU, where asking costs nothing, of covers that there are, or of one."""
    if covers.device.type == "cpu":
        is_there = (covers[..., IS_THERE] > 0).any(dim=0)
        is_there[0] |= not is_there.any()
        covers = covers[:, is_there]
    return covers
