"""The shim by itself: what a page sees of it, whatever the server is."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser

from harness.deadline import eventually
from tests.e2e.shim_page import camera_states, live
from tests.e2e.stage import SERVER, SESSION, Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


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
    await live(page)
    assert await page.evaluate("colour(stream)") == "red"
    assert await page.evaluate("colour(native.streams[0])") == "green"


async def test_audio_track_is_the_browsers_own(stage: Stage) -> None:
    page = await stage.open()
    await live(page, "{ video: true, audio: true }")
    same = await page.evaluate("stream.getAudioTracks()[0] === native.streams[0].getAudioTracks()[0]")
    assert same
    assert await page.evaluate("stream.getTracks().map(({ kind }) => kind).toSorted()") == ["audio", "video"]
    assert "m=audio" not in stage.sent("POST", "/offer")[0].body["sdp"]


async def test_offer_says_what_the_script_tag_says(stage: Stage) -> None:
    params = '{"invert": {"busy_ms": 3}}'
    page = await stage.open({"filter": "ink, invert", "params": params, "outage": "open", "token": "s3cret"})
    await live(page)
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
    await live(page)
    offer = stage.sent("POST", "/offer")[0]
    assert "filter" not in offer.body
    assert offer.body["outage"] == "closed"
    assert "authorization" not in offer.headers
    assert await page.evaluate("p2pcamera.server") == f"{SERVER}/"


async def test_candidates_after_the_offer_follow_as_sdp_fragments(stage: Stage) -> None:
    page = await stage.open()
    await live(page)
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
    assert await camera_states(page) == ["ended", "ended"]
    assert await page.evaluate("p2pcamera.sessions.length") == 0


async def test_unreachable_server_under_open_is_the_raw_camera(stage: Stage, closed_server: str) -> None:
    page = await stage.open({"server": closed_server, "outage": "open"})
    await page.evaluate(
        "p2pcamera.addEventListener('statechange', (event) => (window.last = event.detail.session))"
    )
    await live(page)
    assert await page.evaluate("stream === native.streams[0]")
    assert await camera_states(page) == ["live"]
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
    assert await camera_states(page) == ["ended", "ended"]
    fault = await page.evaluate("[last.state, last.fault.code, last.fault.status, last.fault.retryAfterS]")
    assert fault == ["failed", "no_worker", 503, 30]


@pytest.mark.parametrize(
    ("constraints", "name"),
    [
        ("{ video: { deviceId: { exact: 'none' } } }", "OverconstrainedError"),
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
    await live(page)
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
    await live(page)
    assert await page.evaluate("stream.getVideoTracks()[0].muted") is False
    assert await page.evaluate("violations") == []
    # The policy is at work: this is what it forbids.
    assignment = "try { document.body.innerHTML = ''; 'allowed' } catch { 'forbidden' }"
    assert await page.evaluate(assignment) == "forbidden"
    await page.wait_for_function("violations.length > 0", timeout=5_000)


async def test_stop_ends_the_session_and_frees_the_camera(stage: Stage) -> None:
    page = await stage.open({"token": "s3cret"})
    await live(page, "{ video: true, audio: true }")
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


@pytest.mark.parametrize(
    "copy",
    [
        "stream.getVideoTracks()[0].clone()",
        pytest.param("stream.clone().getVideoTracks()[0]", marks=pytest.mark.slow),
    ],
)
async def test_session_lasts_until_the_last_clone_stops(stage: Stage, copy: str) -> None:
    page = await stage.open()
    await live(page)
    await page.evaluate(f"window.copy = {copy}; stream.getVideoTracks()[0].stop()")
    assert await page.evaluate("colour(new MediaStream([copy]))") == "red"
    assert await page.evaluate("p2pcamera.sessions[0].state") == "live"
    assert await page.evaluate("native.isOn()")
    await page.evaluate("copy.stop()")
    await stage.first("DELETE", f"/sessions/{SESSION}")
    assert not await page.evaluate("native.isOn()")


@pytest.mark.own_context
@pytest.mark.parametrize(
    "is_closed", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["left", "closed"]
)
async def test_page_that_goes_away_ends_its_session(stage: Stage, is_closed: bool) -> None:
    # A real server and no routes, since Playwright holds up a request that outlives its page.
    async with _recorder() as (address, lines):
        for path in ("/ice-servers", "/offer"):
            await stage.context.route(f"{address}{path}", stage.serve)
        page = await stage.open({"server": address, "token": "s3cret"})
        await live(page)
        await page.unroute_all()
        await stage.context.unroute_all()
        await (page.close() if is_closed else page.goto("about:blank"))
        end = f"DELETE /sessions/{SESSION} HTTP/1.1"
        await eventually(lambda: end in lines, 5, end)


async def test_track_has_the_cameras_name_and_the_filtered_device(stage: Stage) -> None:
    page = await stage.open()
    await live(page)
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


async def test_callback_form_of_old_is_filtered_too(stage: Stage) -> None:
    page = await stage.open()
    old = "new Promise((resolve, reject) => navigator.webkitGetUserMedia({ video: true }, resolve, reject))"
    assert await page.evaluate(f"{old}.then(colour)") == "red"


@pytest.mark.parametrize(
    ("tag", "named"),
    [
        ({"params": "{strength: 1}"}, "data-params"),
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
    assert await camera_states(page) == ["ended"]
    assert stage.sent("POST", "/offer") == []


async def test_replaced_call_looks_like_the_browsers_own(stage: Stage) -> None:
    page = await stage.open()
    about = (
        "[navigator.mediaDevices.getUserMedia, native.getUserMedia].map(({ name, length }) => [name, length])"
    )
    shim, native = await page.evaluate(about)
    assert shim == native
    assert await page.evaluate("Object.hasOwn(navigator.mediaDevices, 'getUserMedia')") is False
