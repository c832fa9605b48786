"""A published picture in another's browser, through a front of two media processes."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page

from harness.browser import opened
from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEVEL = """() => {
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  const { videoWidth: width, videoHeight: height } = picture;
  if (width === 0) return null;
  pen.drawImage(picture, width / 32, height / 24, width / 16, height / 12, 0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""
"""The colour of the camera's patch, which is (200, 60, 30) before `invert`."""


async def says(page: Page, words: str) -> None:
    await eventually(lambda: page.evaluate(f"message.textContent.startsWith({words!r})"), 10, words)


async def test_a_page_watches_what_a_session_publishes(services: Services, browser: Browser) -> None:
    services.start_signaling("--processes", "2")
    services.start_light_worker("invert")
    await services.ready({"invert": 1})
    async with opened(browser, f"{services.url}/watch/lecture") as page:
        await says(page, "Nobody is live")
        async with Peer(services.http, Picture(320, 240), fps=15) as peer:
            await peer.call(filter="invert", publish="lecture")

            async def is_inverted() -> bool:
                colour = await page.evaluate(LEVEL)
                return colour is not None and colour[0] < 90 and colour[2] > 180

            await eventually(is_inverted, 10, "the viewer sees the inverted picture")
            assert await services.metric("p2pcamera_viewers") == 1
            await eventually(
                lambda: page.evaluate("/ms from the server/.test(delay.textContent)"), 10, "a delay is shown"
            )
            assert await page.evaluate("message.textContent") == ""
            await page.screenshot(path="/tmp/watch_live.png")
