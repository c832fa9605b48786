"""Small films of the kinds that telephones, cameras and editors make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

RATE = 25
COLOURS = {"R": (220, 30, 30), "G": (30, 200, 30), "B": (30, 30, 220), "W": (220, 220, 220)}

Picture = npt.NDArray[np.uint8]


def quarters(names: str = "RGBW", height: int = 96, width: int = 160) -> Picture:
    """Return an RGB picture, (height, width, 3), whose quarters have the colours `names`, row by row."""
    picture = np.empty((height, width, 3), np.uint8)
    for place, name in enumerate(names):
        row, column = divmod(place, 2)
        lines, columns = (
            slice(row * height // 2, (row + 1) * height // 2),
            slice(column * width // 2, (column + 1) * width // 2),
        )
        picture[lines, columns] = COLOURS[name]
    return picture


def seen_quarters(frame: av.VideoFrame) -> str:
    """Return the colours of a picture's quarters, row by row."""
    rgb = frame.to_ndarray(format="rgb24").astype(int)
    height, width = rgb.shape[:2]
    spots = [rgb[y * height // 4, x * width // 4] for y in (1, 3) for x in (1, 3)]
    return "".join(min(COLOURS, key=lambda name: np.abs(spot - COLOURS[name]).sum()) for spot in spots)


def greys(count: int, height: int = 48, width: int = 64) -> list[Picture]:
    """Return pictures of one grey each, a little brighter from one to the next."""
    return [np.full((height, width, 3), 40 + 180 * number // count, np.uint8) for number in range(count)]


def moving(count: int) -> list[Picture]:
    """Return noise that moves to the left: an encoder reorders such pictures."""
    noise = np.random.default_rng(0).integers(0, 255, (48, 64 + 2 * count, 3), np.uint8)
    return [np.ascontiguousarray(noise[:, 2 * number : 2 * number + 64]) for number in range(count)]


def film(
    path: Path,
    pictures: Sequence[Picture],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    container: str | None = None,
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    rotation: tuple[float, bool] | None = None,
    tags: Mapping[str, int] | None = None,
    shape: Fraction | None = None,
    sounds: Sequence[str] = (),
    interlaced: bool = False,
) -> Path:
    """Write a film of `RATE` pictures a second, `times` in units of that; `sounds` are codecs."""
    with av.open(str(path), "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=RATE, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if rotation:
            stream.set_display_rotation(rotation[0], hflip=rotation[1])
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if shape:
            stream.codec_context.sample_aspect_ratio = shape
        heard: list[Any] = [file.add_stream(name, rate=48_000, layout="mono") for name in sounds]
        for number, rgb in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
            for name, value in (tags or {}).items():
                setattr(frame, name, value)
            frame.pts, frame.time_base = times[number] if times else number, Fraction(1, RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        for sound in heard:
            for start in range(0, 48_000 * len(pictures) // RATE, 1024):
                tone = np.sin(np.arange(start, start + 1024) / 20).astype(np.float32)[None]
                if sound.codec_context.format.name == "s16":
                    block = av.AudioFrame.from_ndarray((tone * 20_000).astype(np.int16), "s16", "mono")
                else:
                    block = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
                block.sample_rate, block.pts = 48_000, start
                file.mux(sound.encode(block))
            file.mux(sound.encode(None))
    return path


def shown(path: Path) -> list[av.VideoFrame]:
    """Return the pictures of a film."""
    with av.open(str(path)) as file:
        return list(file.decode(video=0))


def kinds(path: Path) -> list[tuple[str, str]]:
    """Return kind and codec of each stream of a film."""
    with av.open(str(path)) as file:
        return [
            (one.type, one.codec_context.codec.canonical_name) for one in file.streams if one.codec_context
        ]
