"""Make-up on upright sheets of faces: how each kind of it changes the colours that are there.

    skin evened, cheeks -> lids -> brows -> line -> lips

All of it follows the light that is there: colours are as bright as the face's skin lets them be. The shape of
what lies below stays in the luma.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.makeup.areas import SIDE, Areas
from inference_service.filters.makeup.skin import evened, known_skin, luma_of
from inference_service.filters.vision.enlarge import enlarged
from inference_service.filters.vision.people.matte import box_mean

WELL_LIT = 0.58
"""Luma of skin at which colours are as they were chosen."""
LOOSE = 0.35
"""Least share of skin around lips, lids and brows: make-up does not go on a cup or a mask before them."""


AMOUNTS = ("smooth", "lips", "gloss", "cheeks", "lids", "line", "brows")
COLOURS = ("lip_colour", "cheek_colour", "lid_colour", "line_colour", "brow_colour")
WISHES = len(AMOUNTS) + 3 * len(COLOURS)
"""Numbers of a `Wish`."""


class Wish(NamedTuple):
    """Amounts, (K, 1, 1, 1) in 0..1, and colours, (K, 3, 1, 1) in 0..1, of K faces."""

    smooth: Tensor
    lips: Tensor
    gloss: Tensor
    cheeks: Tensor
    lids: Tensor
    line: Tensor
    brows: Tensor
    lip_colour: Tensor
    cheek_colour: Tensor
    lid_colour: Tensor
    line_colour: Tensor
    brow_colour: Tensor


def wish_of(rows: Tensor) -> Wish:
    """Return what K faces are to have; `rows` (K, WISHES): amounts, then colours."""
    split = len(AMOUNTS)
    amounts = rows[:, :split, None, None].chunk(split, 1)
    colours = rows[:, split:, None, None].chunk(len(COLOURS), 1)
    return Wish(*amounts, *colours)


def changes(sheets: Tensor, areas: Areas, wish: Wish) -> Tensor:
    """Return (K, 3, SIDE, SIDE): what is to be added to sheets of that size, in [0, 1], to make them up."""
    half = nnf.avg_pool2d(sheets, 2)
    skin = known_skin(half, areas.skin)
    even = half + evened(half) * (areas.skin * skin.likeness * wish.smooth)
    blush = wish.cheek_colour / wish.cheek_colour.amax(1, keepdim=True).clamp(min=0.2)
    even = _stained(even, blush, areas.cheeks * skin.likeness * wish.cheeks * 0.5) - half
    # Lips, lids and brows need not look like skin, but what lies around them must.
    near = _around(skin.likeness, areas.skin)
    soft = enlarged(torch.cat((even, near), 1), (SIDE, SIDE))
    changes, near = soft[:, :3], soft[:, 3:]
    for box, paint in ((areas.eyes, _painted_eyes), (areas.mouth, _painted_lips)):
        before = sheets[..., *box]
        made = paint(before + changes[..., *box], areas, near[..., *box], wish, skin.luma)
        changes[..., *box] = made - before
    return changes


def _around(likeness: Tensor, skin: Tensor) -> Tensor:
    """Return (K, 1, h, w): how much of the skin within some pixels of each pixel looks like skin."""
    all_of_it = box_mean(torch.cat((likeness * skin, skin), 1), 9)
    share = all_of_it[:, :1] / all_of_it[:, 1:].clamp(min=1e-3)
    return ((share - LOOSE) / (1 - LOOSE) * 1.4).clamp(0, 1)


def _stained(sheets: Tensor, colour: Tensor, share: Tensor) -> Tensor:
    """Return the sheet seen through a pigment of this colour."""
    return sheets * (1 - share * (1 - colour))


def _painted_eyes(sheets: Tensor, areas: Areas, near: Tensor, wish: Wish, luma: Tensor) -> Tensor:
    """Return that part of the sheets with lids, brows and lines; `luma` is that of the face's skin."""
    made = _stained(sheets, wish.lid_colour, areas.lid * near * wish.lids)
    is_dark = (1.35 - 0.9 * luma_of(made) / luma.clamp(min=0.02)).clamp(0, 1)
    made = _stained(made, wish.brow_colour, areas.brows * near * wish.brows * is_dark)
    return torch.lerp(made, wish.line_colour * (_light(luma) * 0.6), areas.line * near * wish.line * 0.85)


def _painted_lips(sheets: Tensor, areas: Areas, near: Tensor, wish: Wish, skin_luma: Tensor) -> Tensor:
    area, light, luma = areas.lips * near, _light(skin_luma), luma_of(sheets)
    mass = area.sum((2, 3), keepdim=True).clamp(min=1e-3)
    relief = luma / ((luma * area).sum((2, 3), keepdim=True) / mass).clamp(min=0.02)
    # A paint shows less of what is light and dark below than a stain does.
    paint = wish.lip_colour * light * (0.35 + 0.65 * relief.clamp(0.15, 1.6))
    made = torch.lerp(sheets, paint.clamp(max=1), area * (wish.lips * 0.85))
    shine = (relief - 1.1).clamp(0, 0.4) * area * (wish.gloss * light)
    return made + shine


def _light(luma: Tensor) -> Tensor:
    """Return how bright colours are on skin of this luma."""
    return (luma / WELL_LIT).clamp(0.08, 1.35)
