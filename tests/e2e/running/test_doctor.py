"""The connection doctor of the demo page: each step fails for its own reason, and says what to do."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Route, expect

from harness.browser import chromium
from harness.services import Services
from tests.e2e.demo_page import Demo, demo

pytestmark = pytest.mark.asyncio(loop_scope="session")

WELL = {
    **dict.fromkeys(("secure", "server", "token", "worker", "filter", "camera", "path", "picture"), "ok"),
    "turn": "note",
}
TOKEN = "open-sesame"

# What a firewall does to UDP: no candidate of either side is of any use. The limits of time are the same, in
# shorter seconds.
_BLOCK_PATHS = """
const { setTimeout: nativeTimeout, RTCPeerConnection: Native } = window;
window.setTimeout = (act, ms, ...rest) => nativeTimeout(act, ms > 5000 ? ms / 5 : ms, ...rest);
window.RTCPeerConnection = class extends Native {
    constructor(configuration) {
        super({ ...configuration, iceTransportPolicy: "relay" });
    }
};
"""


async def outcomes(page: Demo) -> dict[str, str]:
    return {step: outcome for step, (outcome, _) in (await page.doctor()).items()}


async def test_all_is_well_with_and_without_a_running_camera(calm: Services, browser: Browser) -> None:
    async with demo(browser, calm.url) as page:
        await page.choose("invert")
        found = await page.doctor()
        assert {step: outcome for step, (outcome, _) in found.items()} == WELL
        assert "Connected by UDP, directly" in found["path"][1]
        assert "filtered by Invert" in found["picture"][1]
        assert await _sessions(page) == []  # The doctor's own call is over.
        await page.start("invert")
        (running,) = await _sessions(page)
        assert await outcomes(page) == WELL
        assert await _sessions(page) == [running]
        await expect(page.page.locator("#doctor-outcome")).to_have_text("Every step works.")
        await page.page.get_by_role("button", name="Copy report").click()
        await expect(page.page.locator("#whispered")).to_contain_text("The report is copied.")
        assert "Path for the pictures (ICE): works." in await page.page.evaluate(
            "navigator.clipboard.readText()"
        )


async def _sessions(page: Demo) -> list[str]:
    ids: list[str] = await page.page.evaluate("p2pcamera.sessions.map(({ id }) => id)")
    return ids


async def test_a_camera_that_is_not_allowed_is_told_from_all_else(calm: Services, camera: Path) -> None:
    async with chromium(camera, allows_camera=False) as browser, demo(browser, calm.url) as page:
        await page.choose("invert")
        found = await page.doctor()
        assert {step: outcome for step, (outcome, _) in found.items()} == {
            **WELL,
            "camera": "fail",
            "path": "skip",
            "picture": "skip",
        }
        await expect(page.page.locator("#doctor-outcome")).to_have_text(
            "Camera fails. The browser was not allowed to use the camera. Allow it next to this page's "
            "address, then start again."
        )


async def test_no_worker_a_wrong_token_and_no_server_are_three_faults(
    services: Services, browser: Browser
) -> None:
    signaling = services.start_signaling("--api-key", TOKEN)
    await services.answers()
    async with demo(browser, services.url) as page:
        refused = await outcomes(page)
        assert (refused["server"], refused["token"], refused["worker"]) == ("ok", "fail", "skip")
        await _give(page, "wrong")
        assert "not accept this token" in (await page.doctor())["token"][1]
        await _give(page, TOKEN)
        await expect(page.page.locator("#message")).to_contain_text("No worker is running yet.")
        found = await page.doctor()
        assert [found[step][0] for step in ("token", "worker", "filter", "camera", "path")] == [
            *("ok", "fail", "skip", "ok", "skip")
        ]
        assert "python -m inference_service" in found["worker"][1]
        signaling.kill()
        found = await page.doctor()
        assert (found["server"][0], found["token"][0], found["camera"][0]) == ("fail", "skip", "ok")
        assert f"Nothing answers at {services.url}/." in found["server"][1]
        # The browser's own words about requests that failed.
        assert all("Failed to load resource" in text for text in page.complaints), page.complaints
        page.complaints.clear()


async def _give(page: Demo, token: str) -> None:
    await page.page.get_by_label("Access token").fill(token)
    await page.page.get_by_role("button", name="Use token").click()


async def test_a_path_that_is_blocked_and_a_turn_server_that_is_away_are_told(
    calm: Services, browser: Browser
) -> None:
    async with demo(browser, calm.url) as page:
        nobody = {"urls": "turn:127.0.0.1:9?transport=tcp", "username": "a", "credential": "b"}
        await page.page.route("**/ice-servers", lambda route: route.fulfill(json={"iceServers": [nobody]}))
        await page.page.add_init_script(_BLOCK_PATHS)
        await page.page.reload()
        await page.choose("invert")
        found = await page.doctor()
        assert (found["server"][0], found["path"][0], found["turn"][0]) == ("ok", "fail", "fail")
        assert "no path for pictures was found" in found["path"][1]
        assert "turn:127.0.0.1:9" in found["turn"][1]
        assert found["picture"][0] == "skip"
        page.complaints.clear()


async def test_a_page_that_is_not_secure_is_told_what_to_do(calm: Services, browser: Browser) -> None:
    context = await browser.new_context()
    try:
        page = await context.new_page()

        async def from_the_service(route: Route) -> None:
            path = urlsplit(route.request.url).path
            await route.fulfill(response=await route.fetch(url=calm.url + path))

        # By its name a host is no loopback, and without HTTPS no secure context.
        await page.route("http://demo.test/**", from_the_service)
        await page.goto("http://demo.test/")
        await expect(page.locator("#message")).to_contain_text("Open this page over HTTPS")
        await expect(page.locator("#start")).to_be_disabled()
        found = await Demo(page).doctor()
        assert [found[step][0] for step in ("secure", "server", "camera", "path")] == [
            *("fail", "ok", "skip", "skip")
        ]
    finally:
        await context.close()
