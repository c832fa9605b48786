from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av
import pytest
from aiortc import RTCRtpCodecParameters

from signaling_service.media.bitrate import BitrateProfile
from signaling_service.streams import rendition as rendition_module
from signaling_service.streams.fan_out import EncodedPicture
from signaling_service.streams.rendition import Rendition
from tests.signaling_service.calling import until

CODEC = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=97)


class Encoder:
    """Encodes when it may; notes what it was given."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.given: list[tuple[int, bool]] = []
        self.target_bitrate = 0

    def encode(self, frame: Any, force_keyframe: bool) -> tuple[list[bytes], int]:
        self.given.append((frame.pts, force_keyframe))
        self.may_go_on.wait(10.0)
        return [str(frame.pts).encode()], frame.pts


class Viewer:
    def __init__(self) -> None:
        self.seen: list[EncodedPicture] = []
        self.forgets = 0

    def send(self, picture: EncodedPicture, bits_per_s: int) -> None:
        self.seen.append(picture)

    def forget(self) -> None:
        self.forgets += 1


class Showing:
    def __init__(self, rendition: Rendition, encoder: Encoder) -> None:
        self.rendition, self.encoder = rendition, encoder

    def join(self) -> Any:
        viewer: Any = Viewer()
        self.rendition.join(viewer)
        self.rendition.ask_for_key_frame()
        return viewer


@pytest.fixture
async def showing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Showing]:
    encoder = Encoder()
    monkeypatch.setattr(rendition_module, "get_encoder", lambda codec: encoder)
    with ThreadPoolExecutor(1) as executor:
        made = Rendition(CODEC, BitrateProfile(), executor)
        yield Showing(made, encoder)
        encoder.may_go_on.set()
        made.close()
        await asyncio.sleep(0)


def frame() -> av.VideoFrame:
    return av.VideoFrame(32, 16, "yuv420p")


async def test_nothing_is_encoded_while_nobody_watches(showing: Showing) -> None:
    showing.rendition.show(frame(), 1, 0)
    await asyncio.sleep(0.1)
    assert showing.encoder.given == []
    viewer = showing.join()
    await until(lambda: len(viewer.seen) >= 1)
    assert showing.encoder.given[0] == (1, True)


async def test_a_late_viewer_of_a_still_picture_gets_a_key_frame(showing: Showing) -> None:
    first = showing.join()
    showing.rendition.show(frame(), 1, 0)
    await until(lambda: len(first.seen) >= 1)
    late = showing.join()
    await until(lambda: len(late.seen) >= 1)
    assert late.seen[0].is_key
    assert late.seen[0].timestamp > 1


async def test_one_key_frame_serves_all_that_have_asked(showing: Showing) -> None:
    viewer = showing.join()
    showing.rendition.show(frame(), 1, 0)
    await until(lambda: len(viewer.seen) >= 1)
    for count in range(2, 12):
        showing.rendition.ask_for_key_frame()
        showing.rendition.show(frame(), count, 0)
        await until(lambda count=count: len(viewer.seen) >= count)  # type: ignore[misc]
    # All within a fraction of a second: the first one was a key frame, and at most two more are due.
    assert 1 <= sum(is_key for _, is_key in showing.encoder.given) <= 3


async def test_the_newest_picture_wins(showing: Showing) -> None:
    viewer = showing.join()
    showing.encoder.may_go_on.clear()
    showing.rendition.show(frame(), 1, 0)
    await until(lambda: len(showing.encoder.given) == 1)
    for pts in range(2, 9):
        showing.rendition.show(frame(), pts, 0)
    showing.encoder.may_go_on.set()
    await until(lambda: len(viewer.seen) >= 2)
    assert [pts for pts, _ in showing.encoder.given[:2]] == [1, 8]


async def test_what_is_being_encoded_at_a_cut_reaches_nobody(showing: Showing) -> None:
    viewer = showing.join()
    showing.encoder.may_go_on.clear()
    showing.rendition.show(frame(), 1, 0)
    await until(lambda: len(showing.encoder.given) == 1)
    showing.rendition.cut()
    showing.encoder.may_go_on.set()
    await asyncio.sleep(0.1)
    assert (viewer.seen, viewer.forgets) == ([], 1)
    showing.rendition.show(frame(), 2, 0)
    await until(lambda: len(viewer.seen) >= 1)
    assert viewer.seen[0].timestamp == 2
    await until(lambda: viewer.seen[-1].is_key)
