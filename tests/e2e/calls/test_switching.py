"""Another filter in the middle of a call."""

from __future__ import annotations

import time
from typing import Any

import pytest

from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOW = {"busy_ms": 500}
"""A result of the old choice is under way when the change is answered, and no new one overtakes it."""


async def assert_only_new_from_now(peer: Peer, is_inverted: bool) -> None:
    answered_s = time.monotonic()
    await eventually(lambda: len(peer.readable(answered_s)) >= 5, 10, "frames after the change")
    later = [one.reading for one in peer.readable(answered_s) if one.reading]
    # The first came long before: aiortc's jitter buffer keeps each frame until the next one comes.
    assert {reading.is_inverted for reading in later[1:]} == {is_inverted}


async def test_no_frame_of_the_old_filter_follows_the_answer_on_the_data_channel(calm: Services) -> None:
    async with Peer(calm.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter="passthrough", params=SLOW)
        await peer.control_open()
        await peer.frames(2)
        peer.send({"type": "filter", "name": "invert", "params": SLOW})

        def answers() -> list[Any]:
            return [one for one in peer.messages if isinstance(one, dict) and one.get("type") == "filter"]

        (answer,) = await eventually(answers, 5, "the answer to the change")
        assert (answer["ok"], answer["filter"], answer["generation"]) == (True, ["invert"], 1)
        await assert_only_new_from_now(peer, is_inverted=True)


async def test_no_frame_of_the_old_filter_follows_the_answer_to_patch(calm: Services) -> None:
    async with Peer(calm.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter="invert", params=SLOW)
        await peer.frames(2)
        answer = await calm.http.patch(
            f"/sessions/{peer.session}", json={"filter": "passthrough", "params": SLOW}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["filter"] == "passthrough"
        await assert_only_new_from_now(peer, is_inverted=False)


async def test_refused_change_leaves_the_filter_as_it_was(calm: Services) -> None:
    async with Peer(calm.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter="invert")
        await peer.control_open()
        peer.send({"type": "filter", "name": "nobody-has-this"})

        def errors() -> list[Any]:
            return [one for one in peer.messages if isinstance(one, dict) and one.get("type") == "error"]

        (error,) = await eventually(errors, 5, "an error")
        assert "nobody-has-this" in error["error"]["message"]
        answer = await calm.http.patch(f"/sessions/{peer.session}", json={"params": {"busy_ms": -1}})
        assert answer.status_code == 422, answer.text
        assert all(one.reading.is_inverted for one in await peer.frames(10) if one.reading)
