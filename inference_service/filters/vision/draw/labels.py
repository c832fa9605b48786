"""Labels: a word and a number on a filled ground, composed on the device from strips of text.

A strip for each word and for each number from 0.00 to 1.00 is drawn once for a height of text. The device
gathers a label from two of them, so the host need not know what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from inference_service.filters.vision.draw.canvas import FULL, Marks, place, stacked

NUMBERS = tuple(f"{hundredths / 100:.2f}" for hundredths in range(101))
OVERSAMPLING = 4
"""Text is drawn that much larger, a little bolder than the font has it, and brought down."""


class Strips(NamedTuple):
    """Texts of one height, on the device."""

    texts: Tensor
    """(T, h, w) uint8, how much of each pixel is text."""
    widths: Tensor
    """(T,) int64, of each text."""


class Lettering(NamedTuple):
    """All that labels of one height are made of."""

    words: Strips
    numbers: Strips
    height: int
    """Of a label, in pixels."""
    margin: int
    """Left and right of the text, and between word and number."""

    @property
    def max_width(self) -> int:
        """The widest label there can be."""
        return self.words.texts.shape[2] + self.numbers.texts.shape[2] + 3 * self.margin


def lettering(words: Sequence[str], text_height: int, device: torch.device) -> Lettering:
    """Draw all texts; takes tens of milliseconds, and copies to the device."""
    font = ImageFont.load_default(text_height * OVERSAMPLING)
    height = round(text_height * 1.3)
    return Lettering(
        _strips(words, font, height, device),
        _strips(NUMBERS, font, height, device),
        height,
        max(2, round(text_height * 0.3)),
    )


def labels(
    boxes: Tensor,
    picture: Tensor,
    shape: Tensor,
    word: Tensor,
    number: Tensor,
    letters: Lettering,
    size: tuple[int, int, int],
) -> Marks:
    """Return a label for each of (R, 4) int64 `boxes`: above it, or within it where there is no room.

    All (R,) int64: `picture`, `shape` (0: no label), `word` and `number`, the places of the two texts;
    `number` below 0: none.
    """
    _, height, width = size
    device = boxes.device
    word_width = letters.words.widths[word]
    has_number = number >= 0
    number = number.clamp(min=0)
    number_width = torch.where(has_number, letters.numbers.widths[number] + letters.margin, 0)
    label_width = word_width + number_width + 2 * letters.margin
    left = torch.minimum(boxes[:, 0], (width - label_width).clamp(min=0))
    above = boxes[:, 1] - letters.height
    top = torch.where(above >= 0, above, boxes[:, 1]).clamp(max=max(0, height - letters.height))
    down = torch.arange(letters.height, device=device)[None, :, None]
    across = torch.arange(letters.max_width, device=device)[None, None]
    in_word = across - letters.margin
    in_number = in_word - word_width[:, None, None] - letters.margin
    cover = _cover(letters.words, word, in_word, down)
    second = _cover(letters.numbers, number, in_number, down)
    cover = torch.where(has_number[:, None, None] & (in_number >= 0), second, cover)
    at, is_inside = place(
        picture[:, None, None], top[:, None, None] + down, left[:, None, None] + across, size
    )
    is_drawn = is_inside & (across < label_width[:, None, None]) & (shape > 0)[:, None, None]
    return Marks(at, torch.where(is_drawn, stacked(shape[:, None, None], cover), 0))


def _cover(strips: Strips, text: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """Return (R, h, w) float32, 0 to 1: of the strips `text` (R,) at columns (R or 1, 1, w)."""
    is_text = (column >= 0) & (column < strips.widths[text][:, None, None])
    inside = column.clamp(0, strips.texts.shape[2] - 1)
    return torch.where(is_text, strips.texts[text[:, None, None], row, inside].to(torch.float32) / FULL, 0)


def _strips(
    texts: Sequence[str],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    height: int,
    device: torch.device,
) -> Strips:
    widths = [-(-int(font.getbbox(text)[2]) // OVERSAMPLING) for text in texts]
    # Of a high and a hanging letter, so that words and numbers stand on one line.
    _, top, _, bottom = font.getbbox("lg")
    middle = (top + bottom) / 2
    sheet = np.zeros((len(texts), height, max(widths)), np.uint8)
    for number, text in enumerate(texts):
        large = Image.new("L", (max(widths) * OVERSAMPLING, height * OVERSAMPLING))
        draw = ImageDraw.Draw(large)
        draw.text((0, height * OVERSAMPLING / 2 - middle), text, fill=255, font=font, stroke_width=1)
        sheet[number] = np.asarray(large.reduce(OVERSAMPLING))
    return Strips(torch.from_numpy(sheet).to(device), torch.tensor(widths, device=device))
