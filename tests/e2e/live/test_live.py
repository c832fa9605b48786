"""A published picture in another's browser, through a front of two media processes."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page

from harness.browser import opened
from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services
from tests.e2e.demo_page import demo

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
            await eventually(lambda: is_inverted(page), 10, "the viewer sees the inverted picture")
            assert await services.metric("p2pcamera_viewers") == 1
            await eventually(
                lambda: page.evaluate("/ms from the server/.test(delay.textContent)"), 10, "a delay is shown"
            )
            assert await page.evaluate("message.textContent") == ""


async def is_inverted(page: Page) -> bool:
    colour = await page.evaluate(LEVEL)
    return colour is not None and colour[0] < 90 and colour[2] > 180


async def test_a_page_goes_live_with_its_sound_is_taken_over_and_stops(
    services: Services, browser: Browser
) -> None:
    services.start_signaling("--processes", "2")
    services.start_light_worker("invert")
    await services.ready({"invert": 1})
    granted = ["camera", "microphone", "clipboard-read", "clipboard-write"]
    async with demo(browser, services.url, permissions=granted) as publisher:
        page = publisher.page

        async def panel_says(words: str) -> None:
            await publisher.so(lambda: page.evaluate(f"live.innerText.includes({words!r})"), words)

        assert await page.evaluate("p2pcamera.publish('a b').catch(({ code }) => code)") == "bad_settings"
        await publisher.choose("invert")
        await page.locator("#live-sound").check()
        # Live from a standstill: the camera, the microphone, the name that nobody guesses.
        await page.locator("#live-begin").click()
        await publisher.so(lambda: page.evaluate("p2pcamera.publication?.sound"), "live with sound")
        await publisher.so(page.locator("#live-begin:enabled").count, "the button ends it")
        told = await page.evaluate("p2pcamera.publication")
        assert len(told["name"]) >= 16
        assert await page.locator("#live-address").get_attribute("href") == told["watchUrl"]
        async with opened(browser, told["watchUrl"]) as viewer:
            await eventually(lambda: is_inverted(viewer), 15, "the viewer sees the inverted picture")
            await eventually(lambda: viewer.evaluate("!sound.hidden"), 15, "there is sound")
            await panel_says("Watching now: 1")
            # As a telephone that has read the code.
            link = f"{services.url}/#filter=invert&publish={told['name']}"
            async with demo(browser, link, permissions=granted) as telephone:
                await telephone.page.get_by_role("button", name="Send to the link").click()
                await panel_says("Another page publishes")
                await telephone.so(
                    lambda: telephone.page.evaluate("p2pcamera.publication?.viewers === 1"), "it is watched"
                )
                # The name belongs to the other process, so a new offer followed a refused change.
                assert all("409" in one for one in telephone.complaints), telephone.complaints
                telephone.complaints.clear()
                assert await page.evaluate("p2pcamera.publication") is None
                await publisher.is_live("invert")
            await page.locator("#live-begin").click()
            await panel_says("Watching now: 0")
            # Another name, since none was kept.
            assert await page.evaluate("p2pcamera.publication.name") != told["name"]
            # An outage: the page publishes anew, by itself.
            await services.http.delete(f"/sessions/{await page.evaluate('p2pcamera.sessions[0].id')}")
            again = await page.evaluate("p2pcamera.publication.watchUrl")
            await publisher.is_live("invert")
            async with opened(browser, again) as late:
                await eventually(lambda: is_inverted(late), 15, "the picture after the outage")
        await page.locator("#live-begin").click()
        await publisher.so(lambda: page.evaluate("document.querySelector('#live-link').hidden"), "it stopped")
        assert await page.evaluate("p2pcamera.publication") is None
        await publisher.is_live("invert")
