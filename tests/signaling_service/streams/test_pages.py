"""Pages that publish, publish no longer, and are taken over, in the middle of a call."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from aiortc import AudioStreamTrack

from signaling_service.access.caller import Caller
from signaling_service.errors import StreamElsewhere
from signaling_service.streams.streams import Streams, name_for, place_of
from tests.signaling_service.access.minting import SECRET, minted
from tests.signaling_service.calling import Page, page, running, until
from tests.signaling_service.making import WireWorker
from tests.signaling_service.session.test_session import level_of_generation
from tests.signaling_service.streams.live import Peer, watching
from tests.signaling_service.streams.test_live import Live, live

__all__ = ["live"]


async def changed(live: Live, caller: Page, **wanted: Any) -> dict[str, Any]:
    answer = await live.service.http.patch(f"/sessions/{caller.answer['session']}", json=wanted)
    return dict(answer.json()) | {"status": answer.status_code}


async def grows(viewer: Peer, by: int = 3) -> None:
    had = len(viewer.frames)
    await until(lambda: len(viewer.frames) >= had + by)


async def test_a_call_begins_to_publish_and_ends_it_without_another_offer(live: Live) -> None:
    http = live.service.http
    async with page() as caller:
        await caller.call(http)
        assert "publish" not in caller.answer
        name = (await changed(live, caller, publish=True))["publish"]
        assert len(name) >= 16
        # Asked once more, it keeps the name that was made.
        assert (await changed(live, caller, publish=True))["publish"] == name
        async with watching(http, f"/whep/{name}", kinds="video") as viewer:
            await grows(viewer)
            caller.say({"type": "filter", "publish": "show"})
            assert (await caller.hears("filter"))["publish"] == "show"
            async with watching(http, kinds="video") as other:
                await grows(other)
                caller.say({"type": "filter", "publish": False})
                assert "publish" not in await caller.hears("filter")
                await caller.shows(3)
        assert "viewers" not in await caller.hears("stats")


async def test_a_page_that_is_taken_over_keeps_its_picture_and_does_not_fight(live: Live) -> None:
    http = live.service.http
    one_of_them = {"publish": "show", "publisher": "one"}
    async with page() as first, page() as second, page() as late:
        await first.call(http, **one_of_them)
        wanted = {"type": "offer", "sdp": await late.offer(), **one_of_them, "takes_over": False}
        answered = (await http.post("/offer", json=wanted)).json()
        async with watching(http, kinds="video") as viewer:
            await grows(viewer)
            await second.call(http, publish="show", publisher="two")
            error = await first.has_heard("error")
            assert (error["of"], error["error"]["code"]) == ("publication", "taken_over")
            await first.shows(3)
            assert "publish" not in await first.hears("stats")
            await grows(viewer)
            assert viewer.connection.connectionState == "connected"
            # It connects when the name is another one's.
            await late.take(answered)
            error = await late.has_heard("error")
            assert (error["of"], error["error"]["code"]) == ("publication", "taken_over")
            assert (await second.hears("stats"))["publish"] == "show"
        # As a page does that comes back from an outage, and cannot know.
        async with page() as back:
            wanted = {"type": "offer", "sdp": await back.offer(), **one_of_them}
            refused = await http.post("/offer", json={**wanted, "takes_over": False})
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "taken_over")
        async with page() as own:
            await own.call(http, publish="show", publisher="two", takes_over=False)
            await second.has_heard("error")
        assert (await changed(live, second, publish=True))["status"] == 200


async def test_sound_is_taken_of_a_page_that_publishes_alone(live: Live) -> None:
    http = live.service.http
    async with page() as caller:
        assert await voice_of(caller, http) == "inactive"
    async with page() as caller:
        assert await voice_of(caller, http, publish="show") == "sendonly"
        async with watching(http) as viewer:
            await hears(viewer)
            # What is taken up again has its sound, too.
            await changed(live, caller, publish=False)
            await changed(live, caller, publish="show")
            await hears(viewer)
    await live.service.is_free()


async def voice_of(caller: Page, http: httpx.AsyncClient, **body: Any) -> str:
    caller.connection.addTransceiver(AudioStreamTrack(), direction="sendonly")
    await caller.call(http, **body)
    voice = next(one for one in caller.connection.getTransceivers() if one.kind == "audio")
    return str(voice.currentDirection)


async def hears(viewer: Peer) -> None:
    had = len(viewer.sounds)
    await until(lambda: len(viewer.sounds) >= had + 3)


async def test_a_change_that_cannot_be_changes_nothing(live: Live) -> None:
    async with page() as caller:
        await caller.call(live.service.http)
        wrong: list[tuple[dict[str, Any], int, str]] = [
            ({"publish": "a b"}, 400, "malformed"),
            ({"publish": 5}, 400, "malformed"),
            ({"publish": "show", "publisher": "x" * 65}, 400, "malformed"),
            ({"publish": "show", "filter": "unheard-of"}, 404, "unknown_filter"),
        ]
        for wanted, status, code in wrong:
            answer = await changed(live, caller, **wanted)
            assert (answer["status"], answer["error"]["code"]) == (status, code)
        assert live.service.metric("streams") == 0


async def test_a_change_needs_the_right_that_an_offer_does(results: str) -> None:
    async with running(results, token_key=SECRET) as service:
        with WireWorker(results, level_of_generation):
            await service.has_worker()
            # As a page that has got a better token since.
            tokens = {right: minted(sub="anna", publish=names) for right, names in RIGHTS.items()}
            service.http.headers["Authorization"] = f"Bearer {tokens['none']}"
            async with page() as caller:
                await caller.call(service.http)
                address = f"/sessions/{caller.answer['session']}"
                refused = await service.http.patch(address, json={"publish": "show"})
                assert (refused.status_code, refused.json()["error"]["code"]) == (403, "stream_forbidden")
                caller.say({"type": "filter", "publish": "show"})
                assert (await caller.hears("error"))["error"]["code"] == "stream_forbidden"
                better = {"Authorization": f"Bearer {tokens['show']}"}
                granted = await service.http.patch(address, json={"publish": "show"}, headers=better)
                assert granted.json()["publish"] == "show"


RIGHTS: dict[str, list[str]] = {"none": [], "show": ["show"]}


def test_a_name_belongs_to_one_process_and_a_made_one_to_that_which_asks() -> None:
    places = {place_of(f"name-{index}", 4) for index in range(64)}
    assert places == {0, 1, 2, 3}
    for place in range(4):
        here = Streams(None, None, None, None, 1, place, 4)  # type: ignore[arg-type]
        assert place_of(name_for(True, Caller("127.0.0.1"), here.is_here), 4) == place
        away = next(name for index in range(64) if not here.is_here(name := f"name-{index}"))
        with pytest.raises(StreamElsewhere):
            here.check_publish(away, "")
