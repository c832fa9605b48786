"""The service behind a proxy, below a path: the demo page, and the shim of another site's page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.async_api import Browser

from harness.browser import opened
from harness.proxies import PROGRAMS, program, proxied
from harness.services import ROOT, Services
from tests.e2e.demo_page import Demo

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = """<!doctype html>
<script src="{src}" {server} data-filter="invert"></script>
<video id="me" autoplay playsinline muted></video>
<script>
navigator.mediaDevices.getUserMedia({{ video: true }}).then((stream) => {{ me.srcObject = stream; }});
</script>
"""
IS_LIVE = """() => {
    const { state, filters } = p2pcamera.sessions[0] ?? {};
    return state === "live" && filters.join() === "invert" && me.videoWidth > 0;
}"""


async def test_page_and_shim_find_their_calls_below_a_path(
    services: Services, browser: Browser, site: tuple[Path, str], tmp_path: Path
) -> None:
    name = next(filter(program, PROGRAMS), None)
    if name is None:
        pytest.skip(f"needs one of {', '.join(PROGRAMS)}")
    services.start_signaling("--trusted-proxies", "127.0.0.1", "--default-filter", "passthrough")
    services.start_light_worker("invert,passthrough")
    await services.ready({"invert": 1})
    folder, site_url = site
    async with proxied(name, tmp_path, services.port) as url:
        async with opened(browser, f"{url}/cam/") as page:
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            await Demo(page).start("invert")
            assert any(one.endswith("/cam/offer") for one in asked)
            assert all(one.startswith((f"{url}/cam/", "blob:")) for one in asked)
        # By the tag's own address, and by a copy of the shim that is told the service's.
        shutil.copy(ROOT / "static" / "p2pcamera.js", folder)
        for src, server in ((f"{url}/cam/p2pcamera.js", ""), ("p2pcamera.js", f'data-server="{url}/cam"')):
            (folder / "index.html").write_text(PAGE.format(src=src, server=server))
            async with opened(browser, f"{site_url}/") as page:
                await page.wait_for_function(IS_LIVE)
