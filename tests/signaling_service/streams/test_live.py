"""A picture that is published and watched, through a whole service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.signaling_service.calling import Running, page, running, until
from tests.signaling_service.making import WireWorker, served
from tests.signaling_service.session.test_session import level_of_generation
from tests.signaling_service.streams.live import SDP, Peer, publishing, watching


@dataclass
class Live:
    service: Running
    worker: WireWorker


@pytest.fixture
async def live(results: str) -> AsyncIterator[Live]:
    async with running(results) as service:
        filters = (served("ink"), served("hide", is_private=True))
        with WireWorker(results, level_of_generation, filters=filters) as worker:
            await service.has_worker()
            yield Live(service, worker)


def level(peer: Peer) -> float:
    frame = peer.frames[-1]
    return float(frame.to_ndarray()[: frame.height].mean())


async def test_a_viewer_sees_the_filtered_picture_and_hears_the_sound(live: Live) -> None:
    http = live.service.http
    async with publishing(http) as publisher, watching(http) as viewer:
        await until(lambda: len(viewer.frames) >= 5 and len(viewer.sounds) >= 5)
        assert (viewer.frames[-1].width, viewer.frames[-1].height) == (640, 480)
        assert abs(level(viewer) - 40) < 3
        assert live.service.metric("streams") == live.service.metric("viewers") == 1
        assert (await http.delete(viewer.location)).status_code == 200
        await until(lambda: live.service.metric("viewers") == 0)
        assert (await http.delete(publisher.location)).status_code == 200
        await live.service.is_free()


async def test_viewers_of_one_codec_share_one_encoder(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(codec: object) -> object:
        made.append(codec)
        return original(codec)

    from signaling_service.streams import rendition

    original = rendition.get_encoder
    monkeypatch.setattr(rendition, "get_encoder", counted)
    http = live.service.http
    async with publishing(http), watching(http) as one, watching(http, kinds="video") as other:
        await until(lambda: len(one.frames) >= 3 and len(other.frames) >= 3)
        assert len(made) == 1
    await until(lambda: live.service.metric("viewers") == 0)


async def test_a_page_publishes_what_it_is_sent_itself(live: Live) -> None:
    http = live.service.http
    async with page() as caller:
        await caller.call(http, publish=True)
        name = caller.answer["publish"]
        async with watching(http, f"/whep/{name}", kinds="video") as viewer:
            await until(lambda: len(viewer.frames) >= 3)
            await caller.shows(3)
            assert abs(level(viewer) - 40) < 3
            await until(lambda: any(one.get("viewers") == 1 for one in caller.messages if isinstance(one, dict)))
            answer = await http.patch(f"/sessions/{caller.answer['session']}", json={"params": {"strength": 1}})
            assert answer.status_code == 200
            await until(lambda: abs(level(viewer) - 80) < 3)


async def test_a_new_publisher_takes_over_and_viewers_stay(live: Live) -> None:
    http = live.service.http
    async with publishing(http), watching(http, kinds="video") as viewer:
        await until(lambda: len(viewer.frames) >= 3)
        async with publishing(http):
            await until(lambda: live.service.metric("sessions") == 1)
            had = len(viewer.frames)
            await until(lambda: len(viewer.frames) >= had + 5)
            assert abs(level(viewer) - 40) < 3
            assert viewer.connection.connectionState == "connected"


async def test_viewers_see_the_card_while_the_publisher_is_away(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signaling_service.streams.stream.CARD_AFTER_S", 0.1)
    monkeypatch.setattr("signaling_service.streams.stream.AWAY_LIMIT_S", 1.5)
    http = live.service.http
    async with watching_of_published(live) as (publisher, viewer):
        await http.delete(publisher.location)
        await until(lambda: abs(level(viewer) - 40) > 5)
        await until(lambda: live.service.metric("streams") == 0)
        await until(lambda: live.service.metric("viewers") == 0)


def watching_of_published(live: Live):  # type: ignore[no-untyped-def]
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def both() -> AsyncIterator[tuple[Peer, Peer]]:
        async with publishing(live.service.http) as publisher:
            async with watching(live.service.http, kinds="video") as viewer:
                await until(lambda: len(viewer.frames) >= 3)
                yield publisher, viewer

    return both()


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/whep/nobody", 404, "unknown_stream"),
        ("/whip?stream=a%20b", 400, "malformed"),
        ("/whip?stream=show&filter=unheard-of", 404, "unknown_filter"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_stays(
    live: Live, address: str, status: int, code: str
) -> None:
    peer = Peer()
    direction = "sendonly" if "whip" in address else "recvonly"
    peer.connection.addTransceiver("video", direction=direction)
    answer = await live.service.http.post(address, content=await peer.offer(), headers=SDP)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert live.service.metric("streams") == live.service.metric("viewers") == 0
    await peer.close()
