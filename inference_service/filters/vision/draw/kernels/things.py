"""Frames and labels of things: their places are listed once, then each picture is read and written once.

The plain form is `inference_service.filters.vision.draw.things.by_torch`.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from inference_service.device.kernels.jit import compiled_once, programs, rounded
from inference_service.filters.vision.draw.kernels.boxes import NUMBERS, over

ROWS = 128
"""Things of one program."""


def draw(pictures: Tensor, things: Any, look: Any, poison: Tensor, letters: Any, widest: float) -> Tensor:
    """Return (N, 3, H, W) float32 drawings over uint8 RGB `pictures`, in their layout."""
    n, _, height, width = pictures.shape
    count = things.labels.shape[1]
    rows = torch.empty((n, NUMBERS, count), dtype=torch.int32, device=pictures.device)
    labels = things.labels.contiguous()
    _list_boxes[(programs(count, ROWS), n)](
        things.boxes.contiguous(),
        labels,
        things.scores.contiguous(),
        things.is_real.contiguous(),
        *(value for one in look[:3] for value in (one, one.stride(0))),
        letters.words.widths,
        letters.numbers.widths,
        rows,
        count,
        height,
        width,
        max(1, round(widest * height)),
        letters.height,
        letters.margin,
        block=ROWS,
    )
    return over(pictures, rows, labels, look.colours, letters, poison.float().contiguous())


@compiled_once
def _list_boxes(
    boxes,
    labels,
    scores,
    is_real,
    line,
    by_line,
    has_label,
    by_has_label,
    has_score,
    by_has_score,
    word_widths,
    number_widths,
    rows,
    count,
    height,
    width,
    max_line,
    label_height,
    margin,
    block: tl.constexpr,
):
    picture = tl.program_id(1).to(tl.int64)
    thing = tl.program_id(0) * block + tl.arange(0, block)
    is_there = thing < count
    place = picture * count + thing
    rows += picture * count * 10 + thing
    is_shown = tl.load(is_real + place, mask=is_there, other=0).to(tl.int1)
    x1 = tl.minimum(_whole(boxes + place * 4, is_there), width - 1)
    y1 = tl.minimum(_whole(boxes + place * 4 + 1, is_there), height - 1)
    x1, y1 = tl.maximum(x1, 0), tl.maximum(y1, 0)
    x2 = tl.maximum(_whole(boxes + place * 4 + 2, is_there), x1 + 1)
    y2 = tl.maximum(_whole(boxes + place * 4 + 3, is_there), y1 + 1)
    wide = rounded(tl.load(line + picture * by_line) * height).to(tl.int32)
    wide = tl.minimum(tl.maximum(wide, 1), max_line)
    word = tl.load(labels + place, mask=is_there, other=0)
    word_width = tl.load(word_widths + word, mask=is_there, other=0).to(tl.int32)
    score = tl.floor(tl.load(scores + place, mask=is_there, other=0) * 100.0)
    number = tl.minimum(tl.maximum(score, 0.0), 100.0).to(tl.int32)
    has_number = tl.load(has_score + picture * by_has_score).to(tl.int32)
    number = tl.where(has_number != 0, number, -1)
    number_width = tl.load(number_widths + tl.maximum(number, 0)).to(tl.int32) + margin
    label_width = word_width + 2 * margin + tl.where(number >= 0, number_width, 0)
    left = tl.minimum(x1, tl.maximum(width - label_width, 0))
    top = tl.where(y1 >= label_height, y1 - label_height, y1)
    top = tl.minimum(top, tl.maximum(height - label_height, 0))
    has_word = tl.load(has_label + picture * by_has_label).to(tl.int32)
    label_width = tl.where(is_shown, label_width * has_word, 0)
    tl.store(rows, x1, mask=is_there)
    tl.store(rows + count, y1, mask=is_there)
    tl.store(rows + 2 * count, x2, mask=is_there)
    tl.store(rows + 3 * count, y2, mask=is_there)
    tl.store(rows + 4 * count, tl.where(is_shown, wide, 0), mask=is_there)
    tl.store(rows + 5 * count, left, mask=is_there)
    tl.store(rows + 6 * count, top, mask=is_there)
    tl.store(rows + 7 * count, label_width, mask=is_there)
    tl.store(rows + 8 * count, word_width, mask=is_there)
    tl.store(rows + 9 * count, number, mask=is_there)


@triton.jit
def _whole(place, is_there):
    """Load float32 numbers as the nearest whole ones."""
    value = tl.load(place, mask=is_there, other=0)
    return rounded(tl.minimum(tl.maximum(value, -1e6), 1e6)).to(tl.int32)
