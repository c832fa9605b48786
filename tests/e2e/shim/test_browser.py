"""A page with one script tag, in Chromium, through both services and back."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from playwright.async_api import Browser

from harness.browser import Shown, frames, opened, shown
from harness.deadline import eventually
from harness.pages import write_pages
from harness.picture import LOOP_S, PATCH_RGB
from harness.services import Services
from tests.e2e.conftest import CAMERA_FPS, CAMERA_MARK, CAMERA_SIZE

pytestmark = pytest.mark.asyncio(loop_scope="session")

Site = tuple[Path, str]

COLOUR_TOLERANCE = 24
"""Two lossy codecs and two conversions lie between."""
FIRST_FRAMES_S = 40.0
REFRESH_MS = 17
BUSY_MS = 500
LEAST_BITRATE = 700_000
"""Chromium begins with 300,000 and stays there for seconds, unless the answer tells it otherwise."""


def assert_advancing(rows: list[Shown]) -> None:
    """Every frame is of this camera, and each is newer than the one before (the loop's end aside)."""
    counters = [row.counter for row in rows if row.counter is not None]
    assert len(counters) > 0.9 * len(rows)
    assert {row.mark for row in rows if row.counter is not None} == {CAMERA_MARK}
    loop = LOOP_S * CAMERA_FPS
    assert all((other - one) % loop < loop / 2 for one, other in pairwise(counters))


async def test_page_with_one_script_tag_gets_its_camera_inverted(
    calm: Services, browser: Browser, site: Site
) -> None:
    folder, url = site
    write_pages(folder, calm.url, {"data-filter": "invert"})
    async with opened(browser, url) as page:
        rows = await frames(page, 30, FIRST_FRAMES_S)
        assert_advancing(rows)
        assert all(row.is_inverted for row in rows if row.counter is not None)
        for channel, value in enumerate(PATCH_RGB):
            assert abs(rows[-1].patch_rgb[channel] - (255 - value)) < COLOUR_TOLERANCE

        assert await page.evaluate("window.codecs()") == ["video/H264", "video/H264"]

        first_second = [row for row in rows if row.at_ms < rows[0].at_ms + 1000]
        assert {(row.width, row.height) for row in first_second[-5:]} == {CAMERA_SIZE}


async def test_camera_is_sent_at_the_full_size_and_a_high_bitrate_from_the_first_second(
    calm: Services, stage_chromium: Browser, site: Site
) -> None:
    """By Chromium's made-up camera, which is larger than that of the other tests."""
    folder, url = site
    write_pages(folder, calm.url, {"data-filter": "passthrough"})
    async with opened(stage_chromium, url) as page:

        async def after_a_second() -> list[Shown]:
            rows = await shown(page)
            return [row for row in rows if row.at_ms > rows[0].at_ms + 1000]

        rows = await eventually(after_a_second, FIRST_FRAMES_S, "a picture after the first second")
        # What the encoder is told to make; a busy machine makes less of it.
        assert (await page.evaluate("window.traffic()"))["targetBitrate"] > LEAST_BITRATE
        assert {(row.width, row.height) for row in rows} == {(640, 480)}
        settings = await page.evaluate("window.stream.getVideoTracks()[0].getSettings()")
        assert (settings["width"], settings["height"]) == (640, 480)


async def test_a_service_of_vp8_alone_shows_the_camera_by_it(
    services: Services, browser: Browser, site: Site
) -> None:
    folder, url = site
    services.start_signaling("--video-codecs", "vp8")
    services.start_light_worker("invert")
    await services.ready({"invert": 1})
    write_pages(folder, services.url, {"data-filter": "invert"})
    async with opened(browser, url) as page:
        rows = await frames(page, 20, FIRST_FRAMES_S)
        assert_advancing(rows)
        assert await page.evaluate("window.codecs()") == ["video/VP8", "video/VP8"]


async def test_counter_is_read_through_the_default_filter(
    calm: Services, browser: Browser, site: Site
) -> None:
    folder, url = site
    write_pages(folder, calm.url)
    async with opened(browser, url) as page:
        rows = await frames(page, 30, FIRST_FRAMES_S)
        assert_advancing(rows)


async def test_stopping_the_returned_track_ends_the_session(
    calm: Services, browser: Browser, site: Site
) -> None:
    folder, url = site
    write_pages(folder, calm.url, {"data-filter": "passthrough"})
    async with opened(browser, url) as page:
        await frames(page, 5, FIRST_FRAMES_S)
        with_this = await calm.sessions()
        await page.evaluate("window.stream.getTracks().forEach((track) => track.stop())")
        await calm.has_sessions(with_this - 1, within_s=3)


async def test_parameters_of_the_script_tag_reach_the_filter(
    calm: Services, browser: Browser, site: Site
) -> None:
    folder, url = site
    params = json.dumps({"busy_ms": BUSY_MS})
    write_pages(folder, calm.url, {"data-filter": "invert", "data-params": params})
    async with opened(browser, url) as page:
        rows = await frames(page, 6, FIRST_FRAMES_S)
        gaps_ms = [later.at_ms - earlier.at_ms for earlier, later in pairwise(rows)]
        assert median(gaps_ms) > 0.8 * BUSY_MS
        # The camera's picture and the filtered one are each seen at the next refresh of the screen.
        assert min(row.age_ms for row in rows if row.age_ms is not None) > BUSY_MS - REFRESH_MS
