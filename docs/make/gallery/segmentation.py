"""`segmentation`: its own drawing of the photograph, of the mask of the project in place of a network."""

from __future__ import annotations

import numpy as np
import torch

from docs.make.gallery import _person
from docs.make.jpeg import beside
from harness.photograph import Image, read_photo
from inference_service.filters.segmentation import Segmentation
from inference_service.filters.vision.networks.segmenter import input_size

SHORT_SIDE = 256


def picture() -> Image:
    """Return the photograph, and the person painted over it and on black, (480, 1920, 3) uint8 RGB."""
    photo = read_photo()
    return beside(photo, _drawn(photo), _drawn(photo, over_camera=False, alpha=1.0, colours="vivid"))


def _drawn(photo: Image, **params: object) -> Image:
    batch = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None]
    said = _person.logits(_person.mask(photo), input_size(batch.shape[2], batch.shape[3], SHORT_SIDE))
    with torch.inference_mode():
        shown = Segmentation().drawn(batch, said, [Segmentation.Params.model_validate(params)])[0]
    return np.asarray(shown.permute(1, 2, 0).numpy(), np.uint8)
