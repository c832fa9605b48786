from __future__ import annotations

import asyncio
import gc
import logging
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack
from aiortc.rtcdtlstransport import State
from aiortc.rtcsctptransport import WEBRTC_DCEP, WEBRTC_STRING

from shared.log_ids import Ids
from shared.wire import DATA_VERSION, FilterState, FrameHeader, ResultKind
from shared.wire.data import Data, Label, pack_data
from signaling_service.config import Settings
from signaling_service.media.encoders.h264 import H264Encoder
from signaling_service.rtc import silence
from signaling_service.rtc.aiortc_patches import ice_connections
from signaling_service.service import Service
from signaling_service.session import control
from signaling_service.session import session as session_module
from signaling_service.session.control import MAX_MESSAGE_CHARS
from tests.signaling_service.calling import Camera, Running, page, running, until
from tests.signaling_service.making import WireWorker, served
from tests.signaling_service.streams.live import FRAGMENT

LIMIT_S = 20.0


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
async def calling(results: str) -> AsyncIterator[Calling]:
    async with running(results) as service:
        worker = WireWorker(results, level_of_generation, versions={DATA_VERSION: "1"})
        with worker:
            await service.has_worker()
            yield Calling(service, worker)


async def test_every_line_about_a_session_names_it(
    calling: Calling, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.handler.addFilter(Ids())
    caplog.set_level(logging.INFO)
    encode = H264Encoder.encode

    def noisy(self: Any, *given: Any) -> Any:
        logging.getLogger("signaling_service.test").info("in a thread of the encoders")
        return encode(self, *given)

    monkeypatch.setattr(H264Encoder, "encode", noisy)
    async with page() as caller:
        await caller.call(calling.service.http)
        await caller.shows(1)
        session = caller.answer["session"]
        answer = await calling.service.http.patch(f"/sessions/{session}", json={"filter": "none-such"})
        assert answer.status_code == 404
        await calling.service.http.delete(f"/sessions/{session}")
        await calling.service.is_free()
    lines = [one for one in caplog.records if one.name.startswith("signaling_service.")]
    said = [(one.getMessage(), one.__dict__["session"]) for one in lines]
    for words in ("is opened", "is connected", "a change is refused", "the session ended"):
        assert {id_ for line, id_ in said if words in line} == {session}
    # The page's encoder is in this process too.
    assert session in {id_ for line, id_ in said if "in a thread" in line}


async def test_the_camera_comes_back_filtered(calling: Calling) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        assert set(caller.answer) >= {"sdp", "type", "session", "filter"}
        assert (caller.answer["type"], caller.answer["filter"]) == ("answer", "ink")
        await caller.shows(10)
        frame = caller.frames[-1]
        assert (frame.width, frame.height) == (Camera.width, Camera.height)
        assert abs(frame.to_ndarray()[: frame.height].mean() - 40) < 3
        stamps = [one.pts for one in caller.frames if one.pts is not None]
        assert stamps == sorted(set(stamps))
        seen = calling.worker.seen[-1]
        assert (seen.session.hex(), seen.filters) == (caller.answer["session"], ("ink",))


FAILED = {
    "state": FilterState.FAILED,
    "reason": "cannot use the package torchvision",
    "reason_code": "bad_package",
    "reason_cause": "misfit",
    "reason_detail": "torchvision",
    "remedy": "make models",
}
TROUBLE = {
    "filter": "face",
    "code": "bad_package",
    "text": "cannot use the package torchvision",
    "cause": "misfit",
    "detail": "torchvision",
    "remedy": "make models",
}


async def test_a_filter_that_cannot_run_is_refused_with_the_reason_and_the_old_one_stays(
    calling: Calling,
) -> None:
    calling.worker.says(filters=(served("ink"), served("face", is_private=True, **FAILED)))
    async with page() as caller:
        await caller.call(calling.service.http)
        await caller.shows(3)
        session = f"/sessions/{caller.answer['session']}"
        await until(lambda: calling.service.service.workers.in_the_way(["face"]) is not None)
        answer = await calling.service.http.patch(session, json={"filter": "face"})
        assert answer.status_code == 503
        error = answer.json()["error"]
        assert (error["code"], error["trouble"]) == ("cannot_run", TROUBLE)
        assert "Retry-After" not in answer.headers
        (face,) = [
            one
            for one in (await calling.service.http.get("/filters")).json()["filters"]
            if one["name"] == "face"
        ]
        said = {name: face[name] for name in ("reason", "reason_code", "remedy", "size_bytes", "has_weights")}
        assert said == {
            "reason": "cannot use the package torchvision",
            "reason_code": "bad_package",
            "remedy": "make models",
            "size_bytes": 0,
            "has_weights": True,
        }
        assert (await calling.service.http.patch(session, json={})).json()["filter"] == "ink"


async def test_the_first_picture_of_another_choice_is_told_at_once(
    calling: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        await caller.hears("stats")
        # What comes from here on comes for the picture's sake: but for one, which was due.
        monkeypatch.setattr(control, "STATS_EVERY_S", 3600.0)
        await caller.hears("stats")
        caller.say({"type": "filter", "name": "invert"})
        stats = await caller.hears("stats")
        assert (stats["generation"], stats["filters"], stats["state"]) == (1, ["invert"], "live")


async def test_a_filter_that_fails_in_mid_call_is_told_with_its_reason_and_in_the_statistics(
    calling: Calling,
) -> None:
    calling.worker.says(filters=(served("ink"), served("face", state=FilterState.LOADABLE)))
    async with page() as caller:
        await caller.call(calling.service.http)
        await caller.shows(3)
        await until(lambda: bool(calling.service.service.workers.live(["face"])))
        session = f"/sessions/{caller.answer['session']}"
        assert (await calling.service.http.patch(session, json={"filter": "face"})).status_code == 200
        calling.worker.says(filters=(served("ink"), served("face", **FAILED)))
        error = await caller.hears("error")
        assert (error["of"], error["error"]["code"]) == ("worker", "filter_failed")
        assert error["error"]["trouble"] == TROUBLE
        assert (await caller.hears("stats"))["trouble"] == TROUBLE


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
        assert set(stats["latency_ms"]) == {
            *("decode", "transport", "wait", "batch", "filter", "total", "encode")
        }
        assert stats["fps_out"] > 0


async def test_stats_say_in_a_word_what_filters_say_of_the_picture(calling: Calling) -> None:
    face = Data(labels=[Label("no_face"), Label("all_covered")])
    calling.worker.data = pack_data({"face": face, "other": Data(numbers={"n": 1})})
    async with page() as caller:
        await caller.call(calling.service.http)
        async with asyncio.timeout(LIMIT_S):
            while "remarks" not in (stats := await caller.hears("stats")):
                pass
        assert stats["remarks"] == {"face": ["no_face", "all_covered"]}
        asked = [frame.wants_data for frame in calling.worker.seen]
        assert any(asked)
        assert not all(asked)
        calling.worker.data = b"no map"
        async with asyncio.timeout(LIMIT_S):
            while "remarks" in await caller.hears("stats"):
                pass
        await caller.shows(3)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (WEBRTC_STRING, b"\xff\xfe\xfd"),
        (WEBRTC_STRING, b"ping" + b"x" * 1_000_000),
        (WEBRTC_DCEP, b"\x03" + b"\xff" * 30),
        (WEBRTC_DCEP, b"\x02"),
        (99, b"of no kind"),
    ],
    ids=["no UTF-8", "a ping of 1 MB", "an open for a channel that is open", "an acknowledgement", "no kind"],
)
async def test_no_message_ends_the_call_that_sends_it(calling: Calling, kind: int, text: bytes) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        sctp = caller.connection.sctp
        assert sctp is not None
        other = caller.connection.createDataChannel("other")
        await until(lambda: other.readyState == "open")
        sctp._data_channel_queue.append((other, kind, text))
        await sctp._data_channel_flush()
        caller.say("ping after")
        await until(lambda: "pong after" in caller.messages)
        await caller.shows(3)


async def test_a_ping_that_is_too_long_is_an_error_and_not_sent_back(calling: Calling) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        other = caller.connection.createDataChannel("other")
        heard: list[str] = []
        other.on("message", heard.append)
        await until(lambda: other.readyState == "open")
        other.send("ping" + "x" * MAX_MESSAGE_CHARS)
        assert (await caller.has_heard("error"))["error"]["code"] == "malformed"
        other.send("ping after")
        await until(lambda: bool(heard))
        assert heard == ["pong after"]


async def test_an_answer_that_quotes_a_long_name_is_short_enough_to_be_said(calling: Calling) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        # As JSON it would have twelve times as many characters.
        caller.say('{"type": "filter", "params": {"%s": 1e999}}' % ("\U0001f600" * 16_000))
        error = (await caller.has_heard("error"))["error"]
        assert error["code"] == "invalid_params"
        assert error["field"].startswith("\U0001f600")
        await caller.shows(3)


async def test_a_report_that_cannot_be_read_ends_no_call(
    calling: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        (session,) = calling.service.service.sessions._sessions.values()
        (video,) = (one for one in session._pc.getTransceivers() if one.kind == "video")
        met: list[Any] = []

        async def broken(packet: Any) -> None:
            met.append(packet)
            raise ZeroDivisionError

        monkeypatch.setattr(video.sender, "_handle_rtcp_packet", broken)
        await until(lambda: bool(met))
        await caller.shows(10)


async def test_nothing_is_said_on_a_channel_whose_connection_is_gone(calling: Calling) -> None:
    failed: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    async with page() as caller:
        await caller.call(calling.service.http)
        (session,) = calling.service.service.sessions._sessions.values()
        assert session._pc.sctp is not None
        # What a loss does first, some steps before the channel says so.
        session._pc.sctp.transport._set_state(State.CLOSED)
        channel = session._control._channel
        assert channel is not None
        assert channel.readyState == "open"
        session._control.tell_error("failed", "nobody hears this")
        await asyncio.sleep(0)
        gc.collect()
        assert failed == []


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
            assert abs(frame.to_ndarray()[: frame.height].mean() - 80) < 3


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
            "private": False,
            "first_rtp_timestamp": None,
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
        error = (await caller.hears("error"))["error"]
        assert error["code"] == code
        assert error.get("field") == ("strength" if code == "invalid_params" else None)
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
        assert (await caller.hears("progress")) == {
            "type": "progress",
            "filter": "ink",
            "text": "why",
            "fraction": 0.5,
        }
        calling.worker.answers_kind = ResultKind.FRAME
        await caller.shows(2)


@pytest.fixture
async def private(results: str) -> AsyncIterator[Calling]:
    """A worker that serves `ink`, and `mask`, which hides what the camera sees."""
    async with running(results) as service:
        both = (served("ink"), served("mask", is_private=True))
        with WireWorker(results, level_of_generation, filters=both) as worker:
            await service.has_worker()
            yield Calling(service, worker)


async def test_a_private_filter_closes_a_session_that_wished_to_be_open(private: Calling) -> None:
    async with page() as caller:
        await caller.call(private.service.http, filter=["ink", "mask"], outage="open")
        assert (caller.answer["private"], caller.answer["outage"]) == (True, "closed")
        path = f"/sessions/{caller.answer['session']}"

        async def outage_after(**change: Any) -> tuple[bool, str]:
            said = (await private.service.http.patch(path, json=change)).json()
            return said["private"], said["outage"]

        assert await outage_after(outage="open") == (True, "closed")
        assert await outage_after(filter="ink") == (False, "open")
        assert await outage_after(outage="closed") == (False, "closed")
        assert await outage_after(filter="mask", outage="open") == (True, "closed")
        stats = await caller.hears("stats")
        assert (stats["private"], stats["outage"]) == (True, "closed")
        caller.say({"type": "filter", "name": "ink"})
        said = await caller.hears("filter")
        assert (said["private"], said["outage"], said["first_rtp_timestamp"]) == (False, "open", None)


async def test_the_answer_to_a_private_choice_names_its_first_frame(private: Calling) -> None:
    async with page() as caller:
        await caller.call(private.service.http)
        await caller.shows(5)
        caller.say({"type": "filter", "name": "mask"})
        said = await caller.hears("filter")
        (session,) = private.service.service.sessions._sessions.values()
        sender: Any = session._pc.getSenders()[0]
        behind = (sender._RTCRtpSender__rtp_timestamp - said["first_rtp_timestamp"]) % 2**32
        assert behind < 90_000  # Sent within the last second.
        history = sender._RTCRtpSender__rtp_history.values()
        # Nothing of the old choice can be sent again.
        oldest = min((one.timestamp - said["first_rtp_timestamp"]) % 2**32 for one in history)
        assert (oldest, max((one.timestamp - said["first_rtp_timestamp"]) % 2**32 for one in history)) < (
            1,
            2**31,
        )


def _choice(said: dict[str, Any]) -> tuple[Any, ...]:
    return said["filter"], said["params"], said["generation"]


async def test_parameters_that_a_worker_refuses_give_way_to_the_last_that_it_took(private: Calling) -> None:
    private.worker.refuses = lambda header: "strength" if header.params == {"strength": 0.9} else ""
    async with page() as caller:
        await caller.call(private.service.http, params={"strength": 0.5})
        await caller.shows(3)
        path = f"/sessions/{caller.answer['session']}"
        hearing = asyncio.create_task(caller.hears("error"))
        await asyncio.sleep(0)
        await private.service.http.patch(path, json={"params": {"strength": 0.9}})
        error = await hearing
        assert (error["of"], error["error"]["code"], error["error"]["field"]) == (
            *("worker", "bad_params", "strength"),
        )
        assert _choice(error) == (["ink"], {"strength": 0.5}, 2)
        await caller.shows(5)
        assert private.worker.seen[-1].params == {"strength": 0.5}
        again = asyncio.create_task(caller.hears("error"))
        await asyncio.sleep(0)
        caller.say({"type": "filter", "params": {"strength": 0.9}})
        assert _choice(await again)[2] == 4  # Each time, and at once.


async def test_what_a_private_filter_refuses_does_not_lead_back_to_the_open_picture(private: Calling) -> None:
    private.worker.refuses = lambda header: "strength" if header.params else ""
    async with page() as caller:
        await caller.call(private.service.http)
        await caller.shows(3)
        hearing = asyncio.create_task(caller.hears("error"))
        await asyncio.sleep(0)
        caller.say({"type": "filter", "name": "mask", "params": {"strength": 1}})
        error = await hearing
        assert (error["filter"], error["params"], error["private"]) == (["mask"], {}, True)
        await caller.shows(3)


async def test_an_offer_with_parameters_that_the_worker_refuses_goes_on_with_the_defaults(
    private: Calling,
) -> None:
    private.worker.refuses = lambda header: "strength" if header.params else ""
    async with page() as caller:
        await caller.call(private.service.http, params={"strength": 1})
        await caller.shows(3)
        assert private.worker.seen[-1].params == {}


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


async def test_a_session_that_is_ending_opens_nothing_more(
    calling: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = calling.service.http
    async with page() as caller:
        sdp = await caller.offer(candidates=False)
    response = await http.post("/offer", json={"type": "offer", "sdp": sdp})
    path = f"/sessions/{response.json()['session']}"
    (session,) = calling.service.service.sessions._sessions.values()
    may_close, close = asyncio.Event(), session._pc.close

    async def close_later() -> None:
        await may_close.wait()
        await close()

    monkeypatch.setattr(session._pc, "close", close_later)
    ending = asyncio.create_task(http.delete(path))
    await until(lambda: session._lane.workers == [])
    trickled = {"content": "a=mid:0\r\na=end-of-candidates\r\n", "headers": FRAGMENT}
    for call in ({"json": {"filter": "ink"}}, trickled):
        assert (await http.patch(path, **call)).status_code == 404
    monkeypatch.setattr(RTCPeerConnection, "connectionState", "connected")
    session._on_connection_state()
    assert session._lane.workers == []
    assert session.connected_s is None
    monkeypatch.undo()
    may_close.set()
    assert (await ending).status_code == 200


async def test_a_page_that_is_killed_is_let_go_after_the_limit_of_silence(
    calling: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "SILENCE_LIMIT_S", 1.0)
    monkeypatch.setattr(silence, "ASK_AFTER_S", 0.5)
    async with page() as caller:
        await caller.call(calling.service.http)
        await caller.shows(2)
        for connection in ice_connections(caller.connection):
            for protocol in connection._protocols:
                protocol.transport.abort()
        await until(lambda: calling.service.metric("sessions") == 0, limit_s=2.5)
        await calling.service.is_free()
        assert calling.service.metric("sessions_ended_total", reason="page_fell_silent") == 1


async def test_hidden_addresses_cost_no_time_and_the_page_is_found_by_its_checks(calling: Calling) -> None:
    async with page() as caller:
        sdp = await caller.offer()
        assert "a=end-of-candidates" in sdp
        hidden = re.sub(r"(a=candidate:\S+ \d udp \d+) \S+", r"\1 0-1-2-3.local", sdp)
        assert hidden != sdp
        began_s = time.monotonic()
        answer = await calling.service.http.post("/offer", json={"type": "offer", "sdp": hidden})
        assert time.monotonic() - began_s < 0.8  # An unresolved name costs aioice a second.
        await caller.take(answer.json())
        await caller.shows(2)


async def offer_of_sections(sections: int, *, bundled: bool) -> str:
    """Return the SDP of a page that has taken no port yet, since it has not gathered."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("video")
    for _ in range(sections - 1):
        connection.addTransceiver("audio")
    sdp = (await connection.createOffer()).sdp
    await connection.close()
    return sdp if bundled else re.sub(r"a=group:BUNDLE.*\r\n", "", sdp)


async def test_each_section_of_an_offer_without_bundle_takes_a_port_and_a_refusal_gives_all_back(
    results: str, free_udp_ports: Callable[[int], range], monkeypatch: pytest.MonkeyPatch
) -> None:
    # None of these calls connects, and one that has not in time is ended.
    monkeypatch.setattr(session_module, "CONNECT_LIMIT_S", 120.0)
    ports = free_udp_ports(3)
    async with running(results, udp_port_range=f"{ports[0]}-{ports[-1]}") as service:
        with WireWorker(results):
            await service.has_worker()

            async def offered(sections: int, *, bundled: bool) -> httpx.Response:
                sdp = await offer_of_sections(sections, bundled=bundled)
                return await service.http.post("/offer", json={"type": "offer", "sdp": sdp})

            first = await offered(2, bundled=False)
            taken = re.findall(r"a=candidate:\S+ 1 udp \d+ 127.0.0.1 (\d+) typ host", first.json()["sdp"])
            assert sorted(map(int, taken)) == list(ports[:2])

            refused = await offered(2, bundled=False)
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "ports_taken"
            assert int(refused.headers["retry-after"]) > 0
            assert service.metric("sessions") == 1

            assert (await offered(2, bundled=True)).status_code == 200
            assert (await offered(1, bundled=True)).status_code == 503
            await service.http.delete(f"/sessions/{first.json()['session']}")
            assert (await offered(1, bundled=True)).status_code == 200


async def test_each_session_gets_credentials_of_its_own_and_none_where_the_address_is_public(
    results: str,
) -> None:
    given: dict[str, Any] = {"ice_servers": '[{"urls": "turn:turn.example", "secret": "shared"}]'}
    plain = Service(Settings(**given))
    one, other = (plain._rtc_configuration().iceServers or [] for _ in range(2))
    assert one[0].urls == other[0].urls == "turn:turn.example"
    assert one[0].username != other[0].username
    public = Service(Settings(**given, public_ip="203.0.113.9"))
    assert public._rtc_configuration().iceServers == []


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


async def test_a_worker_that_joins_later_is_used(calling: Calling, results: str) -> None:
    async with page() as caller:
        await caller.call(calling.service.http)
        await caller.shows(2)
        with WireWorker(results, worker="w2") as second:
            await until(lambda: bool(second.seen))
        had = len(caller.frames)
        await until(lambda: len(caller.frames) > had + 5)


async def test_the_service_ends_in_the_middle_of_a_call(results: str) -> None:
    async with page() as caller, running(results) as service:
        with WireWorker(results, filters=(served("ink"),)):
            await service.has_worker()
            await caller.call(service.http)
            await caller.shows(2)
            async with asyncio.timeout(2.5):
                await service.service.sessions.close_all()
            assert service.metric("sessions") == 0
            response = await service.http.post("/offer", json={"type": "offer", "sdp": "v=0"})
            assert (response.status_code, response.json()["error"]["code"]) == (503, "shutting_down")


def codecs_of(sdp: str) -> list[str]:
    """Names of the video section's codecs, in its order; one name for several profiles in a row."""
    section = sdp.split("m=video ")[1].split("\nm=")[0]
    names = dict(re.findall(r"a=rtpmap:(\d+) ([^/]+)/", section))
    ranked = [names[number] for number in section.splitlines()[0].split()[2:] if names[number] != "rtx"]
    return [name for name, before in zip(ranked, [None, *ranked], strict=False) if name != before]


async def offer_of_codecs(*names: str) -> str:
    """Return the SDP of a page whose browser prefers these codecs and has no other."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("video")
    sdp = (await connection.createOffer()).sdp
    await connection.close()
    numbers = dict(re.findall(r"a=rtpmap:(\d+) ([^/]+)/", sdp))
    copies = dict(re.findall(r"a=fmtp:(\d+) apt=(\d+)", sdp))
    ranked = [number for name in names for number in numbers if numbers[number] == name]
    kept = [
        one for number in ranked for one in (number, *(copy for copy in copies if copies[copy] == number))
    ]
    lines = [
        line
        for line in sdp.split("\r\n")
        if not (of := re.match(r"a=(?:rtpmap|fmtp|rtcp-fb):(\d+)", line)) or of[1] in kept
    ]
    return re.sub(r"(m=video \d+ \S+) .*", rf"\1 {' '.join(kept)}", "\r\n".join(lines))


@pytest.mark.parametrize(
    ("chosen", "offered", "answered"),
    [
        ("h264,vp8", ("VP8", "H264"), ["H264", "VP8"]),
        ("vp8,h264", ("H264", "VP8"), ["VP8", "H264"]),
        ("h264", ("VP8", "H264"), ["H264"]),
        ("h264,vp8", ("VP8",), ["VP8"]),
        ("vp8", ("H264",), None),
    ],
)
async def test_the_answer_prefers_codecs_in_our_order_and_names_no_other(
    results: str, chosen: str, offered: tuple[str, ...], answered: list[str] | None
) -> None:
    async with running(results, video_codecs=chosen) as service:
        with WireWorker(results):
            await service.has_worker()
            sdp = await offer_of_codecs(*offered)
            assert codecs_of(sdp) == list(offered)
            response = await service.http.post("/offer", json={"type": "offer", "sdp": sdp})
            if answered is None:
                error = response.json()["error"]
                assert (response.status_code, error["code"]) == (422, "unusable_offer")
                assert "no video codec of this service (VP8)" in error["message"]
                return
            made = response.json()["sdp"]
            assert codecs_of(made) == answered
            # Each is retransmitted over a stream of its own (RFC 4588).
            assert made.count("rtx/90000") == made.count("H264/90000") + made.count("VP8/90000")


@pytest.mark.parametrize("codec", ["h264", "vp8"])
async def test_frames_come_back_by_each_codec(results: str, codec: str) -> None:
    async with running(results, video_codecs=codec) as service, page() as caller:
        with WireWorker(results, level_of_generation):
            await service.has_worker()
            await caller.call(service.http)
            assert codecs_of(caller.answer["sdp"]) == [codec.upper()]
            await caller.shows(10)
            frame = caller.frames[-1]
            assert (frame.width, frame.height) == (Camera.width, Camera.height)
            assert abs(frame.to_ndarray()[: frame.height].mean() - 40) < 3
            (session,) = service.service.sessions._sessions.values()
            sender = session._pc.getTransceivers()[0].sender
            encoder = vars(sender)["_RTCRtpSender__encoder"]
            assert encoder.codec.name == {"h264": "libx264", "vp8": "libvpx"}[codec]
            threads = [thread.name for thread in threading.enumerate()]
            assert any(name.startswith("encoder_") for name in threads)
        await caller.close()
        await service.is_free()
