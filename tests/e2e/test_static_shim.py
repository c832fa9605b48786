"""The shim by itself: what a page sees of it, whatever the server is."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page

from harness.deadline import eventually
from tests.e2e.stage import COUNT_CONNECTIONS, SERVER, SESSION, Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

RAW_SURELY_AFTER_MS = 1_500


@pytest.fixture(scope="module")
def browser(stage_chromium: Browser) -> Browser:
    return stage_chromium


@pytest.fixture
def closed_server() -> str:
    """The address of a server that is not there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@asynccontextmanager
async def _recorder() -> AsyncIterator[tuple[str, list[str]]]:
    """Listen on a free port, accept whatever comes; gives the address and the first lines of the requests."""
    lines: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines.append(head.decode().split("\r\n")[0])
        allowed = "".join(f"Access-Control-Allow-{what}: *\r\n" for what in ("Origin", "Methods"))
        allowed += "Access-Control-Allow-Headers: authorization\r\n"
        writer.write(f"HTTP/1.1 204 No Content\r\n{allowed}Connection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}", lines


async def _live(page: Page, constraints: str = "{ video: true }") -> None:
    assert await page.evaluate(f"attempt({constraints})") == ""


async def _states(page: Page) -> list[str]:
    states: list[str] = await page.evaluate("native.streams[0].getTracks().map((track) => track.readyState)")
    return states


async def test_call_without_video_reaches_the_browser_untouched(stage: Stage) -> None:
    page = await stage.open()
    same = await page.evaluate(
        """async () => {
          const constraints = { audio: true, video: false };
          const stream = await navigator.mediaDevices.getUserMedia(constraints);
          return [native.calls[0][0] === constraints, native.streams[0] === stream];
        }"""
    )
    assert same == [True, True]
    assert stage.requests == []


async def test_video_is_the_servers_picture_from_the_first_frame(stage: Stage) -> None:
    page = await stage.open()
    await _live(page)
    assert await page.evaluate("colour(stream)") == "red"
    assert await page.evaluate("colour(native.streams[0])") == "green"


async def test_audio_track_is_the_browsers_own(stage: Stage) -> None:
    page = await stage.open()
    await _live(page, "{ video: true, audio: true }")
    same = await page.evaluate("stream.getAudioTracks()[0] === native.streams[0].getAudioTracks()[0]")
    assert same
    assert await page.evaluate("stream.getTracks().map(({ kind }) => kind).toSorted()") == ["audio", "video"]
    assert "m=audio" not in stage.sent("POST", "/offer")[0].body["sdp"]


async def test_offer_says_what_the_script_tag_says(stage: Stage) -> None:
    params = '{"invert": {"busy_ms": 3}}'
    page = await stage.open({"filter": "ink, invert", "params": params, "outage": "open", "token": "s3cret"})
    await _live(page)
    offer = stage.sent("POST", "/offer")[0]
    assert offer.headers["authorization"] == "Bearer s3cret"
    assert offer.headers["content-type"] == "application/json"
    assert offer.body["type"] == "offer"
    assert offer.body["filter"] == ["ink", "invert"]
    assert offer.body["params"] == {"invert": {"busy_ms": 3}}
    assert offer.body["outage"] == "open"
    assert "m=application" in offer.body["sdp"]
    assert "a=candidate:" in offer.body["sdp"]


async def test_offer_without_attributes_leaves_the_filter_to_the_server(stage: Stage) -> None:
    page = await stage.open()
    await _live(page)
    offer = stage.sent("POST", "/offer")[0]
    assert "filter" not in offer.body
    assert offer.body["outage"] == "closed"
    assert "authorization" not in offer.headers
    assert await page.evaluate("p2pcamera.server") == f"{SERVER}/"


async def test_candidates_after_the_offer_follow_as_sdp_fragments(stage: Stage) -> None:
    page = await stage.open()
    await _live(page)
    path = f"/sessions/{SESSION}"
    end = "a=end-of-candidates\r\n"

    def is_complete() -> bool:
        return any(request.text.endswith(end) for request in stage.sent("PATCH", path))

    await eventually(is_complete, 10, "the end of candidates")
    sdp = stage.sent("POST", "/offer")[0].body["sdp"]
    ufrag = re.search(r"a=ice-ufrag:\S+", sdp)
    assert ufrag is not None
    *earlier, last = stage.sent("PATCH", path)
    assert last.text.endswith(end)
    for fragment in (*earlier, last):
        assert fragment.headers["content-type"] == "application/trickle-ice-sdpfrag"
        lines = fragment.text.removesuffix(end).split("\r\n")
        assert lines[0] == ufrag[0]
        assert lines[1].startswith("a=ice-pwd:")
        assert lines[2].startswith("m=video ")
        assert lines[3] == "a=mid:0"
        assert all(line.startswith("a=candidate:") for line in lines[4:-1])
        assert lines[-1] == ""


async def test_unreachable_server_under_closed_is_an_unreadable_camera(
    stage: Stage, closed_server: str
) -> None:
    page = await stage.open({"server": closed_server})
    failure = await page.evaluate("attempt({ video: true, audio: true })")
    assert failure.startswith("NotReadableError: ")
    assert closed_server in failure
    assert await _states(page) == ["ended", "ended"]
    assert await page.evaluate("p2pcamera.sessions.length") == 0


async def test_unreachable_server_under_open_is_the_raw_camera(stage: Stage, closed_server: str) -> None:
    page = await stage.open({"server": closed_server, "outage": "open"})
    await page.evaluate(
        "p2pcamera.addEventListener('statechange', (event) => (window.last = event.detail.session))"
    )
    await _live(page)
    assert await page.evaluate("stream === native.streams[0]")
    assert await _states(page) == ["live"]
    assert await page.evaluate("[last.state, last.fault.code]") == ["raw", "unreachable"]


async def test_refusal_is_named_and_frees_camera_and_microphone(stage: Stage) -> None:
    stage.refusal = (503, "no_worker", "No live worker serves ink.")
    page = await stage.open()
    await page.evaluate(
        "p2pcamera.addEventListener('statechange', (event) => (window.last = event.detail.session))"
    )
    failure = await page.evaluate("attempt({ video: true, audio: true })")
    assert failure.startswith("NotReadableError: ")
    assert "No live worker serves ink." in failure
    assert await _states(page) == ["ended", "ended"]
    fault = await page.evaluate("[last.state, last.fault.code, last.fault.status, last.fault.retryAfterS]")
    assert fault == ["failed", "no_worker", 503, 30]


@pytest.mark.own_context
async def test_the_first_connection_is_tried_again_when_the_server_asks_for_it(stage: Stage) -> None:
    stage.refusal, stage.retry_after_s = (503, "full", "No room."), 2
    page = await stage.open()
    await page.clock.install()
    await page.reload()
    await page.evaluate("void attempt({ video: true }).then((failure) => (window.failure = failure))")
    await page.wait_for_function("p2pcamera.sessions[0]?.fault?.code === 'full'", timeout=5_000)
    assert await page.evaluate("p2pcamera.sessions[0].state") == "connecting"
    await page.clock.fast_forward(1_500)
    assert len(stage.sent("POST", "/offer")) == 1
    stage.refusal = None
    await page.clock.fast_forward(1_500)
    await page.wait_for_function("p2pcamera.sessions[0]?.state === 'live'", timeout=10_000)
    assert len(stage.sent("POST", "/offer")) == 2
    assert await page.evaluate("p2pcamera.sessions[0].fault") is None


async def test_a_session_that_waits_for_its_next_try_ends_at_once(stage: Stage) -> None:
    stage.refusal, stage.retry_after_s = (503, "full", "No room."), 5
    page = await stage.open()
    await page.evaluate("void attempt({ video: true }).then((failure) => (window.failure = failure))")
    await page.wait_for_function("p2pcamera.sessions[0]?.fault?.code === 'full'", timeout=5_000)
    await page.evaluate("p2pcamera.sessions[0].close()")
    await page.wait_for_function("window.failure", timeout=2_000)


@pytest.mark.own_context
async def test_server_that_never_answers_is_given_up_after_ten_seconds(stage: Stage) -> None:
    stage.is_silent = True
    page = await stage.open()
    await page.clock.install()
    await page.reload()
    await page.evaluate("void attempt({ video: true }).then((failure) => (window.failure = failure))")
    await stage.first("POST", "/offer")
    await page.clock.fast_forward(9_000)
    assert await page.evaluate("window.failure") is None
    await page.clock.fast_forward(1_500)
    await page.wait_for_function("window.failure", timeout=5_000)
    assert "NotReadableError" in await page.evaluate("failure")
    assert await _states(page) == ["ended"]


@pytest.mark.parametrize(
    ("constraints", "name"),
    [
        ("{ video: { deviceId: { exact: 'none' } } }", "OverconstrainedError"),
        ("{ video: false }", "TypeError"),
        ("undefined", "TypeError"),
    ],
)
async def test_errors_of_the_real_call_reach_the_page(stage: Stage, constraints: str, name: str) -> None:
    page = await stage.open()
    original = await page.evaluate(
        f"native.getUserMedia.call(navigator.mediaDevices, {constraints}).catch((error) => `${{error}}`)"
    )
    assert original.startswith(name)
    failure = await page.evaluate(
        f"navigator.mediaDevices.getUserMedia({constraints}).catch((error) => `${{error}}`)"
    )
    assert failure == original
    assert stage.sent("POST", "/offer") == []


async def test_denied_camera_reaches_the_page_as_such(stage: Stage) -> None:
    page = await stage.open(headers={"Permissions-Policy": "camera=()"})
    assert (await page.evaluate("attempt({ video: true })")).startswith("NotAllowedError: ")
    assert stage.sent("POST", "/offer") == []


async def test_loaded_twice_the_first_keeps_the_camera(stage: Stage) -> None:
    page = await stage.open({"filter": "ink"}, {"filter": "invert"})
    await _live(page)
    assert [offer.body["filter"] for offer in stage.sent("POST", "/offer")] == ["ink"]
    assert await page.evaluate("native.calls.length") == 1


async def test_strict_content_security_policy_accepts_the_shim(stage: Stage) -> None:
    policy = (
        f"default-src 'none'; script-src {SERVER}; connect-src {SERVER}; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    first = (
        "window.violations = [];"
        "addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));"
    )
    page = await stage.open(headers={"Content-Security-Policy": policy}, first=first)
    await _live(page)
    assert await page.evaluate("stream.getVideoTracks()[0].muted") is False
    assert await page.evaluate("violations") == []
    # The policy is at work: this is what it forbids.
    assignment = "try { document.body.innerHTML = ''; 'allowed' } catch { 'forbidden' }"
    assert await page.evaluate(assignment) == "forbidden"
    await page.wait_for_function("violations.length > 0", timeout=5_000)


async def test_stop_ends_the_session_and_frees_the_camera(stage: Stage) -> None:
    page = await stage.open({"token": "s3cret"})
    await _live(page, "{ video: true, audio: true }")
    await page.evaluate("stream.getVideoTracks()[0].onended = () => (window.hasEnded = true); void 0")
    await page.evaluate("stream.getVideoTracks()[0].stop()")
    end = await stage.first("DELETE", f"/sessions/{SESSION}")
    assert end.headers["authorization"] == "Bearer s3cret"
    states = await page.evaluate(
        "Object.fromEntries(native.streams[0].getTracks().map((t) => [t.kind, t.readyState]))"
    )
    assert states == {"audio": "live", "video": "ended"}
    assert await page.evaluate("[p2pcamera.sessions.length, stream.getVideoTracks()[0].readyState]") == [
        0,
        "ended",
    ]
    # As with a camera: who stops it is not told that it ended.
    assert await page.evaluate("window.hasEnded") is None
    await page.evaluate("stream.getVideoTracks()[0].stop()")
    assert len(stage.sent("DELETE", f"/sessions/{SESSION}")) == 1


@pytest.mark.parametrize("copy", ["stream.getVideoTracks()[0].clone()", "stream.clone().getVideoTracks()[0]"])
async def test_session_lasts_until_the_last_clone_stops(stage: Stage, copy: str) -> None:
    page = await stage.open()
    await _live(page)
    await page.evaluate(f"window.copy = {copy}; stream.getVideoTracks()[0].stop()")
    assert await page.evaluate("colour(new MediaStream([copy]))") == "red"
    assert await page.evaluate("p2pcamera.sessions[0].state") == "live"
    assert await page.evaluate("native.isOn()")
    await page.evaluate("copy.stop()")
    await stage.first("DELETE", f"/sessions/{SESSION}")
    assert not await page.evaluate("native.isOn()")


@pytest.mark.own_context
@pytest.mark.parametrize("is_closed", [False, True], ids=["left", "closed"])
async def test_page_that_goes_away_ends_its_session(stage: Stage, is_closed: bool) -> None:
    # A real server and no routes, since Playwright holds up a request that outlives its page.
    async with _recorder() as (address, lines):
        for path in ("/ice-servers", "/offer"):
            await stage.context.route(f"{address}{path}", stage.serve)
        page = await stage.open({"server": address, "token": "s3cret"})
        await _live(page)
        await page.unroute_all()
        await stage.context.unroute_all()
        await (page.close() if is_closed else page.goto("about:blank"))
        end = f"DELETE /sessions/{SESSION} HTTP/1.1"
        await eventually(lambda: end in lines, 5, end)


# What a browser lacks that has neither of the ways to a track of its own.
WITHOUT_GENERATOR = "delete window.MediaStreamTrackProcessor;"
WITHOUT_CANVAS = "delete HTMLCanvasElement.prototype.captureStream;"


async def _reconnected(stage: Stage, page: Page, offers: int = 2) -> None:
    await eventually(lambda: len(stage.sent("POST", "/offer")) >= offers, 5, f"offer {offers}")
    await page.wait_for_function("p2pcamera.sessions[0]?.state === 'live'", timeout=5_000)


@pytest.mark.parametrize("lacking", ["", WITHOUT_GENERATOR], ids=["generator", "canvas"])
async def test_lost_connection_is_made_anew_behind_a_track_that_stays(stage: Stage, lacking: str) -> None:
    page = await stage.open(first=COUNT_CONNECTIONS + lacking)
    await _live(page)
    assert await page.evaluate("colour(stream)") == "red"
    await page.evaluate(
        """() => {
          window.states = [];
          p2pcamera.addEventListener("statechange", ({ detail }) => states.push(detail.session.state));
          stream.getVideoTracks()[0].addEventListener("ended", () => states.push("ended"));
        }"""
    )
    await stage.far_end.evaluate("peer.close()")
    await _reconnected(stage, page)
    assert await page.evaluate("states") == ["reconnecting", "live"]
    assert await page.evaluate("colour(stream)") == "red"
    assert await page.evaluate("native.calls.length") == 1
    assert await _states(page) == ["live"]
    assert await page.evaluate("connections.map(({ connectionState }) => connectionState)") == [
        "closed",
        "connected",
    ]
    assert len(stage.sent("DELETE", f"/sessions/{SESSION}")) == 1


async def test_session_that_the_server_no_longer_has_is_made_anew(stage: Stage) -> None:
    page = await stage.open()
    await _live(page)
    # Nothing more comes from a server that was killed, not even the end of the connection.
    stage.is_forgetful = True
    await stage.far_end.evaluate("control.onmessage = null; peer.getSenders()[0].replaceTrack(null)")
    await _reconnected(stage, page)
    assert [request.text for request in stage.checks()] == ["{}"]
    assert await page.evaluate("colour(stream)") == "red"


@pytest.mark.parametrize(("status", "code"), [(401, "token_missing"), (422, "invalid_params")])
async def test_refusal_for_good_ends_the_track_as_an_unplugged_camera_does(
    stage: Stage, status: int, code: str
) -> None:
    page = await stage.open()
    await _live(page)
    await page.evaluate(
        """() => {
          window.ended = 0;
          stream.getVideoTracks()[0].addEventListener("ended", () => (ended += 1));
          window.session = p2pcamera.sessions[0];
        }"""
    )
    stage.refusal = (status, code, "Not you.")
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("ended === 1", timeout=5_000)
    assert await page.evaluate("[session.state, session.fault.code, p2pcamera.sessions.length]") == [
        "failed",
        code,
        0,
    ]
    assert await page.evaluate("stream.getVideoTracks()[0].readyState") == "ended"
    assert await _states(page) == ["ended"]
    assert len(stage.sent("POST", "/offer")) == 2


async def test_refusal_for_good_under_open_leaves_the_raw_camera_until_the_page_stops_it(
    stage: Stage,
) -> None:
    page = await stage.open({"outage": "open"})
    await _live(page)
    await page.evaluate("window.session = p2pcamera.sessions[0]")
    stage.refusal = (403, "token_wrong", "Not you.")
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("session.state === 'raw'", timeout=5_000)
    assert await page.evaluate("colour(stream)") == "green"
    assert await page.evaluate("stream.getVideoTracks()[0].readyState") == "live"
    await page.evaluate("stream.getVideoTracks()[0].stop()")
    assert await _states(page) == ["ended"]


async def test_browser_that_can_make_no_track_ends_the_remote_one_with_its_connection(stage: Stage) -> None:
    page = await stage.open(first=WITHOUT_GENERATOR + WITHOUT_CANVAS)
    await _live(page)
    assert await page.evaluate("colour(stream)") == "red"
    await page.evaluate(
        """() => {
          window.ended = 0;
          stream.getVideoTracks()[0].addEventListener("ended", () => (ended += 1));
          window.session = p2pcamera.sessions[0];
        }"""
    )
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("ended === 1", timeout=5_000)
    assert await page.evaluate("[session.state, session.fault.code]") == ["failed", "connection_lost"]
    assert await _states(page) == ["ended"]


@pytest.mark.parametrize(("outage", "colour"), [("closed", "red"), ("open", "green")])
async def test_outage_shows_the_last_frame_or_under_open_the_raw_camera(
    stage: Stage, outage: str, colour: str
) -> None:
    page = await stage.open({"outage": outage})
    await _live(page)
    assert await page.evaluate("colour(stream)") == "red"
    stage.refusal = (503, "no_worker", "No live worker.")
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("p2pcamera.sessions[0].state === 'reconnecting'", timeout=5_000)
    colours = await page.evaluate(f"colours(stream, {RAW_SURELY_AFTER_MS})")
    assert colours[-1] == colour
    assert set(colours) <= {"red", colour}
    stage.refusal = None
    await _reconnected(stage, page, offers=0)
    assert await page.evaluate("colour(stream)") == "red"


@pytest.mark.own_context
async def test_stopped_track_is_not_reconnected(stage: Stage) -> None:
    page = await stage.open()
    await page.clock.install()
    await page.reload()
    await _live(page)
    await page.evaluate("window.session = p2pcamera.sessions[0]")
    stage.refusal = (503, "no_worker", "No live worker serves ink.")
    await stage.far_end.evaluate("peer.close()")
    await eventually(lambda: len(stage.sent("POST", "/offer")) >= 3, 5, "it tries again")
    await page.evaluate("stream.getVideoTracks()[0].stop()")
    assert await page.evaluate("session.state") == "ended"
    assert await _states(page) == ["ended"]
    tries = await stage.tries(page)
    await page.clock.fast_forward(60_000)
    assert await stage.tries(page) == tries


@pytest.mark.own_context
async def test_full_server_is_not_asked_again_before_it_said_so(stage: Stage) -> None:
    page = await stage.open()
    await page.clock.install()
    await page.reload()
    await _live(page)
    stage.refusal = (503, "full", "No room.")
    stage.retry_after_s = 7
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("p2pcamera.sessions[0].fault?.retryAfterS === 7", timeout=5_000)
    assert await page.evaluate("p2pcamera.sessions[0].state") == "reconnecting"
    await page.evaluate("dispatchEvent(new Event('online'))")
    await page.clock.fast_forward(5_000)
    assert await stage.tries(page) == 2
    stage.refusal = None
    await page.clock.fast_forward(4_000)
    await _reconnected(stage, page, offers=3)


@pytest.mark.own_context
async def test_network_that_comes_back_is_used_at_once(stage: Stage) -> None:
    page = await stage.open()
    await page.clock.install()
    await page.reload()
    await _live(page)
    stage.is_away = True
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("p2pcamera.sessions[0].fault?.code === 'unreachable'", timeout=5_000)
    # The pauses have grown by then to their longest.
    await page.clock.fast_forward(120_000)
    await page.clock.pause_at(await page.evaluate("Date.now() / 1000 + 0.5"))
    stage.is_away = False
    await page.evaluate("dispatchEvent(new Event('online'))")
    # What an offer begins with; the offer itself waits some milliseconds for candidates.
    await eventually(lambda: len(stage.sent("GET", "/ice-servers")) == 2, 5, "a try, with all clocks stopped")
    await page.clock.resume()
    await _reconnected(stage, page)


@pytest.mark.own_context
async def test_network_that_comes_back_during_a_try_is_used_at_once(stage: Stage) -> None:
    page = await stage.open()
    await page.clock.install()
    await page.reload()
    await _live(page)
    stage.is_away = True
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("p2pcamera.sessions[0].fault?.code === 'unreachable'", timeout=5_000)
    stage.held = asyncio.Event()
    await eventually(lambda: stage.holding == 1, 5, "a try is under way")
    await page.clock.pause_at(await page.evaluate("Date.now() / 1000 + 0.5"))
    stage.is_away = False
    await page.evaluate("dispatchEvent(new Event('online'))")
    stage.held.set()
    await eventually(lambda: len(stage.sent("GET", "/ice-servers")) == 2, 5, "a try, with all clocks stopped")
    await page.clock.resume()
    await _reconnected(stage, page)


async def test_filter_that_a_restarted_server_does_not_know_yet_is_waited_for(stage: Stage) -> None:
    page = await stage.open()
    await _live(page)
    stage.refusal = (404, "unknown_filter", "No worker ever served ink.")
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("p2pcamera.sessions[0].fault?.code === 'unknown_filter'", timeout=5_000)
    stage.refusal = None
    await _reconnected(stage, page, offers=3)
    assert await page.evaluate("p2pcamera.sessions[0].fault") is None


async def test_track_has_the_cameras_name_and_the_filtered_device(stage: Stage) -> None:
    page = await stage.open()
    await _live(page)
    camera, *given = await page.evaluate(
        """() => {
          const [track] = stream.getVideoTracks();
          const tracks = [native.streams[0].getVideoTracks()[0], track, track.clone()];
          return tracks.map((one) => [one.label, one.kind, one.getSettings(), one.constructor.name]);
        }"""
    )
    for track in given:
        assert track[:2] == [f"{camera[0]} (filtered)", camera[1]]
        assert track[2] == {**camera[2], "deviceId": camera[2]["deviceId"][::-1]}
        assert track[3] == "MediaStreamTrack"


async def test_filter_chosen_in_an_outage_is_in_the_next_offer_and_a_refused_one_is_taken_back(
    stage: Stage,
) -> None:
    page = await stage.open({"filter": "ink"})
    await _live(page)
    stage.refusal = (503, "no_worker", "No live worker.")
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("p2pcamera.sessions[0].state === 'reconnecting'", timeout=5_000)
    await page.evaluate(
        "window.refused = p2pcamera.setFilter('ink', { strength: 9 }).catch(({ code }) => code); 0"
    )
    stage.wrong_params = {"strength": 9}
    assert await page.evaluate("refused") == "invalid_params"
    await page.evaluate("window.changed = p2pcamera.setFilter('invert', { busy_ms: 1 }); 0")
    await eventually(lambda: stage.sent("POST", "/offer")[-1].body["filter"] == "invert", 5, "its offer")
    stage.refusal = None
    await page.evaluate("changed")
    asked = [(offer.body["filter"], offer.body["params"]) for offer in stage.sent("POST", "/offer")]
    assert asked[0] == ("ink", {})
    assert asked.index(("ink", {"strength": 9})) < asked.index(("invert", {"busy_ms": 1}))
    assert asked[-1] == ("invert", {"busy_ms": 1})
    assert await page.evaluate("[p2pcamera.sessions[0].state, p2pcamera.filter]") == ["live", "invert"]


async def test_filter_changes_by_the_data_channel(stage: Stage) -> None:
    page = await stage.open({"filter": "ink"})
    await _live(page)
    await page.evaluate("p2pcamera.setFilter('invert', { busy_ms: 5 })")
    heard = await stage.far_end.evaluate("heard.map((text) => JSON.parse(text))")
    assert heard == [{"type": "filter", "name": "invert", "params": {"busy_ms": 5}}]
    assert await page.evaluate("p2pcamera.sessions[0].filters") == ["invert"]
    assert await page.evaluate("[p2pcamera.filter, p2pcamera.params]") == ["invert", {"busy_ms": 5}]


async def test_refused_filter_change_rejects_and_leaves_the_settings(stage: Stage) -> None:
    page = await stage.open({"filter": "ink"})
    await _live(page)
    await stage.far_end.evaluate(
        "reply = { type: 'error', error: { code: 'unknown_filter', message: 'No such.' } }"
    )
    fault = await page.evaluate("p2pcamera.setFilter('nope').catch(({ code, message }) => [code, message])")
    assert fault == ["unknown_filter", "No such."]
    assert await page.evaluate("[p2pcamera.filter, p2pcamera.sessions[0].filters]") == ["ink", ["ink"]]


async def test_filter_change_while_connecting_is_not_lost(stage: Stage) -> None:
    page = await stage.open({"filter": "ink"})
    await page.evaluate(
        """async () => {
          p2pcamera.addEventListener("statechange", () => p2pcamera.setFilter("invert"), { once: true });
          await attempt({ video: true });
        }"""
    )
    assert [offer.body["filter"] for offer in stage.sent("POST", "/offer")] == ["invert"]


async def test_stats_of_the_server_are_an_event(stage: Stage) -> None:
    page = await stage.open()
    await _live(page)
    await page.evaluate(
        "p2pcamera.addEventListener('stats', ({ detail }) => (window.fps = detail.stats.fps_out))"
    )
    await stage.far_end.evaluate("control.send('{ no JSON')")
    await stage.far_end.evaluate("control.send(JSON.stringify({ type: 'stats', fps_out: 29.5 }))")
    await page.wait_for_function("window.fps === 29.5", timeout=5_000)
    assert await page.evaluate("p2pcamera.sessions[0].stats.fps_out") == 29.5


async def test_workers_error_is_an_event_and_no_answer_to_a_change(stage: Stage) -> None:
    page = await stage.open()
    await _live(page)
    await page.evaluate(
        "p2pcamera.addEventListener('fault', ({ detail }) => (window.code = detail.fault.code))"
    )
    error = "{ type: 'error', of: 'worker', error: { code: 'filter_failed', message: 'Out of memory.' } }"
    await stage.far_end.evaluate("window.answered = reply")
    await stage.far_end.evaluate(f"reply = {error}")
    await page.evaluate("void p2pcamera.setFilter('invert').then(() => (window.isChanged = true))")
    await page.wait_for_function("window.code === 'filter_failed'", timeout=5_000)
    assert await page.evaluate("window.isChanged") is None
    await stage.far_end.evaluate("control.send(JSON.stringify(answered))")
    await page.wait_for_function("window.isChanged", timeout=5_000)
    assert await page.evaluate("p2pcamera.sessions[0].state") == "live"


async def test_session_that_has_ended_refuses_instead_of_waiting(stage: Stage) -> None:
    page = await stage.open()
    await _live(page)
    codes = await page.evaluate(
        """async () => {
          const [session] = p2pcamera.sessions;
          const code = (promise) => promise.then(() => "", (fault) => fault.code);
          const waiting = code(session.setFilter("invert"));
          session.close();
          return [await waiting, await code(session.setFilter("invert")), await code(session.ping())];
        }"""
    )
    assert codes == ["closed", "closed", "closed"]


async def test_ping_measures_the_data_channel(stage: Stage) -> None:
    page = await stage.open()
    await _live(page)
    assert 0 < await page.evaluate("p2pcamera.sessions[0].ping()") < 1_000


async def test_callback_form_of_old_is_filtered_too(stage: Stage) -> None:
    page = await stage.open()
    old = "new Promise((resolve, reject) => navigator.webkitGetUserMedia({ video: true }, resolve, reject))"
    assert await page.evaluate(f"{old}.then(colour)") == "red"


@pytest.mark.parametrize(
    ("tag", "named"),
    [
        ({"params": "{strength: 1}"}, "data-params"),
        ({"params": "[1]"}, "data-params"),
        ({"outage": "Open"}, "outage"),
    ],
)
async def test_wrong_attribute_is_named_and_never_guessed(
    stage: Stage, tag: dict[str, str], named: str
) -> None:
    page = await stage.open(tag)
    failure = await page.evaluate("attempt({ video: true })")
    assert failure.startswith("NotReadableError: ")
    assert named in failure
    assert await _states(page) == ["ended"]
    assert stage.sent("POST", "/offer") == []


async def test_settings_of_the_page_hold_for_the_next_call(stage: Stage) -> None:
    page = await stage.open({"filter": "ink", "token": "old"})
    await page.evaluate(
        "Object.assign(p2pcamera, { filter: 'invert', params: { busy_ms: 1 }, token: 'new' })"
    )
    await _live(page)
    offer = stage.sent("POST", "/offer")[0]
    assert [offer.body["filter"], offer.body["params"]] == ["invert", {"busy_ms": 1}]
    assert offer.headers["authorization"] == "Bearer new"
    assert await page.evaluate("p2pcamera.token") is None
    assert await page.evaluate("Object.isFrozen(p2pcamera)")


async def test_replaced_call_looks_like_the_browsers_own(stage: Stage) -> None:
    page = await stage.open()
    about = (
        "[navigator.mediaDevices.getUserMedia, native.getUserMedia].map(({ name, length }) => [name, length])"
    )
    shim, native = await page.evaluate(about)
    assert shim == native
    assert await page.evaluate("Object.hasOwn(navigator.mediaDevices, 'getUserMedia')") is False
