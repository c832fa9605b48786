"""The browsers that `weak_links` measures: each with a camera whose pictures can be read."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from playwright.async_api import Page

from harness.browser import chromium, opened
from harness.firefox import FirefoxPage, default_route, running_firefox
from harness.pages import PAGES
from harness.picture import Picture, write_camera

AnyPage = Page | FirefoxPage
OpenPage = Callable[[str], AbstractAsyncContextManager[AnyPage]]
Started = AbstractAsyncContextManager[OpenPage]
"""A browser, which opens pages by their URLs."""


@asynccontextmanager
async def _chromium(folder: Path) -> AsyncIterator[OpenPage]:
    camera = folder / "camera.y4m"
    if not camera.exists():
        write_camera(camera, Picture(noise=2.0))
    async with chromium(camera) as browser:
        yield lambda url: opened(browser, url)


@asynccontextmanager
async def _firefox(folder: Path) -> AsyncIterator[OpenPage]:
    """Its own made-up camera has no picture that could be read, so the page paints one."""
    with tempfile.TemporaryDirectory(dir=folder) as own, default_route("weak0"):
        async with running_firefox(Path(own)) as firefox:
            await firefox.run_first(f"() => {{ {(PAGES / 'canvas_camera.js').read_text()} }}")

            @asynccontextmanager
            async def open_page(url: str) -> AsyncIterator[AnyPage]:
                page = await firefox.open()
                await page.goto(url)
                yield page

            yield open_page


BROWSERS: dict[str, Callable[[Path], Started]] = {"chromium": _chromium, "firefox": _firefox}
