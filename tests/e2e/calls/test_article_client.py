"""A client that knows nothing but `POST /offer`, over HTTPS and from another origin."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser

from harness.browser import Shown, frames, opened
from harness.certificate import write_certificate
from harness.pages import write_pages
from harness.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONNECTED_WITHIN_MS = 1000
FIRST_FRAMES_S = 15.0


async def call(browser: Browser, url: str, **query: str) -> tuple[float, list[Shown]]:
    """Return after how many ms the page was connected, and frames that came back."""
    async with opened(browser, f"{url}/article.html?{urlencode(query)}") as page:
        outcome = await page.evaluate("window.connected")
        assert "a=candidate" not in outcome["offered"]
        return outcome["afterMs"], await frames(page, 15, FIRST_FRAMES_S)


async def test_client_of_the_article_connects_within_a_second_over_https_from_another_origin(
    tmp_path: Path, browser: Browser, site: tuple[Path, str]
) -> None:
    folder, url = site
    async with Services(tmp_path, certificate=write_certificate(tmp_path)) as services:
        services.start_signaling("--default-filter", "invert", "--origins", "*")
        services.start_light_worker("invert,passthrough")
        await services.ready({"invert": 1, "passthrough": 1})
        write_pages(folder, services.url)

        preflight = await services.http.options(
            "/offer",
            headers={
                "Origin": url,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type",
            },
        )
        assert preflight.status_code in (200, 204)
        assert preflight.headers["access-control-allow-origin"] in ("*", url)

        after_ms, filtered = await call(browser, url, server=services.url)
        assert all(row.is_inverted for row in filtered if row.counter is not None)

        # The article's step before the filter, the echo, and its other way to add the camera.
        echo_ms, echoed = await call(
            browser, url, server=services.url, query="?filter=passthrough", add="track"
        )
        assert not any(row.is_inverted for row in echoed)
        assert min(after_ms, echo_ms) < CONNECTED_WITHIN_MS
