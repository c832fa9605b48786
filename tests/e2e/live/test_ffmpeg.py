"""FFmpeg publishes by its own WHIP, a native client: PyAV has the library of the command `ffmpeg -f whip`."""

from __future__ import annotations

import asyncio
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from harness.certificate import write_certificate
from harness.deadline import eventually
from harness.services import Services
from tests.signaling_service.streams.live import watching

pytestmark = pytest.mark.asyncio(loop_scope="session")

FPS = 15
RATE = 48_000
LUMA = 200
INVERTED = 255 - LUMA


def publish(address: str, folder: Path, may_end: threading.Event) -> None:
    """Send a grey picture and silence, as fast as the clock goes, until told to end."""
    certificate, key = write_certificate(folder)
    # Of its own it makes one of a curve (P-224) that neither browsers nor OpenSSL take.
    options = {"cert_file": str(certificate), "key_file": str(key)}
    with av.open(address, "w", format="whip", options=options) as out:
        coding = {"profile": "baseline", "preset": "ultrafast", "tune": "zerolatency"}
        video = out.add_stream("libx264", rate=FPS, options=coding)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        audio = out.add_stream("libopus", rate=RATE, layout="stereo")
        began_s = time.monotonic()
        for count in range(60 * FPS):
            picture = av.VideoFrame.from_ndarray(grey(), format="yuv420p")
            picture.pts, picture.time_base = count, Fraction(1, FPS)
            out.mux(video.encode(picture))
            samples = np.zeros((1, 2 * RATE // FPS), np.int16)
            sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            sound.sample_rate, sound.pts, sound.time_base = RATE, count * RATE // FPS, Fraction(1, RATE)
            out.mux(audio.encode(sound))
            if may_end.wait(max(0.0, began_s + count / FPS - time.monotonic())):
                return


def grey() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    planes = np.full((360, 320), 128, np.uint8)
    planes[:240] = LUMA
    return planes


async def test_what_ffmpeg_publishes_is_filtered_seen_and_heard(services: Services, tmp_path: Path) -> None:
    await services.start_light("invert")
    may_end = threading.Event()
    address = f"{services.url}/whip?stream=show&filter=invert"
    publishing = asyncio.create_task(asyncio.to_thread(publish, address, tmp_path, may_end))
    try:
        await eventually(lambda: _is_live(services), 20, "FFmpeg is connected")
        async with watching(services.http) as viewer:
            await eventually(
                lambda: len(viewer.frames) >= 5 and len(viewer.sounds) >= 5, 20, "picture and sound"
            )
            level = float(viewer.frames[-1].to_ndarray()[:240].mean())
            assert abs(level - INVERTED) < 6
    finally:
        may_end.set()
        await publishing
    # FFmpeg ends its session by DELETE.
    await eventually(lambda: _is_over(services), 10, "its session is over")


async def _is_live(services: Services) -> bool:
    return await services.metric("p2pcamera_streams") == 1


async def _is_over(services: Services) -> bool:
    return await services.metric("p2pcamera_sessions") == 0
