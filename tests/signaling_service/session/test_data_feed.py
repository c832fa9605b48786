from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from shared.wire.data import Box, Data, pack_data
from signaling_service.metrics import Metrics
from signaling_service.session.data_feed import MAX_BUFFERED_BYTES, DataFeed
from tests.signaling_service.making import result


class Channel:
    """What the feed uses of a data channel; a slow one keeps what it is given."""

    def __init__(self, label: str = "data") -> None:
        self.label = label
        self.readyState = "open"
        self.transport = SimpleNamespace(transport=SimpleNamespace(state="connected"))
        self.bufferedAmount = 0
        self.bufferedAmountLowThreshold = 0
        self.sent: list[Any] = []
        self._on: dict[str, Callable[[], None]] = {}

    def on(self, event: str, call: Callable[[], None]) -> None:
        self._on[event] = call

    def send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    def drain(self) -> None:
        self.bufferedAmount = 0
        self._on["bufferedamountlow"]()


@pytest.fixture
def feed() -> DataFeed:
    return DataFeed(Metrics())


def told(number: float) -> Any:
    data = Data(boxes=[Box(0.25, 0.5, 0.125, 0.25, "person", 0.5)], numbers={"n": number})
    return result(data=pack_data({"detection": data}))


def attached(feed: DataFeed, label: str = "data") -> Channel:
    channel = Channel(label)
    feed.attach(channel)  # type: ignore[arg-type]
    return channel


def test_a_message_names_its_picture(feed: DataFeed) -> None:
    channel = attached(feed)
    feed.tell(told(3), 2**32 + 7)
    (message,) = channel.sent
    assert message["rtp_timestamp"] == 7
    assert message["filters"]["detection"] == {
        "boxes": [{"x": 0.25, "y": 0.5, "width": 0.125, "height": 0.25, "label": "person", "score": 0.5}],
        "points": [],
        "labels": [],
        "numbers": {"n": 3},
    }


def test_nobody_who_has_not_asked_is_told(feed: DataFeed) -> None:
    other = attached(feed, "control")
    wanted = [feed.is_wanted]
    feed.tell(told(1), 1)
    assert other.sent == []
    channel = attached(feed)
    wanted.append(feed.is_wanted)
    channel.readyState = "closed"
    wanted.append(feed.is_wanted)
    assert wanted == [False, True, False]
    feed.tell(told(1), 1)
    assert channel.sent == []


def test_a_slow_channel_gets_the_newest_alone(feed: DataFeed) -> None:
    channel = attached(feed)
    channel.bufferedAmount = MAX_BUFFERED_BYTES + 1
    for number in range(5):
        feed.tell(told(number), number)
    assert channel.sent == []
    channel.drain()
    assert [message["rtp_timestamp"] for message in channel.sent] == [4]
    channel.drain()
    assert len(channel.sent) == 1


def test_a_picture_of_unknown_timestamp_and_one_without_data_say_nothing(feed: DataFeed) -> None:
    channel = attached(feed)
    feed.tell(told(1), None)
    feed.tell(result(), 1)
    feed.tell(result(data=b"\xc1"), 1)
    assert channel.sent == []
