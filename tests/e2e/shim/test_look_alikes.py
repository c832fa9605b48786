"""Pages that call the camera as conference sites do, from the lobby to hanging up."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from harness.deadline import eventually
from tests.e2e.stage import COUNT_CONNECTIONS, SESSION, STRICT, Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PAGES = Path(__file__).parents[1] / "pages"

WIDTHS = """async () => {
  const isPicture = ({ type, kind }) => /^(in|out)bound-rtp$/.test(type) && kind === "video";
  const told = ({ type, frameWidth, qualityLimitationReason: why = "" }) => `${type} ${frameWidth} ${why}`;
  const ofPeer = async (peer) => [...(await peer.getStats()).values()].filter(isPicture).map(told);
  return [
    [...(window.native?.cameras ?? [])].map((camera) => `${camera.readyState} ${camera.getSettings().width}`),
    await Promise.all((window.connections ?? [window.peer]).map(ofPeer)),
  ];
}"""
"""The widths of the browser's cameras, and of what each connection of a page receives and sends."""


@pytest.fixture(scope="module")
def browser(three_cameras_chromium: Browser) -> Browser:
    return three_cameras_chromium


async def _site(stage: Stage, name: str) -> Page:
    page = await stage.open(
        first=COUNT_CONNECTIONS,
        body=f"<script src=/{name}.js></script>",
        files={f"/{name}.js": (PAGES / f"{name}.js").read_text()},
        headers={"Content-Security-Policy": STRICT},
    )
    await page.evaluate(f"{name}.join()")
    return page


async def _sees(page: Page, stream: str, colour: str) -> None:
    """Wait until the other side sees `colour`, and never the camera's green."""
    seen = await page.evaluate(
        f"""async () => {{
          const until_ms = performance.now() + 15_000;
          const found = new Set();
          while (!found.has("{colour}") && performance.now() < until_ms) found.add(await colour({stream}));
          return [...found];
        }}"""
    )
    assert colour in seen
    assert "green" not in seen


async def _is_wide(stage: Stage, page: Page, stream: str, width: int) -> None:
    await page.evaluate(
        f"""window.shown ??= Object.assign(document.createElement("video"), {{ muted: true }});
        shown.srcObject = {stream}; shown.play(); 0"""
    )
    try:
        await eventually(lambda: page.evaluate(f"shown.videoWidth === {width}"), 15, f"{width} pixels")
    except AssertionError:
        print("in the page:", await page.evaluate(WIDTHS))
        print("at the far end:", await stage.far_end.evaluate(WIDTHS))
        raise


async def test_meet_shows_and_manages_the_filtered_camera(stage: Stage) -> None:
    page = await _site(stage, "meet")
    assert await page.evaluate("meet.isListed()")
    assert len(stage.sent("POST", "/offer")) == 1
    await _sees(page, "meet.seen", "red")
    assert await page.evaluate("meet.resize(320, 240)") == [320, 240]
    await _is_wide(stage, page, "meet.seen", 320)
    await page.evaluate("meet.mute(true)")
    await _sees(page, "meet.seen", "0, 0")
    await page.evaluate("meet.mute(false)")
    await _sees(page, "meet.seen", "red")
    await page.click("button")
    kinds = await eventually(lambda: page.evaluate("meet.kinds"), 15, "a screen is shared")
    assert kinds == [False, True]
    assert len(stage.sent("POST", "/offer")) == 1
    await page.evaluate("meet.switchTo('fake_device_2 (filtered)')")
    assert await page.evaluate("p2pcamera.sessions.map(({ camera }) => camera.label)") == ["fake_device_2"]
    await _sees(page, "meet.seen", "red")
    await page.evaluate("meet.leave()")
    assert await page.evaluate("[p2pcamera.sessions.length, native.isOn()]") == [0, False]


async def test_teams_shows_and_manages_the_filtered_camera(stage: Stage) -> None:
    page = await _site(stage, "teams")
    await _sees(page, "teams.seen", "red")
    assert await page.evaluate("teams.layOut([1280, 720], [99999, 720], [640, 360])") == [
        ["done", "OverconstrainedError: width", "done"],
        [640, 360],
    ]
    await _is_wide(stage, page, "teams.seen", 640)
    await page.evaluate("teams.switchOff()")
    assert await page.evaluate("native.isOn()") is False
    await stage.first("DELETE", f"/sessions/{SESSION}")
    await page.evaluate("teams.switchOn()")
    await _sees(page, "teams.seen", "red")
    assert len(stage.sent("POST", "/offer")) == 2
    await page.evaluate("teams.leave()")
    assert await page.evaluate("[p2pcamera.sessions.length, native.isOn()]") == [0, False]
