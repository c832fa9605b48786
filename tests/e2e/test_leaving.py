"""Pages that leave without a word are let go within seconds; pages that are quiet are not."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest
from playwright.async_api import Browser

from harness.browser import chromium, frames, opened
from harness.deadline import eventually
from harness.namespaces import HERE, cable, network
from harness.pages import write_pages
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services
from tests.e2e.far_peer import far_peer

pytestmark = pytest.mark.asyncio(loop_scope="session")

FREED_WITHIN_S = 6.0
LIMIT_S = 5.0
"""Of silence; the service's own."""
FIRST_FRAMES_S = 15.0
QUIET_S = 12.0
"""Over twice the limit."""
HOST, FAR = "10.78.0.1", "10.78.0.2"


def processes_of(camera: Path) -> list[psutil.Process]:
    """Return the browser that shows this camera, and its children, one of which has its sockets."""
    [main] = [
        process
        for process in psutil.Process().children(recursive=True)
        if any(str(camera) in word for word in process.cmdline()) and "--type=" not in str(process.cmdline())
    ]
    return [main, *main.children(recursive=True)]


async def goes_on(services: Services) -> None:
    """Wait until the one session's camera is received again."""
    had = await services.metric("p2pcamera_frames_received_total")

    async def receives_again() -> bool:
        return await services.metric("p2pcamera_frames_received_total") > had + 10

    await eventually(receives_again, FIRST_FRAMES_S, "the camera is received again")
    assert await services.sessions() == 1


async def test_session_of_a_killed_browser_is_freed_within_six_seconds(
    services: Services, camera: Path, site: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = site
    await services.start_light("passthrough")
    write_pages(folder, services.url, {"data-filter": "passthrough"})
    own_camera = tmp_path / "own.y4m"
    own_camera.symlink_to(camera)
    async with chromium(own_camera) as browser:
        page = await (await browser.new_context(permissions=["camera", "microphone"])).new_page()
        await page.goto(url)
        await frames(page, 10, FIRST_FRAMES_S)
        assert await services.sessions() == 1
        for process in processes_of(own_camera):
            process.kill()
        killed_s = time.monotonic()
        await services.has_sessions(0, within_s=FREED_WITHIN_S)
        print(f"freed {time.monotonic() - killed_s:.2f} s after the browser was killed")
    assert await services.metric("p2pcamera_sessions_connected") == 0
    assert "page fell silent" in services.output()


@pytest.mark.namespace
async def test_session_survives_a_short_gap_of_the_network_and_not_its_loss(services: Services) -> None:
    with network() as far:
        cable((HERE, "leaving0", f"{HOST}/24"), (far, "leaving1", f"{FAR}/24"))
        services.start_signaling("--ice-addresses", HOST, "--default-filter", "passthrough")
        services.start_light_worker("passthrough")
        await services.ready({"passthrough": 1})
        async with far_peer(far, services.http) as peer:
            await eventually(lambda: peer.frames > 10, FIRST_FRAMES_S, "frames come back")

            HERE.run("ip", "link", "set", "dev", "leaving0", "down")
            await asyncio.sleep(0.6 * LIMIT_S)  # The gap itself.
            HERE.run("ip", "link", "set", "dev", "leaving0", "up")
            await goes_on(services)

            HERE.run("ip", "link", "set", "dev", "leaving0", "down")
            down_s = time.monotonic()
            await services.has_sessions(0, within_s=FREED_WITHIN_S)
            took_s = time.monotonic() - down_s
            print(f"freed {took_s:.2f} s after the link went down")
            assert took_s > 0.8 * LIMIT_S
    assert "page fell silent" in services.output()


async def test_service_that_stood_still_for_longer_than_the_limit_lets_nobody_go(services: Services) -> None:
    await services.start_light("passthrough")
    signaling = services.signaling
    assert signaling is not None
    async with Peer(services.http, Picture(320, 240), fps=10) as peer:
        await peer.call(filter="passthrough")
        await peer.frames(5)
        signaling.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(1.2 * LIMIT_S)  # The pause itself, as a virtual machine that is moved has.
        finally:
            signaling.signal(signal.SIGCONT)
        await goes_on(services)


async def test_muted_page_without_a_data_channel_keeps_its_session(
    services: Services, browser: Browser, site: tuple[Path, str]
) -> None:
    folder, url = site
    await services.start_light("invert")
    write_pages(folder, services.url)
    query = urlencode({"server": services.url, "query": "?filter=invert"})
    async with opened(browser, f"{url}/article.html?{query}") as page:
        await page.evaluate("window.connected")
        await frames(page, 5, FIRST_FRAMES_S)
        assert await services.sessions() == 1
        mute = "enabled => document.getElementById('original').srcObject.getTracks()[0].enabled = enabled"
        await page.evaluate(mute, False)
        await asyncio.sleep(QUIET_S)  # What is tested is that nothing happens.
        assert await services.sessions() == 1
        await page.evaluate(mute, True)
        await page.evaluate("window.meter.forget()")
        await frames(page, 5, FIRST_FRAMES_S)
    assert "fell silent" not in services.output()
