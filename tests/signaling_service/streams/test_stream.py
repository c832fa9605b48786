"""Who holds a stream, and for how long; without pictures."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

import pytest

from signaling_service.media.bitrate import BitrateProfile
from signaling_service.rtc.card import Card
from signaling_service.streams import stream as stream_module
from signaling_service.streams.publication import Publication
from signaling_service.streams.stream import Stream
from tests.signaling_service.calling import until


async def test_one_that_is_about_to_publish_finds_its_stream_after_a_long_absence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CARD_AFTER_S", "CARD_EVERY_S", "AWAY_LIMIT_S"):
        monkeypatch.setattr(stream_module, name, 0.01)
    ended: list[Stream] = []
    stream = Stream("show", "", BitrateProfile(), Executor(), Card(), ended.append)
    first, second = Publication(), Publication()
    first.prepare(stream, "")
    first.begin(is_private=False)
    second.prepare(stream, "")
    first.end()
    await asyncio.sleep(0.1)
    assert ended == []
    second.begin(is_private=False)
    assert (second.name, stream.publisher) == ("show", "")
    second.end()
    await until(lambda: ended == [stream])
