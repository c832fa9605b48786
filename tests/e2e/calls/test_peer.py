"""An aiortc client through both services and back."""

from __future__ import annotations

import pytest

from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_client_gets_its_own_picture_inverted_and_advancing(calm: Services) -> None:
    async with Peer(calm.http, Picture(320, 240, mark=77), fps=20) as peer:
        await peer.call(filter="invert")
        returned = await peer.frames(40)
        readings = [one.reading for one in returned if one.reading]
        assert {(reading.mark, reading.is_inverted) for reading in readings} == {(77, True)}
        counters = [reading.counter for reading in readings]
        assert counters == sorted(counters)
        assert len(set(counters)) > 30
        assert {(one.width, one.height) for one in returned} == {(320, 240)}


async def test_control_channel_answers_ping_and_pushes_statistics(calm: Services) -> None:
    async with Peer(calm.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter="passthrough")
        await peer.control_open()
        peer.send("ping 123")
        await eventually(lambda: "pong 123" in peer.messages, 5, "pong with what followed ping")
        stats = await eventually(
            lambda: [one for one in peer.messages if isinstance(one, dict) and one.get("frames_out", 0) > 0],
            5,
            "statistics of frames that went out",
        )
        assert stats[-1]["type"] == "stats"
        assert stats[-1]["filters"] == ["passthrough"]


async def test_session_ends_when_its_client_closes(calm: Services) -> None:
    async with Peer(calm.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter="passthrough")
        await peer.frames(5)
        with_this = await calm.sessions()
    await calm.has_sessions(with_this - 1, within_s=3)


async def test_chain_of_filters_is_applied_in_order(calm: Services) -> None:
    async with Peer(calm.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter=["invert", "passthrough", "invert"])
        readings = [one.reading for one in await peer.frames(10) if one.reading]
        assert not any(reading.is_inverted for reading in readings)
    async with Peer(calm.http, Picture(320, 240), fps=20) as peer:
        await peer.call(filter=["passthrough", "invert"])
        readings = [one.reading for one in await peer.frames(10) if one.reading]
        assert all(reading.is_inverted for reading in readings)
