"""The link of `make run HOST=0.0.0.0`: the demo page takes the key from it, and keeps it for itself."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from harness.browser import opened
from harness.services import Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = "of-this-start"


async def test_the_page_takes_the_key_from_its_link_and_keeps_it_for_itself(
    services: Services, browser: Browser
) -> None:
    services.start_signaling("--api-key", KEY, "--default-filter", "invert")
    services.http.headers["Authorization"] = f"Bearer {KEY}"
    services.start_light_worker("invert,passthrough")
    await services.ready({"invert": 1})
    async with opened(browser, f"{services.url}/") as page:
        await expect(page.locator("#token-form")).to_be_visible()
    async with opened(browser, f"{services.url}/#token={KEY}&filter=passthrough") as page:
        await expect(page.locator("#filters [value=passthrough]")).to_be_checked()
        assert KEY not in page.url
        await page.reload()
        await expect(page.locator("#filters [value=passthrough]")).to_be_checked()
        await expect(page.locator("#token-form")).to_be_hidden()
        assert KEY not in await page.content()
