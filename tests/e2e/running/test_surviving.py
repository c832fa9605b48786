"""The page's track outlives the connection behind it: a service is killed and comes back in mid-call.

docs/reliability.md has the times: a shared machine may take longer, so no test here fails for one.
"""

from __future__ import annotations

import functools
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from harness.browser import Shown, forget, frames, opened, shown
from harness.chaos.parts import media
from harness.deadline import eventually
from harness.pages import write_pages
from harness.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

Site = tuple[Path, str]

FIRST_FRAMES_S = 15.0
SOON_S = 30.0
"""Ample, for a machine with other work."""
ON_THE_WAY_MS = 150

# A busy machine would be full by its measured load, and say so with a Retry-After of 10 s.
ROOM = ("--max-sessions", "20")

# Runs in the page: when the connection was lost, by the page's clock.
NOTE_LOSS = """
window.lostAt = null;
p2pcamera.addEventListener("statechange", ({ detail }) => {
  if (detail.session.state === "reconnecting") window.lostAt = performance.now();
});
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    """One worker for all tests here, and a signaling service that each may kill."""
    async with Services(tmp_path_factory.mktemp("surviving")) as services:
        services.start_light_worker("invert")
        yield services
    print(services.output())


@pytest_asyncio.fixture(loop_scope="session")
async def served(started: Services) -> Services:
    """Serving, whatever the last test killed."""
    if started.signaling is None or not started.signaling.is_running:
        started.start_signaling("--processes", "1", *ROOM)
    await started.ready({"invert": 1})
    return started


def readable(rows: list[Shown]) -> list[Shown]:
    return [row for row in rows if row.counter is not None]


def raw(rows: list[Shown]) -> list[Shown]:
    """Every raw picture of this camera can be read, and is not inverted."""
    return [row for row in readable(rows) if not row.is_inverted]


async def filtered_again(page: Page) -> Shown:
    """Wait for a loss, and then for a filtered frame that is newer than the last one shown before it."""
    lost_ms: float = await eventually(lambda: page.evaluate("window.lostAt"), SOON_S, "the loss is noticed")
    # The last frames may have been on their way to the screen.
    since_ms = lost_ms + ON_THE_WAY_MS

    async def found() -> list[Shown]:
        rows = readable(await shown(page))
        last = [row.counter for row in rows if row.at_ms <= since_ms][-1]
        # That one is shown again and again in an outage.
        return [row for row in rows if row.at_ms > since_ms and row.is_inverted and row.counter != last]

    return (await eventually(found, SOON_S, "a new filtered frame"))[0]


async def raw_frames(page: Page) -> list[Shown]:
    return raw(await shown(page))


async def is_filtered(page: Page) -> bool:
    last = readable(await shown(page))[-10:]
    return len(last) == 10 and all(row.is_inverted for row in last)


async def now_ms(page: Page) -> float:
    now: float = await page.evaluate("performance.now()")
    return now


async def is_live_again(page: Page) -> bool:
    """Tell whether session and track are live and all connections but the newest closed."""
    found: list[str] = await page.evaluate(
        """[p2pcamera.sessions[0]?.state, stream.getVideoTracks()[0].readyState,
            ...connections.map(({ connectionState }) => connectionState)]"""
    )
    return found[:2] == ["live", "live"] and found[2:] == ["closed"] * (len(found) - 3) + ["connected"]


async def test_tracks_go_on_when_the_signaling_service_ends_and_is_started_again(
    served: Services, browser: Browser, site: Site
) -> None:
    """A `closed` page never shows a raw frame, from the first on; an `open` one shows them meanwhile."""
    signaling = served.signaling
    assert signaling is not None
    folder, url = site
    write_pages(folder, served.url, {"data-filter": "invert"})
    write_pages(folder / "open", served.url, {"data-filter": "invert", "data-outage": "open"})
    async with opened(browser, url) as closed, opened(browser, f"{url}/open/") as opening:
        for page in (closed, opening):
            await frames(page, 10, FIRST_FRAMES_S)
            await page.evaluate(NOTE_LOSS)
        for number in (signal.SIGKILL, signal.SIGTERM):
            await closed.evaluate("window.lostAt = null")
            gone_ms = await now_ms(closed)
            open_gone_ms = await forget(opening)
            signaling.signal(number)
            await signaling.ended()
            # A service may be back before the open page would show the camera.
            first_raw, *_ = await eventually(lambda: raw_frames(opening), SOON_S, "the raw camera")
            signaling.start()
            await served.ready({"invert": 1})
            ready_ms = await now_ms(closed)
            back = await filtered_again(closed)
            after_ms = [round(at_ms - gone_ms) for at_ms in (ready_ms, back.at_ms)]
            print(
                f"{number!r}: raw after {first_raw.at_ms - open_gone_ms:.0f} ms, "
                f"the service is ready after {after_ms[0]} ms, the filter after {after_ms[1]} ms"
            )
            for page in (closed, opening):
                await eventually(functools.partial(is_live_again, page), SOON_S, "one connection, live")
            await eventually(lambda: is_filtered(opening), SOON_S, "the filter in the open session")
        assert not raw(await shown(closed))
        assert await closed.evaluate("stream.getVideoTracks()[0].muted") is False

        assert await served.sessions() == 2
        assert await served.metric("p2pcamera_reconnects_total") >= 2
        for page in (closed, opening):
            await page.evaluate("window.session = p2pcamera.sessions[0]; stream.getVideoTracks()[0].stop()")
            assert await page.evaluate("[session.state, session.camera.readyState]") == ["ended", "ended"]
            assert await page.evaluate("connections.every((one) => one.connectionState === 'closed')")
        await served.has_sessions(0, within_s=SOON_S)


async def test_media_process_that_is_killed_costs_its_sessions_a_moment(
    started: Services, browser: Browser, site: Site
) -> None:
    if started.signaling is not None:
        await started.signaling.stop()
    started.start_signaling("--processes", "2", *ROOM)
    await started.ready({"invert": 1})
    folder, url = site
    write_pages(folder, started.url, {"data-filter": "invert"})
    async with opened(browser, url) as page:
        await frames(page, 10, FIRST_FRAMES_S)
        await page.evaluate(NOTE_LOSS)
        gone_ms = await now_ms(page)
        max(media(started), key=lambda one: sum(one.cpu_times()[:2])).kill()
        back = await filtered_again(page)
        print(f"filtered again {back.at_ms - gone_ms:.0f} ms after the kill")
        await eventually(lambda: is_live_again(page), SOON_S, "one connection, live")
        assert not raw(await shown(page))
