"""A user's picture is looked at before it is decoded, and never kept without a bound."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from inference_service.filters.background import Background
from inference_service.filters.background.own_picture import (
    MAX_CHARS,
    MAX_KEPT,
    MAX_SIDE,
    BadPicture,
    OwnPictures,
    decoded,
)
from shared.wire import MAX_HEADER_BYTES, MAX_HEADER_WITH_PARAMS_BYTES

CPU = torch.device("cpu")


def in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def encoded(
    size: tuple[int, int], kind: str = "JPEG", colour: tuple[int, ...] = (200, 100, 50), **options: object
) -> bytes:
    mode = "RGBA" if len(colour) == 4 else "RGB"
    into = io.BytesIO()
    Image.new(mode, size, colour).save(into, kind, **options)
    return into.getvalue()


def data_url(content: bytes, kind: str = "jpeg") -> str:
    return f"data:image/{kind};base64,{in_base64(content)}"


def png_that_claims(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose head says it has so many pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_picture_of_each_kind_is_read(kind: str) -> None:
    for text in (data_url(encoded((40, 30), kind.upper()), kind), in_base64(encoded((40, 30), kind.upper()))):
        picture = decoded(text)
        assert picture.size == (40, 30)
        assert np.abs(np.asarray(picture).astype(int) - (200, 100, 50)).max() <= 3


def test_picture_is_turned_as_its_note_says() -> None:
    note = Image.Exif()
    note[0x0112] = 6
    assert decoded(in_base64(encoded((40, 30), exif=note))).size == (30, 40)


def test_what_is_transparent_does_not_break_it() -> None:
    assert decoded(data_url(encoded((8, 8), "PNG", (1, 2, 3, 0)), "png")).mode == "RGB"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("data:image/svg+xml;base64,PHN2Zy8+", "expected a data URL"),
        ("data:image/jpeg,%FF%D8", "expected a data URL"),
        ("not base64!", "not base64"),
        (in_base64(b"GIF89a" + bytes(100)), "JPEG, PNG or WebP"),
        (in_base64(encoded((8, 8), "BMP")), "JPEG, PNG or WebP"),
        (data_url(encoded((200, 200))[:-400]), "damaged"),
        (in_base64(png_that_claims(100, 100)), "damaged"),
        (in_base64(png_that_claims(MAX_SIDE + 1, 10)), f"{MAX_SIDE + 1}x10 pixels"),
        (in_base64(png_that_claims(60_000, 60_000)), "too many pixels"),
    ],
)
def test_what_is_no_picture_or_a_broken_one_or_too_large_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadPicture, match=says):
        decoded(text)
    with pytest.raises(ValidationError) as refused:
        Background.Params(mode="picture", picture=text)
    (error,) = refused.value.errors()
    assert error["loc"] == ("picture",)


def test_longest_picture_taken_fits_into_a_frames_header() -> None:
    assert MAX_CHARS + MAX_HEADER_BYTES < MAX_HEADER_WITH_PARAMS_BYTES
    with pytest.raises(ValidationError):
        Background.Params(picture="A" * (MAX_CHARS + 1))


def test_picture_is_cut_to_the_cameras_shape_and_not_pressed() -> None:
    wide = Image.new("RGB", (400, 100), (0, 0, 255))
    wide.paste((255, 0, 0), (150, 0, 250, 100))
    into = io.BytesIO()
    wide.save(into, "PNG")
    levels = OwnPictures().get(in_base64(into.getvalue()), 50, 50, CPU)
    assert levels.shape == (3, 50, 50)
    # The middle fills it; all of the sides is cut off.
    assert levels[:, :, 2:-2].float().mean(dim=(1, 2)).tolist() == pytest.approx([255, 0, 0], abs=1)


def test_picture_is_decoded_once_per_size_and_the_unused_are_forgotten() -> None:
    pictures = OwnPictures()
    first = in_base64(encoded((20, 20)))
    kept = pictures.get(first, 30, 40, CPU)
    assert pictures.get(first, 30, 40, CPU) is kept
    assert pictures.get(first, 40, 30, CPU) is not kept
    for shade in range(MAX_KEPT):
        pictures.get(in_base64(encoded((20, 20), colour=(5 * shade, 0, 0))), 30, 40, CPU)
    assert pictures.get(first, 30, 40, CPU) is not kept
