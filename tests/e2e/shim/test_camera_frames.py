"""Cameras that are asked for in frames of a page: each has functions of its own."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Frame, Page

from harness.deadline import eventually
from tests.e2e.stage import (
    HOME,
    SERVER,
    SESSION,
    STRICT,
    THREE_CAMERAS,
    Stage,
    stage_browser,
    staged,
)

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

# The first thing that runs in a frame.
ASK = """window.early = navigator.mediaDevices.getUserMedia({ video: true }).then((stream) => {
  const [track] = stream.getVideoTracks();
  return [track.label, track instanceof MediaStreamTrack, stream instanceof MediaStream];
});"""
ASKING = f"<!doctype html><title>A frame</title><script>{ASK}</script>"
FILES = {
    "/ask.js": ASK,
    "/asking": "<!doctype html><title>Asking</title><script src=ask.js></script>",
    "/empty": "<!doctype html><title>Empty</title>",
    "/nested": "<!doctype html><title>Nested</title><iframe src=asking></iframe>",
}
FILTERED = ["fake_device_0 (filtered)", True, True]


@pytest.fixture(scope="module")
def browser(three_cameras_chromium: Browser) -> Browser:
    return three_cameras_chromium


async def _frame(page: Page, url: str) -> Frame:
    """Wait for a frame that shows `url` and has asked for its camera."""

    async def asked() -> list[Frame]:
        frames = [frame for frame in page.frames[1:] if frame.url == url]
        return [frame for frame in frames if await frame.evaluate("'early' in window")]

    return (await eventually(asked, 10, f"a frame of {url} that asks"))[0]


@pytest.mark.parametrize(
    ("body", "url"),
    [
        ("<iframe srcdoc='<script src=ask.js></script>'></iframe>", "about:srcdoc"),
        ("<iframe src=nested></iframe>", f"{HOME}/asking"),
        pytest.param("<iframe src=asking></iframe>", f"{HOME}/asking", marks=pytest.mark.slow),
        pytest.param("<p><iframe src=asking></iframe>", f"{HOME}/asking", marks=pytest.mark.slow),
    ],
    ids=["srcdoc", "frame in a frame", "page", "later in the page"],
)
async def test_first_script_of_a_frame_finds_the_filtered_camera(stage: Stage, body: str, url: str) -> None:
    page = await stage.open(body=body, files=FILES, headers={"Content-Security-Policy": STRICT})
    frame = await _frame(page, url)
    assert await frame.evaluate("early") == FILTERED
    assert len(stage.sent("POST", "/offer")) == 1


async def test_frame_without_a_page_is_reached_as_soon_as_it_can_be_used(stage: Stage) -> None:
    page = await stage.open()
    label = await page.evaluate(
        """async () => {
          const frame = document.body.appendChild(document.createElement("iframe"));
          const { mediaDevices } = frame.contentWindow.navigator;
          return (await mediaDevices.getUserMedia({ video: true })).getVideoTracks()[0].label;
        }"""
    )
    assert label == FILTERED[0]
    document = """() => {
      const frame = document.body.appendChild(document.createElement("iframe"));
      return frame.contentDocument.defaultView.p2pcamera === p2pcamera;
    }"""
    assert await page.evaluate(document)


async def test_page_that_a_frame_goes_on_to_finds_the_filtered_camera_too(stage: Stage) -> None:
    page = await stage.open(body="<iframe src=empty></iframe>", files=FILES)
    frame = page.frames[1]
    for name in ("asking?1", "asking?2"):
        await frame.goto(f"{HOME}/{name}")
        assert await frame.evaluate("early") == FILTERED


async def test_frame_that_goes_away_frees_its_camera(stage: Stage) -> None:
    page = await stage.open(body="<iframe src=asking></iframe>", files=FILES)
    frame = await _frame(page, f"{HOME}/asking")
    assert await frame.evaluate("early") == FILTERED
    assert await page.evaluate("p2pcamera.sessions.length") == 1
    await page.evaluate("document.querySelector('iframe').remove()")
    await stage.first("DELETE", f"/sessions/{SESSION}")
    assert await page.evaluate("p2pcamera.sessions.length") == 0


@pytest.mark.slow
async def test_frame_and_page_share_the_session_of_one_camera() -> None:
    """In the whole Chromium, whose camera has the same id in both."""
    async with stage_browser(THREE_CAMERAS, is_whole=True) as whole, staged(whole) as stage:
        page = await stage.open(body="<iframe src=asking></iframe>", files=FILES)
        frame = await _frame(page, f"{HOME}/asking")
        assert await frame.evaluate("early") == FILTERED
        assert await page.evaluate("attempt({ video: true })") == ""
        await page.evaluate("document.querySelector('iframe').remove()")
        assert await page.evaluate("colour(stream)") == "red"
        assert len(stage.sent("POST", "/offer")) == 1


async def test_script_tag_in_a_frame_does_not_filter_twice(stage: Stage) -> None:
    shim = f"<script src={SERVER}/p2pcamera.js data-filter=ink></script>"
    twice = f"<!doctype html>{shim}<script src=ask.js></script>"
    page = await stage.open(
        {"filter": "invert"}, body="<iframe src=twice></iframe>", files={**FILES, "/twice": twice}
    )
    frame = await _frame(page, f"{HOME}/twice")
    assert await frame.evaluate("early") == FILTERED
    assert [offer.body["filter"] for offer in stage.sent("POST", "/offer")] == ["invert"]
    assert await frame.evaluate("native.calls.length") == 1


async def test_frame_of_another_origin_is_left_alone(stage: Stage) -> None:
    page = await stage.open(body=f"<iframe src={SERVER.replace('localhost', '127.0.0.1')}></iframe>")
    assert await page.evaluate("attempt({ video: true })") == ""
    assert await page.evaluate("document.querySelector('iframe').contentWindow === frames[0]")


async def test_uninstalled_frames_have_the_browsers_own_functions_again(stage: Stage) -> None:
    page = await stage.open(body="<iframe src=empty></iframe>", files=FILES)
    frame = page.frames[1]
    await frame.goto(f"{HOME}/empty?")
    await eventually(lambda: frame.evaluate("'p2pcamera' in window"), 5, "the frame is reached")
    assert await page.evaluate("p2pcamera.uninstall(); 'p2pcamera' in window") is False
    assert await frame.evaluate("attempt({ video: true })") == ""
    assert await frame.evaluate("['p2pcamera' in window, stream === native.streams[0]]") == [False, True]
    await page.evaluate("document.body.append(document.createElement('iframe'))")
    assert await page.evaluate("'p2pcamera' in document.querySelectorAll('iframe')[1].contentWindow") is False
