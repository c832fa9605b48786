"""Pictures drawn by code, the only material that the ink network is trained on.

Photographs are piles of things that hide one another, each with a colour, a shading, a texture and
a sharpness of its own; so are these. Portraits, hair and writing are drawn on top because a call is
mostly that, and a network that never met an eye paints it badly.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from inference_service.filters.ink.canvas import Canvas
from inference_service.filters.ink.portrait import draw_portrait
from inference_service.filters.ink.scenes import draw_pile, draw_strokes, draw_swatches, draw_writing


def draw_picture(rng: np.random.Generator, size: int = 256) -> npt.NDArray[np.uint8]:
    """Return one picture, (size, size, 3) uint8 RGB; the same generator state gives the same picture."""
    canvas = Canvas(rng, size)
    scene: Callable[[Canvas], None] = rng.choice(
        np.array([draw_pile, draw_portrait, draw_strokes, draw_writing, draw_swatches], dtype=object),
        p=[0.36, 0.30, 0.12, 0.08, 0.14],
    )
    scene(canvas)
    return canvas.photograph()
