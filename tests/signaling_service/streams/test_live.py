"""A picture that is published and watched, through a whole service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from aiortc import RTCRtpCodecParameters, RTCSessionDescription
from aiortc.codecs import get_encoder
from aiortc.stats import RTCInboundRtpStreamStats

from harness.bad_network import BadNetwork
from harness.deadline import eventually
from shared.wire.data import Data, pack_data
from signaling_service.rtc.answering import Answering
from signaling_service.sdp.candidates import MAX_CHECKED, MAX_CHECKED_IN_ALL
from signaling_service.sockets.handling_time import HandlingTime
from signaling_service.sockets.udp_socket import UdpSocket
from tests.signaling_service.access.minting import SECRET, minted
from tests.signaling_service.calling import Camera, HeldAnswers, Running, page, running, until
from tests.signaling_service.making import WireWorker, served
from tests.signaling_service.rtc.test_sending_and_receiving import OneFrame
from tests.signaling_service.session.test_session import level_of_generation
from tests.signaling_service.streams.live import FRAGMENT, SDP, Peer, publishing, watching


@dataclass
class Live:
    service: Running
    worker: WireWorker


@pytest.fixture
async def live(results: str) -> AsyncIterator[Live]:
    async with running(results) as service:
        filters = (served("ink"), served("hide", is_private=True))
        knows = {"data": "1"}
        with WireWorker(results, level_of_generation, filters=filters, versions=knows) as worker:
            await service.has_worker()
            yield Live(service, worker)


def level(peer: Peer) -> float:
    frame = peer.frames[-1]
    return float(frame.to_ndarray()[: frame.height].mean())


async def test_a_viewer_sees_the_filtered_picture_and_hears_the_sound(live: Live) -> None:
    http = live.service.http
    async with publishing(http) as publisher, watching(http) as viewer:
        await until(lambda: len(viewer.frames) >= 5 and len(viewer.sounds) >= 5)
        assert (viewer.frames[-1].width, viewer.frames[-1].height) == (Camera.width, Camera.height)
        assert abs(level(viewer) - 40) < 3
        assert live.service.metric("streams") == live.service.metric("viewers") == 1
        assert viewer.response is not None
        digests = [line for line in viewer.response.text.splitlines() if line.startswith("a=fingerprint:")]
        assert {line.split()[0] for line in digests} == {"a=fingerprint:sha-256"}
        assert (await http.delete(viewer.location)).status_code == 200
        await until(lambda: live.service.metric("viewers") == 0)
        assert (await http.delete(publisher.location)).status_code == 200
        await live.service.is_free()


async def test_viewers_of_one_codec_share_one_encoder(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(codec: RTCRtpCodecParameters) -> Any:
        made.append(codec)
        return get_encoder(codec)

    monkeypatch.setattr("signaling_service.streams.rendition.get_encoder", counted)
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
            await until(lambda: 1 in [one.get("viewers") for one in caller.messages if isinstance(one, dict)])
            session = caller.answer["session"]
            answer = await http.patch(f"/sessions/{session}", json={"params": {"strength": 1}})
            assert answer.status_code == 200
            await until(lambda: abs(level(viewer) - 80) < 3)


async def test_what_filters_tell_reaches_the_publisher_and_no_viewer(
    live: Live,
) -> None:
    live.worker.data = pack_data({"ink": Data(numbers={"n": 7})})
    http = live.service.http
    publisher, viewer = Peer(), Peer()
    publisher.connection.addTransceiver(Camera(), direction="sendonly")
    viewer.connection.addTransceiver("video", direction="recvonly")
    told: list[str] = []
    strayed: list[str] = []
    publisher.connection.createDataChannel("data").on("message", told.append)
    viewer.connection.createDataChannel("data").on("message", strayed.append)
    sent = packets_sent(publisher)
    try:
        await publisher.call(http, "/whip?stream=show", {})
        await viewer.call(http, "/whep/show", {})
        await until(lambda: len(told) >= 5 and len(viewer.frames) >= 5)
        for message in map(json.loads, told):
            # Of its own camera's packets.
            assert message["rtp_timestamp"] in sent
            assert message["filters"]["ink"]["numbers"] == {"n": 7}
        assert strayed == []
    finally:
        await viewer.close()
        await publisher.close()


def packets_sent(peer: Peer) -> set[int]:
    """Return the RTP timestamps of what a peer sends from now on."""
    (sender,) = peer.connection.getSenders()
    transport: Any = sender.transport
    seen: set[int] = set()
    send = transport._send_rtp

    async def noted(data: bytes) -> None:
        seen.add(int.from_bytes(data[4:8], "big"))
        await send(data)

    transport._send_rtp = noted
    return seen


@pytest.mark.slow
async def test_viewers_that_lose_packets_or_move_go_on_and_cost_the_others_nothing(live: Live) -> None:
    """One loses and gets late a tenth of its packets each, one has another address in mid-call."""
    http = live.service.http
    async with (
        publishing(http) as publisher,
        watching(http, kinds="video") as steady,
        watching(http, kinds="video") as lossy,
        watching(http, kinds="video") as moved,
    ):
        viewers = (steady, lossy, moved)
        await until(lambda: all(len(one.frames) >= 3 for one in viewers), 20)
        BadNetwork(loss=0.02, late=0.1).spoil(publisher.connection, Random(1))
        BadNetwork(loss=0.1, late=0.1).spoil(lossy.connection, Random(2))
        rebind(moved)
        had = [len(one.frames) for one in viewers]
        keys = sum(one.key_frame for one in steady.frames)
        assert keys >= 1
        await until(
            lambda: all(len(one.frames) >= before + 60 for one, before in zip(viewers, had, strict=True)), 60
        )
        later = steady.frames[had[0] :]
        assert len(later) >= 60
        # One viewer is heard once a second, and two that ask within 0.3 s are answered once.
        assert sum(one.key_frame for one in steady.frames) - keys <= 2 * seconds_of(later) + 3


def rebind(peer: Peer) -> None:
    """Do what a NAT does that has forgotten: the peer sends from another port from now on."""
    connection: Any = peer.connection.getTransceivers()[0].sender.transport.transport._connection
    pair = connection._nominated[1]
    transport = pair.protocol.transport
    transport._way.close()
    fresh = UdpSocket("127.0.0.1", 0)
    fresh.open(pair.protocol.datagram_received, HandlingTime())
    transport._way = transport._owner._own = fresh


def seconds_of(frames: list[Any]) -> float:
    return float((frames[-1].pts - frames[0].pts) / 90_000)


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
    async with publishing(http) as publisher, watching(http, kinds="video") as viewer:
        await until(lambda: len(viewer.frames) >= 3)
        await http.delete(publisher.location)
        await until(lambda: abs(level(viewer) - 40) > 5)
        await until(lambda: live.service.metric("streams") == 0)
        await until(lambda: live.service.metric("viewers") == 0)


async def test_no_viewer_sees_what_a_private_choice_hides(live: Live) -> None:
    """From the answer on: neither the picture that was being encoded nor one sent again."""
    http = live.service.http
    async with publishing(http) as publisher, watching(http, kinds="video") as viewer:
        await until(lambda: len(viewer.frames) >= 3)
        change = {"filter": "hide"}
        assert (await http.patch(publisher.location, json=change)).json()["private"] is True
        # What is on its way and in the player's buffer, which is shorter than this.
        await until(lambda: abs(level(viewer) - 40) > 5)
        had = len(viewer.frames)
        await until(lambda: len(viewer.frames) >= had + 20)
        levels = [float(one.to_ndarray()[: one.height].mean()) for one in viewer.frames[had:]]
        assert min(abs(one - 40) for one in levels) > 5


async def test_a_late_viewer_of_a_still_picture_sees_it(live: Live) -> None:
    http = live.service.http
    camera = OneFrame()
    async with publishing(http, camera=camera), watching(http, kinds="video") as first:
        camera.may.set()
        await until(lambda: len(first.frames) >= 1 or live.worker.seen != [])
        async with watching(http, kinds="video") as late:
            receiver = late.connection.getReceivers()[0]
            counted = RTCInboundRtpStreamStats

            async def has_picture() -> bool:
                stats = (await receiver.getStats()).values()
                return any(isinstance(one, counted) and one.packetsReceived > 0 for one in stats)

            await eventually(has_picture, 5, "a picture comes")


async def test_candidates_belong_to_the_answer_whose_tag_they_name(live: Live) -> None:
    http = live.service.http
    async with publishing(http) as publisher:
        assert publisher.response is not None
        tag = publisher.response.headers["etag"]
        end = "a=mid:0\r\na=end-of-candidates\r\n"
        for headers, status in (({}, 428), ({"If-Match": '"other"'}, 412), ({"If-Match": tag}, 204)):
            answer = await http.patch(publisher.location, content=end, headers=FRAGMENT | headers)
            assert answer.status_code == status
        async with watching(http, kinds="video") as viewer:
            # As the viewer of npm's whip-whep does.
            assert (await http.patch(viewer.location, content=end, headers=FRAGMENT)).status_code == 204
        wrong = await http.post("/whip?stream=other", content="{}", headers={"Content-Type": "text/plain"})
        assert wrong.status_code == 415


async def test_ice_restarts_while_pictures_flow(live: Live) -> None:
    http = live.service.http
    async with publishing(http) as publisher, watching(http, kinds="video") as viewer:
        for peer in (publisher, viewer):
            assert peer.response is not None
            former = peer.response.headers["etag"]
            connection: Any = peer.connection.getTransceivers()[0].sender.transport.transport._connection
            pair = connection._nominated[1]
            answer = await peer.restart_ice(http, {"If-Match": "*"})
            assert (answer.status_code, answer.headers["content-type"]) == (200, FRAGMENT["Content-Type"])
            tag = answer.headers["etag"]
            assert tag != former
            await until(lambda pair=pair, connection=connection: connection._nominated[1] is not pair)  # type: ignore[misc]
            end = "a=mid:0\r\na=end-of-candidates\r\n"
            for named, status in ((former, 412), (tag, 204)):
                headers = FRAGMENT | {"If-Match": named}
                trickled = await http.patch(peer.location, content=end, headers=headers)
                assert trickled.status_code == status
        had = len(viewer.frames)
        await until(lambda: len(viewer.frames) >= had + 5)


async def test_restarts_have_checks_sent_to_few_addresses(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    http, taken = live.service.http, list[Any]()

    async def note(self: Answering, found: tuple[list[Any], bool]) -> None:
        taken.extend(found[0])

    async with publishing(http) as publisher:
        monkeypatch.setattr(Answering, "_add", note)
        for restart in range(8):
            lines = [f"a=ice-ufrag:name{restart}", "a=ice-pwd:0123456789012345678901", "a=mid:0"]
            lines += [
                f"a=candidate:{number} 1 udp 1 198.51.{restart}.{number} 9 typ host"
                for number in range(MAX_CHECKED)
            ]
            headers = FRAGMENT | {"If-Match": "*"}
            answer = await http.patch(publisher.location, content="\r\n".join(lines), headers=headers)
            assert answer.status_code == 200, answer.text
    # Those of the offer count too.
    assert MAX_CHECKED_IN_ALL - MAX_CHECKED < len(taken) < MAX_CHECKED_IN_ALL


async def test_ice_restarts_before_it_has_first_connected(live: Live) -> None:
    http, publisher = live.service.http, Peer()
    publisher.connection.addTransceiver(Camera(), direction="sendonly")
    try:
        offer = await publisher.offer()
        publisher.response = await http.post("/whip?stream=show", content=offer, headers=SDP)
        # What it tells can be paired with nothing here, and no more follows: its own checks say where it is.
        elsewhere = "a=candidate:1 1 udp 1 ::1 9 typ host"
        answer = await publisher.restart_ice(http, {"If-Match": "*"}, elsewhere)
        assert answer.status_code == 200
        sdp = publisher.response.text
        for line in ("a=ice-ufrag:", "a=ice-pwd:"):
            former, present = (one.partition(line)[2].split()[0] for one in (sdp, answer.text))
            sdp = sdp.replace(former, present)
        await asyncio.sleep(0.1)  # As long as a page takes to read it, and several turns of the checks.
        await publisher.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await until(lambda: publisher.connection.connectionState == "connected")
        async with watching(http, kinds="video") as viewer:
            await until(lambda: len(viewer.frames) >= 3)
    finally:
        await publisher.close()


@pytest.mark.parametrize(
    ("fragment", "why"),
    [
        ("a=ice-ufrag:abcd\r\n", "one ice-ufrag and one ice-pwd"),
        ("a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n", "22"),
        ("a=ice-ufrag:a b c d\r\na=ice-pwd:0123456789012345678901\r\n", "ice-char"),
        ("a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=mid:x\r\n", "no section with mid"),
        ("a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=mid:0\r\na=candidate:x\r\n", "candidate"),
    ],
)
async def test_a_restart_that_cannot_be_leaves_the_session_as_it_is(
    live: Live, fragment: str, why: str
) -> None:
    http = live.service.http
    async with publishing(http) as publisher:
        assert publisher.response is not None
        headers = FRAGMENT | {"If-Match": "*"}
        answer = await http.patch(publisher.location, content=fragment, headers=headers)
        assert answer.status_code == 422
        assert why in answer.json()["error"]["message"]
        end = "a=mid:0\r\na=end-of-candidates\r\n"
        headers = FRAGMENT | {"If-Match": publisher.response.headers["etag"]}
        assert (await http.patch(publisher.location, content=end, headers=headers)).status_code == 204


async def test_ice_is_not_restarted_where_data_has_a_way_of_its_own(live: Live) -> None:
    http, peer = live.service.http, Peer()
    peer.connection.addTransceiver(Camera(), direction="sendonly")
    peer.connection.createDataChannel("control")
    sdp = (await peer.offer()).replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0")
    response = await http.post("/whip?stream=other", content=sdp, headers=SDP)
    assert response.status_code == 201, response.text
    fragment = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
    headers = FRAGMENT | {"If-Match": "*"}
    path = str(response.url.join(response.headers["location"]))
    answer = await http.patch(path, content=fragment, headers=headers)
    assert answer.status_code == 422
    assert "bundled" in answer.json()["error"]["message"]
    await http.delete(path)
    await peer.close()


async def test_places_of_viewers_are_bounded(results: str) -> None:
    async with running(results, max_viewers=1) as service:
        with WireWorker(results, level_of_generation):
            await service.has_worker()
            async with publishing(service.http), watching(service.http, kinds="video"):
                peer = Peer()
                peer.connection.addTransceiver("video", direction="recvonly")
                answer = await service.http.post("/whep/show", content=await peer.offer(), headers=SDP)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
                await peer.close()


async def test_offers_to_watch_that_never_connect_keep_nobody_out(results: str) -> None:
    async with running(results, max_viewers=1) as service:
        with WireWorker(results, level_of_generation):
            await service.has_worker()
            async with publishing(service.http), AsyncExitStack() as stack:
                late = Peer()
                late.connection.addTransceiver("video", direction="recvonly")
                stack.push_async_callback(late.close)
                late.response = await service.http.post("/whep/show", content=await late.offer(), headers=SDP)
                async with watching(service.http, kinds="video") as viewer:
                    # Both have an answer, and there is one place.
                    await late.connection.setRemoteDescription(
                        RTCSessionDescription(late.response.text, "answer")
                    )
                    await until(lambda: service.metric("viewers") == 1)
                    assert (await service.http.delete(late.location)).status_code == 200
                    had = len(viewer.frames)
                    await until(lambda: len(viewer.frames) >= had + 3)


async def test_an_offer_to_watch_that_is_given_up_while_it_is_answered_is_not_to_blame(
    results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(results, max_connecting_per_address=1) as service:
        with WireWorker(results, level_of_generation):
            await service.has_worker()
            async with publishing(service.http):
                peer = Peer()
                peer.connection.addTransceiver("video", direction="recvonly")
                offer = await peer.offer()
                answers = HeldAnswers(monkeypatch)
                asking = [service.http.post("/whep/show", content=offer, headers=SDP) for _ in range(3)]
                asked = [asyncio.create_task(one) for one in asking]
                await answers.have_begun(3)
                answers.go_on()
                heard = await asyncio.gather(*asked)
                refused = [one.json()["error"]["code"] for one in heard if one.status_code == 503]
                assert refused == ["given_up", "given_up"]
                (taken,) = (one for one in heard if one.status_code == 201)
                await service.http.delete(str(taken.url.join(taken.headers["location"])))
                await until(lambda: service.metric("viewers") == 0)
                (stream,) = service.service._streams._streams.values()
                assert not stream._renditions
                await peer.close()


async def test_who_leaves_takes_no_picture_from_one_whose_offer_is_being_answered(
    results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(results) as service:
        with WireWorker(results, level_of_generation):
            await service.has_worker()
            async with publishing(service.http), AsyncExitStack() as stack:
                async with watching(service.http, kinds="video"):
                    answers = HeldAnswers(monkeypatch)
                    viewer = stack.enter_async_context(watching(service.http, kinds="video"))
                    late = asyncio.create_task(viewer)
                    await answers.have_begun(1)
                await until(lambda: service.metric("viewers") == 1)
                answers.go_on()
                await until(lambda: late.done() and len(late.result().frames) > 0)


async def test_to_others_a_publisher_and_a_viewer_are_sessions_that_never_were(results: str) -> None:
    """By WHIP and WHEP, and one watches no longer than its token says."""
    async with running(results, token_key=SECRET) as service:
        with WireWorker(results, level_of_generation):
            await service.has_worker()
            rights: dict[str, Any] = {"publish": ["*"], "watch": ["*"]}
            anna, ben, brief = (
                {"Authorization": f"Bearer {minted(sub=sub, max_session_s=lasts, **rights)}"}
                for sub, lasts in (("anna", None), ("ben", None), ("anna", 0.5))
            )
            async with (
                publishing(service.http, headers=anna) as publisher,
                watching(service.http, kinds="video", headers=anna) as viewer,
            ):
                for peer in (publisher, viewer):
                    mine = peer.location.rpartition("/")[2]
                    said = []
                    for path in (peer.location, peer.location.replace(mine, "0" * 32)):
                        gone = await service.http.delete(path, headers=ben)
                        headers = {**ben, **FRAGMENT, "If-Match": "*"}
                        end = "a=mid:0\r\na=end-of-candidates\r\n"
                        trickled = await service.http.patch(path, content=end, headers=headers)
                        said += [
                            (one.status_code, one.text.replace(mine, "0" * 32)) for one in (gone, trickled)
                        ]
                    assert said[:2] == said[2:]
                    assert {status for status, _ in said} == {404}
                async with watching(service.http, kinds="video", headers=brief):
                    await until(lambda: service.metric("viewers") == 1)
                had = len(viewer.frames)
                await until(lambda: len(viewer.frames) >= had + 3)
                # The end of one may be asked for once more, but by no one else.
                for headers, status in ((anna, 200), (anna, 200), (ben, 404)):
                    ended = await service.http.delete(viewer.location, headers=headers)
                    assert ended.status_code == status


async def test_a_token_names_what_may_be_published_and_watched(results: str) -> None:
    async with running(results, token_key=SECRET) as service:
        with WireWorker(results, level_of_generation):
            await service.has_worker()
            anna = {"Authorization": f"Bearer {minted(publish=['show'])}"}
            bert = {"Authorization": f"Bearer {minted(sub='bert', publish=['*'], watch=['show'])}"}
            sdp = await offered()
            for headers, address, status in (
                (anna, "/whip?stream=other", 403),
                (anna, "/whip", 403),
                (anna, "/whep/show", 403),
                (bert, "/whep/other", 403),
                (bert, "/whep/show", 404),
            ):
                answer = await service.http.post(address, content=sdp, headers=SDP | headers)
                assert answer.status_code == status, address
            async with publishing(service.http, headers=anna):
                taken = await service.http.post("/whip?stream=show", content=sdp, headers=SDP | bert)
                assert (taken.status_code, taken.json()["error"]["code"]) == (409, "stream_taken")
                async with watching(service.http, kinds="video", headers=bert) as viewer:
                    await until(lambda: len(viewer.frames) >= 1)


async def test_a_client_may_ask_before_it_offers(results: str) -> None:
    """As MediaMTX does, which goes no further without an answer of 200 or 204."""
    servers = [{"urls": "turn:turn.example.org", "username": "a", "credential": "b"}]
    async with running(results, api_key="a key", ice_servers=json.dumps(servers)) as service:
        for address in ("/whip?stream=show", "/whep/show"):
            assert (await service.http.options(address)).status_code == 401
            answer = await service.http.options(address, headers={"Authorization": "Bearer a key"})
            assert answer.status_code == 204
            assert "PATCH" in answer.headers["access-control-allow-methods"]
            assert answer.headers["link"].startswith(
                '<turn:turn.example.org>; rel="ice-server"; username="a"'
            )


async def offered() -> str:
    peer = Peer()
    peer.connection.addTransceiver(Camera(), direction="sendonly")
    sdp = await peer.offer()
    await peer.close()
    return sdp


@pytest.mark.parametrize(
    ("kind", "direction", "why"),
    [("audio", "recvonly", "receives no video"), ("video", "sendrecv", "sends nothing")],
)
async def test_an_offer_that_watches_nothing_or_sends_is_refused(
    live: Live, kind: str, direction: str, why: str
) -> None:
    async with publishing(live.service.http):
        peer = Peer()
        peer.connection.addTransceiver(kind, direction=direction)
        answer = await live.service.http.post("/whep/show", content=await peer.offer(), headers=SDP)
        assert answer.status_code == 422
        assert why in answer.json()["error"]["message"]
        await until(lambda: live.service.metric("viewers") == 0)
        await peer.close()


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
