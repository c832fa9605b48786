"""The shim when its server is away, refuses, or has no room: what its page sees, and when it tries again."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser, Page

from harness.deadline import eventually
from tests.e2e.shim_page import camera_states, live
from tests.e2e.stage import COUNT_CONNECTIONS, SESSION, Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


RAW_SURELY_AFTER_MS = 1_500


@pytest.fixture(scope="module")
def browser(stage_chromium: Browser) -> Browser:
    return stage_chromium


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
    assert await camera_states(page) == ["ended"]


# What a browser lacks that has neither of the ways to a track of its own.
WITHOUT_GENERATOR = "delete window.MediaStreamTrackProcessor;"


WITHOUT_CANVAS = "delete HTMLCanvasElement.prototype.captureStream;"


async def _reconnected(stage: Stage, page: Page, offers: int = 2) -> None:
    await eventually(lambda: len(stage.sent("POST", "/offer")) >= offers, 5, f"offer {offers}")
    await page.wait_for_function("p2pcamera.sessions[0]?.state === 'live'", timeout=5_000)


@pytest.mark.parametrize("lacking", ["", WITHOUT_GENERATOR], ids=["generator", "canvas"])
async def test_lost_connection_is_made_anew_behind_a_track_that_stays(stage: Stage, lacking: str) -> None:
    page = await stage.open(first=COUNT_CONNECTIONS + lacking)
    await live(page)
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
    assert await camera_states(page) == ["live"]
    assert await page.evaluate("connections.map(({ connectionState }) => connectionState)") == [
        "closed",
        "connected",
    ]
    assert len(stage.sent("DELETE", f"/sessions/{SESSION}")) == 1


async def test_session_that_the_server_no_longer_has_is_made_anew(stage: Stage) -> None:
    page = await stage.open()
    await live(page)
    # Nothing more comes from a server that was killed, not even the end of the connection.
    stage.is_forgetful = True
    await stage.far_end.evaluate("control.onmessage = null; peer.getSenders()[0].replaceTrack(null)")
    await _reconnected(stage, page)
    assert [request.text for request in stage.checks()] == ["{}"]
    assert await page.evaluate("colour(stream)") == "red"


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "token_missing"), pytest.param(422, "invalid_params", marks=pytest.mark.slow)],
)
async def test_refusal_for_good_ends_the_track_as_an_unplugged_camera_does(
    stage: Stage, status: int, code: str
) -> None:
    page = await stage.open()
    await live(page)
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
    assert await camera_states(page) == ["ended"]
    assert len(stage.sent("POST", "/offer")) == 2


async def test_refusal_for_good_under_open_leaves_the_raw_camera_until_the_page_stops_it(
    stage: Stage,
) -> None:
    page = await stage.open({"outage": "open"})
    await live(page)
    await page.evaluate("window.session = p2pcamera.sessions[0]")
    stage.refusal = (403, "token_wrong", "Not you.")
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("session.state === 'raw'", timeout=5_000)
    assert await page.evaluate("colour(stream)") == "green"
    assert await page.evaluate("stream.getVideoTracks()[0].readyState") == "live"
    await page.evaluate("stream.getVideoTracks()[0].stop()")
    assert await camera_states(page) == ["ended"]


async def test_browser_that_can_make_no_track_ends_the_remote_one_with_its_connection(stage: Stage) -> None:
    page = await stage.open(first=WITHOUT_GENERATOR + WITHOUT_CANVAS)
    await live(page)
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
    assert await camera_states(page) == ["ended"]


@pytest.mark.parametrize(("outage", "colour"), [("closed", "red"), ("open", "green")])
async def test_outage_shows_the_last_frame_or_under_open_the_raw_camera(
    stage: Stage, outage: str, colour: str
) -> None:
    page = await stage.open({"outage": outage})
    await live(page)
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
    await live(page)
    await page.evaluate("window.session = p2pcamera.sessions[0]")
    stage.refusal = (503, "no_worker", "No live worker serves ink.")
    await stage.far_end.evaluate("peer.close()")
    await eventually(lambda: len(stage.sent("POST", "/offer")) >= 3, 5, "it tries again")
    await page.evaluate("stream.getVideoTracks()[0].stop()")
    assert await page.evaluate("session.state") == "ended"
    assert await camera_states(page) == ["ended"]
    tries = await stage.tries(page)
    await page.clock.fast_forward(60_000)
    assert await stage.tries(page) == tries


@pytest.mark.slow
@pytest.mark.own_context
async def test_full_server_is_not_asked_again_before_it_said_so(stage: Stage) -> None:
    page = await stage.open()
    await page.clock.install()
    await page.reload()
    await live(page)
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
    await live(page)
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


@pytest.mark.slow
@pytest.mark.own_context
async def test_network_that_comes_back_during_a_try_is_used_at_once(stage: Stage) -> None:
    page = await stage.open()
    await page.clock.install()
    await page.reload()
    await live(page)
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
    await live(page)
    stage.refusal = (404, "unknown_filter", "No worker ever served ink.")
    await stage.far_end.evaluate("peer.close()")
    await page.wait_for_function("p2pcamera.sessions[0].fault?.code === 'unknown_filter'", timeout=5_000)
    stage.refusal = None
    await _reconnected(stage, page, offers=3)
    assert await page.evaluate("p2pcamera.sessions[0].fault") is None


async def test_filter_chosen_in_an_outage_is_in_the_next_offer_and_a_refused_one_is_taken_back(
    stage: Stage,
) -> None:
    page = await stage.open({"filter": "ink"})
    await live(page)
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
