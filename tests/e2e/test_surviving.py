"""The page's track outlives the connection behind it: a service is killed and comes back in mid-call."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest
from playwright.async_api import Browser, Page

from tests.e2e.browser import Shown, forget, frames, opened, shown
from tests.e2e.deadline import eventually
from tests.e2e.pages import write_pages
from tests.e2e.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

Site = tuple[Path, str]

FIRST_FRAMES_S = 15.0
BACK_WITHIN_MS = 3_000
"""From when the service can serve again."""
RAW_WITHIN_MS = 1_500


def readable(rows: list[Shown]) -> list[Shown]:
    return [row for row in rows if row.counter is not None]


def raw(rows: list[Shown]) -> list[Shown]:
    """Every raw picture of this camera can be read, and is not inverted."""
    return [row for row in readable(rows) if not row.is_inverted]


async def filtered_again(page: Page, since_ms: float) -> Shown:
    """Wait for a filtered frame that the camera took later than the last one shown before `since_ms`."""
    before = [row.counter for row in readable(await shown(page)) if row.at_ms < since_ms + 500]

    async def found() -> list[Shown]:
        rows = readable(await shown(page))
        return [row for row in rows if row.is_inverted and row.at_ms > since_ms and row.counter not in before]

    return (await eventually(found, 30, "a new filtered frame"))[0]


async def now_ms(page: Page) -> float:
    now: float = await page.evaluate("performance.now()")
    return now


async def states(page: Page) -> list[str]:
    """Return the state of the session and that of the page's track."""
    found: list[str] = await page.evaluate(
        "[window.p2pcamera.sessions[0]?.state, window.stream.getVideoTracks()[0].readyState]"
    )
    return found


async def open_connections(page: Page) -> int:
    count: int = await page.evaluate(
        "connections.filter(({ connectionState }) => connectionState !== 'closed').length"
    )
    return count


async def test_track_goes_on_when_the_signaling_service_is_killed_and_started_again_and_is_never_raw(
    services: Services, browser: Browser, site: Site
) -> None:
    await services.start("invert")
    assert services.signaling is not None
    folder, url = site
    write_pages(folder, services.url, {"data-filter": "invert"})
    async with opened(browser, url) as page:
        await frames(page, 20, FIRST_FRAMES_S)
        for number in (signal.SIGKILL, signal.SIGTERM):
            await forget(page)
            await frames(page, 5, FIRST_FRAMES_S)
            gone_ms = await now_ms(page)
            services.signaling.signal(number)
            await services.signaling.ended()
            services.signaling.start()
            await services.ready({"invert": 1})
            ready_ms = await now_ms(page)
            back = await filtered_again(page, gone_ms)
            print(
                f"{number!r}: ready {ready_ms - gone_ms:.0f} ms, filtered {back.at_ms - gone_ms:.0f} ms later"
            )
            assert back.at_ms - ready_ms < BACK_WITHIN_MS
            await eventually(lambda: _are(page, ["live", "live"]), 5, "the session is live again")
            assert not raw(await shown(page))
        assert await page.evaluate("connections.length") >= 3
        assert await open_connections(page) == 1
        assert await services.sessions() == 1
        assert await page.evaluate("window.stream.getVideoTracks()[0].muted") is False

        await page.evaluate("window.stream.getVideoTracks()[0].stop()")
        await services.has_sessions(0, within_s=3)
        assert await open_connections(page) == 0


async def test_open_session_shows_the_raw_camera_while_the_service_is_away_and_none_once_it_is_stopped(
    services: Services, browser: Browser, site: Site
) -> None:
    await services.start("invert")
    assert services.signaling is not None
    folder, url = site
    write_pages(folder, services.url, {"data-filter": "invert", "data-outage": "open"})
    async with opened(browser, url) as page:
        await frames(page, 20, FIRST_FRAMES_S)
        assert not raw(await shown(page))
        gone_ms = await now_ms(page)
        services.signaling.kill()

        async def raw_frames() -> list[Shown]:
            rows = raw(await shown(page))
            return rows if len(rows) > 20 else []

        first_raw, *_ = await eventually(raw_frames, 6, "the raw camera")
        assert first_raw.at_ms - gone_ms < RAW_WITHIN_MS
        services.signaling.start()
        await services.ready({"invert": 1})

        async def is_filtered() -> bool:
            rows = readable(await shown(page))[-20:]
            return len(rows) == 20 and all(row.is_inverted for row in rows)

        await eventually(is_filtered, 10, "the filter again")

        # The raw feed has ended, and a page that stops its track in an outage hears nothing more.
        services.signaling.kill()
        await eventually(lambda: _are(page, ["reconnecting", "live"]), 6, "the loss is noticed")
        await page.evaluate("window.session = window.p2pcamera.sessions[0]")
        await page.evaluate("window.stream.getVideoTracks()[0].stop()")
        assert await page.evaluate("[session.state, session.camera.readyState]") == ["ended", "ended"]
        made = await page.evaluate("connections.length")
        assert await open_connections(page) == 0
        services.signaling.start()
        await services.ready({"invert": 1})
        assert await services.sessions() == 0
        assert await page.evaluate("connections.length") == made


async def test_media_process_that_is_killed_costs_its_sessions_a_moment(
    services: Services, browser: Browser, site: Site
) -> None:
    front = services.start_signaling("--processes", "2")
    services.start_worker("invert")
    await services.ready({"invert": 1})
    folder, url = site
    write_pages(folder, services.url, {"data-filter": "invert"})
    async with opened(browser, url) as page:
        await frames(page, 20, FIRST_FRAMES_S)
        media = max(
            psutil.Process(front.pid).children(recursive=True), key=lambda one: sum(one.cpu_times()[:2])
        )
        gone_ms = await now_ms(page)
        media.kill()
        back = await filtered_again(page, gone_ms)
        print(f"filtered {back.at_ms - gone_ms:.0f} ms later")
        assert back.at_ms - gone_ms < BACK_WITHIN_MS
        await eventually(lambda: _are(page, ["live", "live"]), 5, "the session is live again")
        assert not raw(await shown(page))
        assert await open_connections(page) == 1


async def _are(page: Page, wanted: list[str]) -> bool:
    return await states(page) == wanted
