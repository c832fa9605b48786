"""A page with the shim in Chromium, as a caller."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page

from harness.browser import opened, served, shown
from harness.chaos.callers import FILTER
from harness.chaos.outcome import Seen
from harness.pages import write_pages
from harness.picture import Picture, Reading, write_camera

MARK = 0x5A
FPS = 15


class PageCaller:
    """`closed`, as pages are that say nothing else."""

    kind = "Chromium"
    mark = MARK

    def __init__(self, page: Page, ahead_s: float) -> None:
        """`ahead_s` is time.monotonic() less the page's clock."""
        self.calls = 0
        self._page, self._ahead_s = page, ahead_s

    async def seen(self) -> list[Seen]:
        self.calls = await self._page.evaluate("connections.length")
        return [
            Seen(row.at_ms / 1000 + self._ahead_s, Reading(row.counter, row.mark, row.is_inverted))
            for row in await shown(self._page)
            if row.counter is not None and row.mark is not None and row.is_inverted is not None
        ]


def camera(folder: Path) -> Path:
    """Write the file of the browser's camera: 320x240, marked MARK."""
    path = folder / "camera.y4m"
    write_camera(path, Picture(320, 240, MARK))
    return path


@asynccontextmanager
async def page_caller(browser: Browser, server: str, folder: Path) -> AsyncIterator[PageCaller]:
    """Open a page of another origin than the service's, which calls at once; `camera` is its browser's."""
    write_pages(folder, server, {"data-filter": FILTER})
    # Four calls and a browser share two cores with the services.
    script = folder / "shim.js"
    script.write_text(script.read_text().replace("frameRate: 30", f"frameRate: {FPS}"))
    with served(folder) as url:
        async with opened(browser, url) as page:
            before_s = time.monotonic()
            page_ms: float = await page.evaluate("performance.now()")
            yield PageCaller(page, (before_s + time.monotonic()) / 2 - page_ms / 1000)
