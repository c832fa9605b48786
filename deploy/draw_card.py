"""Draws the still card that stands in for a camera whose filter is away, in English and Japanese.

python deploy/draw_card.py

It needs a font with Japanese letters: Debian's `fonts-ipafont-gothic`, or its path in `JAPANESE_FONT`.
"""

from __future__ import annotations

import os
from pathlib import Path

from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

TARGET = Path(__file__).parent.parent / "signaling_service" / "rtc" / "card.png"
SIZE = (640, 360)
BACKGROUND = (11, 13, 18)
GREY = (150, 158, 172)
WHITE = (232, 236, 242)
OVERSAMPLE = 4


def main() -> None:
    """Draw four times as large, then scale down, so that edges are smooth."""
    width, height = (side * OVERSAMPLE for side in SIZE)
    picture = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    _camera(draw, width // 2, int(height * 0.25))
    latin = font_manager.findfont("DejaVu Sans")
    # Any other font would draw boxes.
    named = os.environ.get("JAPANESE_FONT")
    japanese = named or font_manager.findfont("IPAGothic", fallback_to_default=False)
    for text, font, middle, points, colour in (
        ("The camera filter does not answer", latin, 0.52, 26, WHITE),
        ("Nothing of your camera is shown", latin, 0.62, 17, GREY),
        ("カメラのフィルターが応答しません", japanese, 0.77, 26, WHITE),
        ("カメラの映像は表示していません", japanese, 0.88, 18, GREY),
    ):
        sized = ImageFont.truetype(font, points * OVERSAMPLE)
        draw.text((width / 2, int(height * middle)), text, font=sized, fill=colour, anchor="mm")
    picture.resize(SIZE, Image.Resampling.LANCZOS).quantize(64).save(TARGET, optimize=True)


def _camera(draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
    u = OVERSAMPLE
    body = (x - 62 * u, y - 34 * u, x + 26 * u, y + 34 * u)
    draw.rounded_rectangle(body, 12 * u, outline=GREY, width=5 * u)
    lens = ((34, -8), (62, -26), (62, 26), (34, 8))
    draw.polygon([(x + dx * u, y + dy * u) for dx, dy in lens], fill=GREY)
    draw.line((x - 66 * u, y - 56 * u, x + 50 * u, y + 56 * u), fill=BACKGROUND, width=16 * u)
    draw.line((x - 66 * u, y - 56 * u, x + 50 * u, y + 56 * u), fill=GREY, width=5 * u)


if __name__ == "__main__":
    main()
