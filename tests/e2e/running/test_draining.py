"""A service that is told to end keeps its calls until a successor has them; the page sees no outage."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from harness.browser import forget, frames, opened
from harness.pages import write_pages
from harness.services import START_S, Process, Services, free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")

Site = tuple[Path, str]
FIRST_FRAMES_S = 15.0
DRAIN_S = 60.0
"""Ample: a drain ends when the calls have moved."""


@pytest_asyncio.fixture(loop_scope="session")
async def started(tmp_path: Path) -> AsyncIterator[Services]:
    async with Services(tmp_path) as services:
        services.start_light_worker("invert")
        yield services
    print(services.output())


def successor_of(services: Services, *flags: str) -> Process:
    """Take the place of the signaling service, which is returned; its successor waits for the ports."""
    old = services.signaling
    assert old is not None
    services.start_signaling("--wait-seconds", "60", *flags, drains_s=DRAIN_S)
    return old


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_calls_move_to_the_successor_which_takes_every_port(
    started: Services, browser: Browser, site: Site, processes: int
) -> None:
    """The page is never without a connection, and never shows a raw frame."""
    media = free_port()
    flags = ["--processes", str(processes), "--udp-port", str(media), "--tcp-port", str(media)]
    started.start_signaling(*flags, drains_s=DRAIN_S)
    await started.ready({"invert": 1})
    folder, url = site
    write_pages(folder, started.url, {"data-filter": "invert"})
    async with opened(browser, url) as page:
        await frames(page, 10, FIRST_FRAMES_S)
        await page.evaluate(
            """() => {
              window.states = [];
              p2pcamera.addEventListener("statechange", ({ detail }) => states.push(detail.session.state));
            }"""
        )
        before: str = await page.evaluate("p2pcamera.sessions[0].id")
        await forget(page)
        old = successor_of(started, *flags)
        old.signal(signal.SIGTERM)
        assert await old.ended(DRAIN_S) == 0
        assert "the service has drained" in old.log.read_text()
        assert await page.evaluate("p2pcamera.sessions[0].id") != before
        assert set(await page.evaluate("states")) == {"live"}
        rows = await frames(page, 10, FIRST_FRAMES_S)
        assert all(row.is_inverted for row in rows if row.counter is not None)
        found: list[str] = await page.evaluate("connections.map((one) => one.connectionState)")
        assert found == ["closed"] * (len(found) - 1) + ["connected"]
        await started.has_sessions(1, within_s=START_S)
