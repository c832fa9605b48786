from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiortc.mediastreams import AudioStreamTrack

from shared.wire import FrameHeader, ResultKind
from signaling_service import session as session_module
from tests.signaling_service.calling import Running, page, running, until
from tests.signaling_service.making import WireWorker, served


def level_of_generation(header: FrameHeader, planes: bytes) -> bytes:
    """A picture that says by which choice it was made: grey, lighter with each generation."""
    level = 40 + 40 * header.generation
    luma = header.width * header.height
    return bytes([level]) * luma + bytes([128]) * (luma // 2)


@dataclass
class Calling:
    service: Running
    worker: WireWorker


@pytest.fixture
async def calling(free_port: int) -> AsyncIterator[Calling]:
    async with running(free_port) as service:
        worker = WireWorker(f"tcp://127.0.0.1:{free_port}", level_of_generation)
        with worker:
            await service.has_worker()
            yield Calling(service, worker)


async def test_the_camera_comes_back_filtered(calling: Calling) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        assert set(caller.answer) >= {"sdp", "type", "session", "filter"}
        assert (caller.answer["type"], caller.answer["filter"]) == ("answer", "ink")
        await caller.shows(10)
        frame = caller.frames[-1]
        assert (frame.width, frame.height) == (640, 480)
        assert abs(frame.to_ndarray()[:480].mean() - 40) < 3
        stamps = [one.pts for one in caller.frames if one.pts is not None]
        assert stamps == sorted(set(stamps))
        seen = calling.worker.seen[-1]
        assert (seen.session.hex(), seen.filters) == (caller.answer["session"], ("ink",))


async def test_an_offer_without_candidates_connects_by_what_its_checks_reveal(calling: Calling) -> None:
    async with page() as caller:
        sdp = await caller.offer(candidates=False)
        assert "candidate" not in sdp
        answer = await calling.service.http.post("/offer", json={"type": "offer", "sdp": sdp})
        await caller.take(answer.json())
        await caller.shows(3)


async def test_filter_and_params_may_come_in_the_query(calling: Calling) -> None:
    async with page() as caller:
        answer = await calling.service.http.post(
            "/offer",
            params={"filter": "invert,ink", "params": '{"ink": {"strength": 0.5}}', "outage": "open"},
            json={"type": "offer", "sdp": await caller.offer()},
        )
        made = answer.json()
        assert (made["filter"], made["params"], made["outage"]) == (
            ["invert", "ink"],
            {"ink": {"strength": 0.5}},
            "open",
        )
        await caller.take(made)
        await caller.shows(1)
        assert calling.worker.seen[-1].filters == ("invert", "ink")
        assert calling.worker.seen[-1].params == {"ink": {"strength": 0.5}}


async def test_trickled_candidates_are_added(calling: Calling) -> None:
    async with page() as caller:
        sdp = await caller.offer(candidates=False)
        full = caller.connection.localDescription.sdp.split("\r\n")
        candidates = [line for line in full if line.startswith("a=candidate")]
        mid = next(line for line in full if line.startswith("a=mid:"))
        answer = (await calling.service.http.post("/offer", json={"type": "offer", "sdp": sdp})).json()
        path = f"/sessions/{answer['session']}"
        headers = {"content-type": "application/trickle-ice-sdpfrag"}
        body = "\r\n".join(
            ["a=ice-ufrag:x", "m=video 9 UDP/TLS/RTP/SAVPF 0", mid, *candidates, "a=end-of-candidates"]
        )
        response = await calling.service.http.patch(path, content=body, headers=headers)
        assert response.status_code == 204
        (session,) = calling.service.service.sessions._sessions.values()
        transport = session._pc.getTransceivers()[0].receiver.transport.transport
        assert len(transport.getRemoteCandidates()) == len(candidates) > 0
        for bad in (
            "",
            "a=mid:99\r\n" + candidates[0],
            f"{mid}\r\na=candidate:rubbish",
            candidates[0],
            "\x00",
        ):
            response = await calling.service.http.patch(path, content=bad, headers=headers)
            assert response.status_code == 422, bad
        await caller.take(answer)


async def test_ping_is_answered_and_stats_come_each_second(calling: Calling) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        other = caller.connection.createDataChannel("anything")
        heard: list[str] = []
        other.on("message", heard.append)
        await until(lambda: other.readyState == "open")
        other.send("ping 7")
        caller.say("ping 8")
        await until(lambda: heard == ["pong 7"] and "pong 8" in caller.messages)
        await caller.shows(10)
        stats = await caller.hears("stats")
        assert stats["session"] == caller.answer["session"]
        assert (stats["filters"], stats["state"], stats["outage"]) == (["ink"], "live", "closed")
        assert set(stats["latency_ms"]) == {"transport", "wait", "batch", "filter", "total"}
        assert stats["fps_out"] > 0


async def test_after_a_switch_is_answered_no_old_frame_follows(calling: Calling) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        await caller.shows(5)
        caller.say({"type": "filter", "name": "invert", "params": {"strength": 1}})
        answered = await caller.hears("filter")
        assert (answered["filter"], answered["generation"]) == (["invert"], 1)
        await caller.shows(2)  # What was on its way when the answer overtook it.
        had = len(caller.frames)
        await caller.shows(5)
        for frame in caller.frames[had:]:
            assert abs(frame.to_ndarray()[:480].mean() - 80) < 3


async def test_a_change_by_http_is_described_and_a_refused_one_changes_nothing(calling: Calling) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        path = f"/sessions/{caller.answer['session']}"
        response = await calling.service.http.patch(path, json={"params": {"strength": 0.25}})
        assert response.json() == {
            "session": caller.answer["session"],
            "filter": "ink",
            "params": {"strength": 0.25},
            "outage": "closed",
            "generation": 1,
        }
        for body, status in [({"params": {"strength": 9}}, 422), ({"filter": "nope"}, 404)]:
            response = await calling.service.http.patch(path, json=body)
            assert response.status_code == status
        response = await calling.service.http.patch(path, json={"outage": "open"})
        assert (response.json()["params"], response.json()["generation"]) == ({"strength": 0.25}, 1)
        assert response.json()["outage"] == "open"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "malformed"),
        ("hello", "malformed"),
        ({"type": "dance"}, "malformed"),
        ({"type": "filter"}, "malformed"),
        ({"type": "filter", "name": 5}, "malformed"),
        ({"type": "filter", "name": "nope"}, "unknown_filter"),
        ({"type": "filter", "name": "ink", "params": {"strength": "x"}}, "invalid_params"),
    ],
)
async def test_a_wrong_control_message_is_answered_with_an_error(
    calling: Calling, message: object, code: str
) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        caller.say(message)
        assert (await caller.hears("error"))["error"]["code"] == code
        await caller.shows(2)


async def test_what_a_worker_says_reaches_the_page_and_not_as_a_flood(calling: Calling) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        await caller.shows(2)
        calling.worker.answers_kind = ResultKind.ERROR
        error = await caller.hears("error")
        assert error["of"] == "worker"
        assert error["error"] == {"code": "filter_failed", "message": "why"}
        await caller.hears("stats")
        assert len([m for m in caller.messages if isinstance(m, dict) and m["type"] == "error"]) <= 3
        calling.worker.answers_kind = ResultKind.PROGRESS
        assert (await caller.hears("progress")) == {"type": "progress", "filter": "why", "fraction": 0.5}
        calling.worker.answers_kind = ResultKind.FRAME
        await caller.shows(2)


async def test_everything_is_freed_when_the_page_ends_the_session(calling: Calling) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        await caller.shows(2)
        path = f"/sessions/{caller.answer['session']}"
        assert (await calling.service.http.delete(path)).status_code == 200
        await calling.service.is_free()
        assert (await calling.service.http.delete(path)).status_code == 200  # Safe to say twice.
        assert (await calling.service.http.patch(path, json={})).status_code == 404


async def test_everything_is_freed_when_the_page_closes_its_connection(calling: Calling) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        await caller.shows(2)
    await calling.service.is_free()
    assert calling.service.metric("sessions_connected") == 0


async def test_a_peer_that_never_comes_is_let_go(calling: Calling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "CONNECT_LIMIT_S", 0.3)
    async with page() as caller:
        sdp = await caller.offer(candidates=False)
    response = await calling.service.http.post("/offer", json={"type": "offer", "sdp": sdp})
    assert response.status_code == 200
    assert calling.service.metric("sessions") == 1
    await calling.service.is_free()
    assert calling.service.metric("sessions_ended_total", reason="never_connected") == 1


async def test_audio_is_answered_inactive(calling: Calling) -> None:
    async with page() as caller:
        caller.connection.addTrack(AudioStreamTrack())
        sdp = await caller.offer()
        answer = (await calling.service.http.post("/offer", json={"type": "offer", "sdp": sdp})).json()
        sections = answer["sdp"].split("m=")[1:]
        directions = {section.split()[0]: section for section in sections}
        assert "a=inactive" in directions["audio"]
        assert "a=sendrecv" in directions["video"]
        await caller.take(answer)
        await caller.shows(2)


async def test_a_worker_that_joins_later_is_used(calling: Calling, free_port: int) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        await caller.shows(2)
        with WireWorker(f"tcp://127.0.0.1:{free_port}", worker="w2") as second:
            await until(lambda: bool(second.seen))
        had = len(caller.frames)
        await until(lambda: len(caller.frames) > had + 5)


async def test_the_service_ends_in_the_middle_of_a_call(free_port: int) -> None:
    async with page() as caller, running(free_port) as service:
        with WireWorker(f"tcp://127.0.0.1:{free_port}", filters=(served("ink"),)):
            await service.has_worker()
            await caller.call(service.http)
            await caller.shows(2)
            async with asyncio.timeout(2.5):
                await service.service.sessions.close_all()
            assert service.metric("sessions") == 0
            response = await service.http.post("/offer", json={"type": "offer", "sdp": "v=0"})
            assert (response.status_code, response.json()["error"]["code"]) == (503, "shutting_down")
