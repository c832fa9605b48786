"""The shim with a private filter: what its page sees when the server is away, refuses or has switched."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page

from harness.deadline import eventually
from tests.e2e.stage import COUNT_CONNECTIONS, Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

REFUSED = (422, "unusable_offer", "no")
RAW_SURELY_AFTER_MS = 1_500

# What stands on the page's screen, whether or not another frame comes.
WATCH = """
window.watch = async (stream) => {
  window.screen_ = Object.assign(document.createElement("video"), { srcObject: stream, muted: true });
  await screen_.play();
};
window.standing = () => {
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  pen.drawImage(screen_, 0, 0, 1, 1);
  const [red, green] = pen.getImageData(0, 0, 1, 1).data;
  if (red < 30 && green < 30) return "black";
  return red > 150 && green < 80 ? "red" : green > 80 && red < 80 ? "green" : `${red}, ${green}`;
};
window.standingFor = async (duration_ms) => {
  const found = new Set();
  const began_ms = performance.now();
  while (performance.now() < began_ms + duration_ms) {
    found.add(standing());
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  return [...found];
};
"""


@pytest.fixture(scope="module")
def browser(stage_chromium: Browser) -> Browser:
    return stage_chromium


async def is_on(page: Page) -> bool:
    return bool(await page.evaluate("native.isOn()"))


async def switched(stage: Stage, page: Page, name: str, ahead_s: float) -> float:
    """Switch to a private filter whose first frame is so much younger than now; returns the ms it took."""
    now: int = await page.evaluate(
        """async () => {
          const receiver = connections[0].getReceivers().find(({ track }) => track.kind === "video");
          return receiver.getSynchronizationSources()[0].rtpTimestamp;
        }"""
    )
    first = int(now + 90_000 * ahead_s) % 2**32
    reply = {"type": "filter", "ok": True, "filter": [name], "private": True, "first_rtp_timestamp": first}
    await stage.far_end.evaluate("said => { reply = said; }", reply)
    took: float = await page.evaluate(
        """async (name) => {
          const began = performance.now();
          await p2pcamera.setFilter(name);
          return performance.now() - began;
        }""",
        name,
    )
    return took


@pytest.mark.parametrize("attribute", ["background", "ink,face", "mask"])
async def test_a_first_connection_that_is_refused_is_no_raw_camera(stage: Stage, attribute: str) -> None:
    """By the names the shim knows, and by what the server says of others."""
    stage.refusal, stage.private = REFUSED, ["mask"]
    page = await stage.open({"filter": attribute, "outage": "open"})
    assert "could not start" in await page.evaluate("attempt({ video: true })")
    assert not await is_on(page)


async def test_an_outage_shows_no_raw_camera_and_the_wish_returns_with_another_filter(stage: Stage) -> None:
    stage.private = ["mask"]
    page = await opened(stage, filter="mask", outage="open")
    await stage.far_end.evaluate("peer.getSenders()[0].replaceTrack(null)")
    assert await page.evaluate(f"standingFor({RAW_SURELY_AFTER_MS})") == ["red"]
    await stage.far_end.evaluate("reply = { type: 'filter', ok: true, filter: ['ink'], private: false }")
    await page.evaluate("p2pcamera.setFilter('ink')")

    async def is_raw() -> bool:
        return bool(await page.evaluate("standing() === 'green'"))

    await eventually(is_raw, 5, "the raw camera")
    # And away again, from the first moment.
    await stage.far_end.evaluate("reply = { type: 'filter', ok: true, filter: ['face'], private: true }")
    await page.evaluate("p2pcamera.setFilter('face')")
    assert await page.evaluate(f"standingFor({RAW_SURELY_AFTER_MS})") == ["black"]


async def test_a_raw_track_ends_when_a_private_filter_is_chosen(stage: Stage) -> None:
    stage.refusal = REFUSED
    page = await stage.open({"filter": "ink", "outage": "open"})
    assert await page.evaluate("attempt({ video: true })") == ""
    assert await page.evaluate("colour(stream)") == "green"
    await page.evaluate(
        """() => {
          window.copy = stream.clone();
          window.ended = 0;
          for (const one of [stream, copy]) one.getVideoTracks()[0].onended = () => { window.ended += 1; };
        }"""
    )
    await page.evaluate("p2pcamera.setFilter(['face', 'ink'])")
    assert await page.evaluate("ended") == 2
    assert not await is_on(page)


async def test_a_switch_resolves_with_the_frame_that_the_server_names(stage: Stage) -> None:
    page = await opened(stage)
    assert await switched(stage, page, "face", ahead_s=-1) < 700
    assert await page.evaluate("standing()") == "red"


async def test_a_switch_waits_for_that_frame_and_shows_none_before(stage: Stage) -> None:
    page = await opened(stage)
    assert await switched(stage, page, "face", ahead_s=1) > 700
    assert await page.evaluate("standing()") == "red"


async def test_where_that_frame_never_comes_the_picture_is_covered(stage: Stage) -> None:
    page = await opened(stage)
    assert await switched(stage, page, "face", ahead_s=600) > 1_900
    track = "stream.getVideoTracks()[0]"
    assert await page.evaluate(f"[p2pcamera.sessions[0].state, {track}.readyState]") == ["live", "live"]
    assert await page.evaluate("standing()") == "black"


async def opened(stage: Stage, **attributes: str) -> Page:
    page = await stage.open({"filter": "ink", **attributes}, first=COUNT_CONNECTIONS + WATCH)
    assert await page.evaluate("attempt({ video: true })") == ""
    await page.evaluate("watch(stream)")
    assert await page.evaluate("standing()") == "red"
    return page
