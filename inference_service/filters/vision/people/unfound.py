"""Persons whose face was not found: which part of the picture has to be covered instead.

A coarse map of the person mask is compared with the places of bodies that hang on known heads. What is left
is a person without a face; the upper part of each such piece is covered.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.vision.enlarge import shrunk
from inference_service.filters.vision.people.covers import AXIS_X, AXIS_Y, IS_THERE, RADIUS, X, Y
from inference_service.filters.vision.people.matte import largest

GRID = 64
"""Cells across and down, whatever the picture's shape."""
PERSON = 0.35
"""Probability from which on a cell counts as a person."""
DOUBTFUL = 0.15
"""From here up to `PERSON` it is doubtful."""
MOST_DOUBTFUL = 0.06
"""Share of the picture that may be doubtful and away from persons before all of it is covered."""
ROUND_HEAD = 1.7
"""A head explains the person within so many radii: hair, hats, hands at the face."""
SHOULDERS, WIDENING, WIDEST = 1.5, 0.9, 4.5
"""Below its middle, it explains this much to each side, so much more per radius, and no more than this."""
UPPER = 0.75
"""Share of a piece that is covered, from its top."""
AROUND = 2
"""Cells by which a cover is larger than the piece."""
SPREADS = 64


Size = tuple[int, int] | tuple[Tensor, Tensor]


class Unfound(NamedTuple):
    """What is left of N pictures."""

    cover: Tensor
    """(N, 1, GRID, GRID) bool: to be covered."""
    is_doubtful: Tensor
    """(N,) bool: there may be persons anywhere."""
    is_person: Tensor
    """(N,) bool: a person without a face is there."""


def unfound(persons: Tensor, covers: Tensor, size: Size) -> Unfound:
    """Return what the heads in `covers` (N, M, COLUMNS) do not explain of `persons`, (N, 1, h, w) in [0, 1].

    `size` is (H, W) of the pictures, in whose pixels covers are: numbers, or (N, 1, 1, 1) each.
    """
    chance = shrunk(persons, (GRID, GRID))
    rest = chance * ~explained(covers, size)[:, None]
    piece = _opened((rest > PERSON).float())
    is_person = piece.flatten(1).any(1)
    cover = torch.zeros_like(piece)
    if piece.device.type != "cpu" or bool(is_person.any()):
        cover = largest(_upper(piece), AROUND)
    near = largest((chance > PERSON).float(), 2)
    doubtful = ((rest > DOUBTFUL) & (near == 0)).float()
    return Unfound(cover > 0, doubtful.mean((1, 2, 3)) > MOST_DOUBTFUL, is_person)


def explained(covers: Tensor, size: Size) -> Tensor:
    """Return (N, GRID, GRID) bool: there is the head or body of one of `covers`."""
    device = covers.device
    if covers.is_cpu:
        covers = covers[:, (covers[..., IS_THERE] > 0).any(0)]
    steps = (torch.arange(GRID, device=device) + 0.5) / GRID
    rows = covers[:, :, :, None, None]
    radius = rows[:, :, RADIUS].clamp(min=1)
    to_x, to_y = (
        (steps * size[1] - rows[:, :, X]) / radius,
        (steps[:, None] * size[0] - rows[:, :, Y]) / radius,
    )
    u = to_x * rows[:, :, AXIS_X] + to_y * rows[:, :, AXIS_Y]
    v = to_y * rows[:, :, AXIS_X] - to_x * rows[:, :, AXIS_Y]
    # A body hangs down whichever way the head is tilted.
    aside, below = torch.minimum(to_x.abs(), u.abs()), torch.maximum(to_y, v)
    is_body = (below > 0) & (aside < (SHOULDERS + WIDENING * below).clamp(max=WIDEST))
    is_head = torch.hypot(to_x, to_y) < ROUND_HEAD
    return ((is_head | is_body) & (rows[:, :, IS_THERE] > 0)).any(1)


def _opened(cells: Tensor) -> Tensor:
    """Return (N, 1, h, w) of 0 and 1 without what is narrower than three cells."""
    return largest(-largest(-cells, 1), 1) * cells


def _upper(piece: Tensor) -> Tensor:
    """Return the upper part of each piece of (N, 1, GRID, GRID) cells that hang together."""
    if piece.is_cpu:
        return torch.from_numpy(np.stack([_upper_of(one) for one in piece[:, 0].numpy()]))[:, None]
    return _upper_on_device(piece)


def _upper_on_device(piece: Tensor) -> Tensor:
    """Do so without a question to the device."""
    row = torch.arange(1, GRID + 1, device=piece.device, dtype=torch.float32)[:, None]
    # How far up and how far down each piece reaches, spread over it cell by cell.
    reach = torch.cat(((GRID + 1 - row) * piece, row * piece), 1)
    for _ in range(SPREADS):
        reach = nnf.max_pool2d(reach, 3, 1, 1) * piece
    top, bottom = GRID + 1 - reach[:, :1], reach[:, 1:]
    # A piece that is cut off above may show any part of a person.
    share = torch.where(top <= 2, 1.0, UPPER)
    return piece * (row <= top + share * (bottom - top) + 1)


def _upper_of(piece: NDArray[np.float32]) -> NDArray[np.float32]:
    """Do as `_upper` for one picture (GRID, GRID) on a CPU, where pieces can be told one by one."""
    upper = np.zeros_like(piece)
    count, labels, sizes, _ = cv2.connectedComponentsWithStats(piece.astype(np.uint8), connectivity=8)
    for number in range(1, count):
        top, height = int(sizes[number, cv2.CC_STAT_TOP]), int(sizes[number, cv2.CC_STAT_HEIGHT])
        share = 1.0 if top <= 1 else UPPER
        rows = slice(top, top + int(share * (height - 1)) + 2)
        upper[rows][labels[rows] == number] = 1
    return upper
