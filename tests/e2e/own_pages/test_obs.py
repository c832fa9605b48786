"""The page for OBS, with both services: the picture, its address, and what happens when the service goes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.async_api import Browser, Page

from harness.browser import opened
from harness.deadline import eventually
from harness.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

CORNER = """() => {
  const video = document.querySelector("video");
  const pen = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext("2d");
  pen.drawImage(video, 0, 0);
  const { videoWidth: width, videoHeight: height } = video;
  return [width, height, ...pen.getImageData(width / 16, height / 12, 1, 1).data.slice(0, 3)];
}"""


async def _is_in_state(page: Page, state: str, within_s: float = 30) -> None:
    await eventually(
        lambda: page.evaluate("state => document.body.dataset.state === state", state),
        within_s,
        f"the page is {state}",
    )


async def test_obs_page_shows_the_filtered_camera_in_the_whole_window(
    calm: Services, browser: Browser
) -> None:
    params = quote('{"busy_ms": 1}')
    wanted = f"filter=invert&params={params}&width=320&height=240&device=camera.y4m&fit=cover#token=unused"
    async with opened(browser, f"{calm.url}/obs.html?{wanted}") as page:
        await _is_in_state(page, "live")
        asked = await page.evaluate("[p2pcamera.filter, p2pcamera.params, p2pcamera.sessions[0].filters]")
        assert asked == [["invert"], {"busy_ms": 1}, ["invert"]]
        box = await page.evaluate(
            """(({ x, y, width, height }) => [x, y, width, height])(
              document.querySelector("video").getBoundingClientRect()
            )"""
        )
        assert box == [0, 0, *(await page.evaluate("[innerWidth, innerHeight]"))]
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
        assert (await page.evaluate(CORNER))[:2] == [320, 240]


async def test_obs_page_waits_for_a_service_without_workers_and_paints_nothing_meanwhile(
    services: Services, browser: Browser, tmp_path: Path
) -> None:
    services.start_signaling()
    await eventually(lambda: _answers(services), 30, "the service answers")
    async with opened(browser, f"{services.url}/obs.html") as page:
        await _is_in_state(page, "waiting")
        assert await page.evaluate("getComputedStyle(document.querySelector('video')).visibility") == "hidden"
        services.start_light_worker("invert")
        await services.ready({"invert": 1})
        await page.evaluate("p2pcamera.filter = 'invert'")
        await _is_in_state(page, "live")


async def _answers(services: Services) -> bool:
    try:
        return (await services.http.get("/healthz")).status_code == 200
    except httpx.TransportError:
        return False
