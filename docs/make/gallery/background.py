"""`background`: its own drawing of the photograph, and a person's mask by hand in place of the network's."""

from __future__ import annotations

import numpy as np
import torch

from docs.make.gallery import _person
from docs.make.jpeg import beside
from harness.photograph import Image, read_photo
from inference_service.filters.background import Background
from inference_service.filters.base import Item
from inference_service.filters.vision.networks.segmenter import reduced

SHORT_SIDE = 256


def picture() -> Image:
    """Return the photograph, blurred surroundings, and green ones, (480, 1920, 3) uint8 RGB."""
    photo = read_photo()
    return beside(photo, drawn(photo), drawn(photo, mode="green"))


def drawn(photo: Image, **params: object) -> Image:
    """Return what the filter makes of a first frame where the network sees what the mask says."""
    batch = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None]
    seen = reduced(batch, SHORT_SIDE, torch.float32)
    said = _person.logits(_person.mask(photo), (seen.shape[2], seen.shape[3]))
    item = Item(bytes(16), 0, Background.Params.model_validate(params))
    with torch.inference_mode():
        shown = Background().drawn(batch, seen, said, [item])[0]
    return np.asarray(shown.permute(1, 2, 0).numpy(), np.uint8)
