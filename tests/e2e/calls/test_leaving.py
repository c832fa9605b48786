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
from harness.services import Services
from signaling_service.session.session import SILENCE_LIMIT_S
from tests.e2e.far_peer import far_peer

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIMIT_S = SILENCE_LIMIT_S
FREED_WITHIN_S = 25.0
"""A service that could not run for half a second starts to count anew. Consent (RFC 7675) lasts 30 s."""
FIRST_FRAMES_S = 15.0
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


async def test_killed_browser_is_let_go_and_muted_page_stays_even_when_the_service_stands_still(
    services: Services, browser: Browser, camera: Path, site: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = site
    await services.start_light("invert")
    signaling = services.signaling
    assert signaling is not None
    write_pages(folder, services.url, {"data-filter": "invert"})
    query = urlencode({"server": services.url, "query": "?filter=invert"})
    own_camera = tmp_path / "own.y4m"
    own_camera.symlink_to(camera)
    # This page has no data channel, which would speak while its camera is muted.
    async with opened(browser, f"{url}/article.html?{query}") as quiet, chromium(own_camera) as killed:
        page = await (await killed.new_context(permissions=["camera", "microphone"])).new_page()
        await page.goto(url)
        for one in (page, quiet):
            await frames(one, 5, FIRST_FRAMES_S)
        assert await services.sessions() == 2
        mute = "enabled => document.getElementById('original').srcObject.getTracks()[0].enabled = enabled"
        await quiet.evaluate(mute, False)
        for process in processes_of(own_camera):
            process.kill()
        killed_s = time.monotonic()
        await services.has_sessions(1, FREED_WITHIN_S)
        print(f"freed {time.monotonic() - killed_s:.2f} s after the browser was killed")
        assert services.output().count("page fell silent") == 1
        signaling.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(1.2 * LIMIT_S)  # The pause itself, as a virtual machine that is moved has.
        finally:
            signaling.signal(signal.SIGCONT)
        await quiet.evaluate(mute, True)
        await goes_on(services)
        await quiet.evaluate("window.meter.forget()")
        await frames(quiet, 5, FIRST_FRAMES_S)
    assert services.output().count("page fell silent") == 1


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
            await services.has_sessions(0, FREED_WITHIN_S)
            took_s = time.monotonic() - down_s
            print(f"freed {took_s:.2f} s after the link went down")
            assert took_s > 0.8 * LIMIT_S
    assert "page fell silent" in services.output()
