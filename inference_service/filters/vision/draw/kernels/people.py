"""Skeletons: their lines are listed once, then each picture is read and written once.

The plain form is `inference_service.filters.vision.draw.people_on_gpu.by_torch`.
"""

from __future__ import annotations

from typing import Any

import torch
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, programs
from inference_service.filters.vision.draw.kernels.lines import NUMBERS, over
from inference_service.filters.vision.draw.skeletons import FARTHEST, LEAST_RADIUS

ROWS = 128
"""Of one program."""


def draw(
    pictures: Tensor,
    place: Tensor,
    score: Tensor,
    is_real: Tensor,
    look: Any,
    poison: Tensor,
    parts: Any,
    thickest: float,
) -> Tensor:
    """Return (N, 3, H, W) float32 drawings over uint8 RGB `pictures`."""
    n, people, points, _ = place.shape
    count = len(parts.widths)
    rows = torch.empty((n, NUMBERS, people * count), device=pictures.device)
    _list_lines[(programs(people * count, ROWS), n)](
        place.contiguous(),
        score.contiguous(),
        is_real.contiguous(),
        *(value for one in look[:4] for value in (one, one.stride(0))),
        *parts[:3],
        *parts[4:],
        rows,
        people,
        points,
        len(parts.limbs),
        count,
        float(pictures.shape[2]),
        LEAST_RADIUS,
        FARTHEST,
        block=ROWS,
    )
    return over(pictures, rows, parts.colours, look.camera, poison.float().contiguous())


@compiled_once
def _list_lines(
    place,
    score,
    is_real,
    radius,
    by_radius,
    min_score,
    by_min_score,
    has_face,
    by_has_face,
    has_ends,
    by_has_ends,
    limbs,
    firsts,
    seconds,
    widths,
    is_face,
    is_end,
    rows,
    people,
    points,
    limb_count,
    count,
    height,
    least_radius,
    farthest,
    block: tl.constexpr,
):
    number = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * block + tl.arange(0, block)
    is_there = row < people * count
    # The first person lies on top, so comes last.
    person, part = people - 1 - row // count, row % count
    person = tl.where(is_there, person, 0)
    is_limb = part < limb_count
    one = tl.load(limbs + part * 2, mask=is_limb, other=0).to(tl.int32)
    other = tl.load(limbs + part * 2 + 1, mask=is_limb, other=0).to(tl.int32)
    one = tl.where(is_limb, one, part - limb_count)
    other = tl.where(is_limb, other, part - limb_count)
    least = tl.load(min_score + number * by_min_score)
    first_point = (number * people + person) * points
    rows += number * people * count * 5 + row
    is_drawn = tl.load(is_real + number * people + person, mask=is_there, other=0).to(tl.int1)
    for end in tl.static_range(2):
        point = one if end == 0 else other
        first = first_point + tl.load(firsts + point, mask=is_there, other=0)
        second = first_point + tl.load(seconds + point, mask=is_there, other=0)
        is_drawn &= tl.load(score + first, mask=is_there, other=0) > least
        is_drawn &= tl.load(score + second, mask=is_there, other=0) > least
        for axis in tl.static_range(2):
            at = tl.load(place + first * 2 + axis, mask=is_there, other=0)
            at = (at + tl.load(place + second * 2 + axis, mask=is_there, other=0)) / 2
            is_drawn &= tl.abs(at) < float("inf")
            at = tl.minimum(tl.maximum(at, -farthest), farthest)
            tl.store(rows + (end * 2 + axis) * people * count, at, mask=is_there)
    is_kind = tl.load(is_face + part, mask=is_there, other=0).to(tl.int1)
    is_drawn &= tl.where(is_kind, tl.load(has_face + number * by_has_face), 1.0) > 0
    is_kind = tl.load(is_end + part, mask=is_there, other=0).to(tl.int1)
    is_drawn &= tl.where(is_kind, tl.load(has_ends + number * by_has_ends), 1.0) > 0
    limb = tl.maximum(tl.load(radius + number * by_radius) * height, least_radius)
    thick = tl.maximum(limb * tl.load(widths + part, mask=is_there, other=0), least_radius)
    tl.store(rows + 4 * people * count, tl.where(is_drawn, thick, 0.0), mask=is_there)
