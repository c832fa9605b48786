"""`img2img`, by its own model, where the weights folder has it: nothing else can say what it would paint."""

from __future__ import annotations

from docs.make.gallery import through
from docs.make.jpeg import beside
from harness.photograph import Image, read_photo
from inference_service.filters.img2img import Img2Img
from inference_service.weights.folder import default_folder

PROMPTS = (
    "oil painting of a woman in uniform, warm light, visible brush strokes",
    "pencil drawing of a woman in uniform, cross-hatching, white paper",
)


def picture() -> Image | None:
    """Return the photograph and two paintings, (480, 1920, 3) uint8 RGB; None without the model's files.

    `python -m inference_service download img2img` brings them, and their packages are needed.
    """
    one = Img2Img()
    if not all((default_folder() / file.name).exists() for file in one.needed_weights()):
        return None
    photo = read_photo()
    return beside(photo, *(through(one, photo, prompt=prompt, strength=0.5) for prompt in PROMPTS))
