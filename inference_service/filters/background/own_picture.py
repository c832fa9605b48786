"""A picture that a user sends as a parameter: checked before it is decoded, cut to the camera's shape."""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings
from collections import OrderedDict

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

MAX_CHARS = 700_000
"""Of the parameter. With the rest of a frame's header it stays under wire.MAX_HEADER_WITH_PARAMS_BYTES."""
MAX_SIDE = 2560
"""Pixels. What a picture has is known from its head, before anything is decoded."""
FORMATS = ("JPEG", "PNG", "WEBP")
MAX_KEPT = 32
MAX_KEPT_BYTES = 64 << 20
"""Of pictures on the device, each in its camera's size and in a tiny one."""

_DATA_URL = re.compile(r"data:image/(?:jpeg|png|webp);base64,", re.ASCII)


class BadPicture(ValueError):
    """What is wrong with a picture, for whoever sent it."""


def decoded(text: str) -> Image.Image:
    """Return the picture of a data URL, or of base64 alone, in RGB, as it is to be held; raises BadPicture.

    What is transparent is black.
    """
    head = _DATA_URL.match(text)
    if head is None and text.startswith("data:"):
        raise BadPicture("expected a data URL of image/jpeg, image/png or image/webp in base64")
    try:
        content = base64.b64decode(text[head.end() :] if head else text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadPicture("this is not base64") from exc
    try:
        with warnings.catch_warnings():
            # Pillow warns of a bomb where it should refuse; the size is looked at below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as exc:
        raise BadPicture("expected a JPEG, PNG or WebP picture") from exc
    except Image.DecompressionBombError as exc:
        raise BadPicture(f"it has too many pixels, at most {MAX_SIDE}x{MAX_SIDE} are taken") from exc
    except Exception as exc:
        # Files made to break a reader find ways of their own.
        raise BadPicture(f"this picture cannot be read ({type(exc).__name__})") from exc
    width, height = picture.size
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise BadPicture(f"it has {width}x{height} pixels, at most {MAX_SIDE}x{MAX_SIDE} are taken")
    try:
        # Cameras write a picture as they were held, with a note of how to turn it.
        return ImageOps.exif_transpose(picture).convert("RGB")
    except Exception as exc:
        raise BadPicture(f"this picture is damaged ({type(exc).__name__})") from exc


class OwnPictures:
    """Users' pictures on the device, in their cameras' sizes; the longest unused are forgotten.

    One thread only.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, int], Tensor] = OrderedDict()
        self._size_bytes = 0

    def get(self, text: str, height: int, width: int, device: torch.device) -> Tensor:
        """Return (3, height, width) uint8 RGB, cut to fill it; `text` is one that was checked."""
        key = (text, height, width)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        fitted = ImageOps.fit(decoded(text), (width, height), Image.Resampling.LANCZOS)
        levels = torch.from_numpy(np.asarray(fitted).copy()).permute(2, 0, 1)
        if device.type == "cuda":
            levels = levels.contiguous().pin_memory().to(device, non_blocking=True)
        self._kept[key] = levels
        self._size_bytes += levels.numel()
        while len(self._kept) > MAX_KEPT or (self._size_bytes > MAX_KEPT_BYTES and len(self._kept) > 1):
            _, forgotten = self._kept.popitem(last=False)
            self._size_bytes -= forgotten.numel()
        return levels
