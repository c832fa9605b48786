"""Draw the browser extension's icons, the favicon's lens: `python -m deploy.draw_icons`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

ICONS = Path(__file__).parent.parent / "static" / "extension" / "icons"
SIZES = {16: 0, 32: 0, 48: 0, 128: 16}
"""With the transparent edge, in pixels: Chrome's store asks for one round the largest."""
_SIDE = 36
"""Of the drawing, in the favicon's units."""
_FINE = 32
"""Pixels drawn for each unit, so that edges are smooth when made smaller."""
_DARK, _LIGHT, _RED = "#20242c", "#f7f3ea", "#e0532f"


def main() -> None:
    """Write one PNG for each size."""
    ICONS.mkdir(exist_ok=True)
    drawn = _drawn()
    for size, edge in SIZES.items():
        inner = size - 2 * edge
        icon = Image.new("RGBA", (size, size))
        icon.paste(drawn.resize((inner, inner), Image.Resampling.LANCZOS), (edge, edge))
        icon.save(ICONS / f"{size}.png", optimize=True)


def _drawn() -> Image.Image:
    picture = Image.new("RGBA", (_SIDE * _FINE, _SIDE * _FINE))
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((0, 0, _SIDE * _FINE, _SIDE * _FINE), 9 * _FINE, _DARK)
    pen.ellipse(_circle(10), _LIGHT)
    pen.pieslice(_circle(10), -90, 90, _RED)
    pen.ellipse(_circle(4), _DARK)
    return picture


def _circle(radius: int) -> tuple[int, int, int, int]:
    low, high = (_SIDE // 2 - radius) * _FINE, (_SIDE // 2 + radius) * _FINE
    return low, low, high, high


if __name__ == "__main__":
    main()
