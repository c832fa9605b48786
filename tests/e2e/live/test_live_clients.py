"""Clients of WHIP and WHEP that others have written: of npm, in Chromium and below it."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.async_api import Browser, Page

from harness.browser import opened
from harness.deadline import eventually
from harness.services import ROOT, Services, free_port
from tests.e2e.live.test_ffmpeg import FPS, grey
from tests.e2e.live.test_live import LEVEL

PAGES = Path(__file__).parents[1] / "pages"
MODULES = ROOT / "node_modules"

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.slow,
    pytest.mark.skipif(
        not (MODULES / "whip-whep").is_dir() or shutil.which("node") is None, reason="npm ci was not run"
    ),
]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The clients in one script."""
    made = tmp_path_factory.mktemp("clients") / "clients.js"
    esbuild = MODULES / ".bin" / "esbuild"
    source = PAGES / "live_clients.mjs"
    command = [str(esbuild), str(source), "--bundle", "--log-level=error", "--define:global=window"]
    subprocess.run([*command, f"--outfile={made}"], check=True, cwd=ROOT)
    return made.read_text()


@asynccontextmanager
async def page_of(browser: Browser, site: tuple[Path, str], clients: str) -> AsyncIterator[Page]:
    """A page of another origin than the service's, with the clients."""
    folder, url = site
    (folder / "clients.js").write_text(clients)
    (folder / "index.html").write_text(
        '<!doctype html><video autoplay muted playsinline></video><script src="clients.js"></script>'
    )
    async with opened(browser, url) as page:
        yield page


async def is_inverted(page: Page) -> bool:
    colour = await page.evaluate(LEVEL)
    return bool(colour) and colour[0] < 90 and colour[2] > 180


async def flows(page: Page) -> None:
    """Wait for more pictures."""
    had = (await page.evaluate("state()"))["pictures"]

    async def has_more() -> bool:
        return bool((await page.evaluate("state()"))["pictures"] >= had + 10)

    await eventually(has_more, 20, "pictures flow")


async def test_whip_whep_publishes_watches_and_restarts_ice(
    services: Services, browser: Browser, site: tuple[Path, str], clients: str
) -> None:
    """By one UDP port, where a restarted call must be found by its other name."""
    services.start_signaling("--udp-port", str(free_port()), "--processes", "2")
    services.start_light_worker("invert")
    await services.ready({"invert": 1})
    async with page_of(browser, site, clients) as publisher, page_of(browser, site, clients) as viewer:
        await publisher.evaluate(f"publishByMedooze('{services.url}/whip?stream=show&filter=invert')")
        await flows(publisher)
        await viewer.evaluate(f"watchByMedooze('{services.url}/whep/show')")
        await eventually(lambda: is_inverted(viewer), 20, "the filtered picture")
        for page in (publisher, viewer):
            former = await page.evaluate("state()")
            await page.evaluate("live.client.restart()")

            async def has_restarted(page: Page = page, former: dict[str, Any] = former) -> bool:
                now = await page.evaluate("state()")
                return bool(now["selected"] != former["selected"] and now["connection"] == "connected")

            await eventually(has_restarted, 20, "media takes a pair of the new checks")
            await flows(page)
        for page in (viewer, publisher):
            await page.evaluate("live.client.stop()")
        await eventually(lambda: _has(services, "p2pcamera_sessions", 0), 10, "the session is over")
        assert await services.metric("p2pcamera_viewers") == 0


async def test_a_service_that_restarts_is_published_to_and_watched_again(
    services: Services, browser: Browser, site: tuple[Path, str], clients: str
) -> None:
    """Eyevinn's client publishes, the service's own page watches."""
    await services.start_light("invert")
    address = f"{services.url}/whip?stream=show&filter=invert"
    async with opened(browser, f"{services.url}/watch/show") as viewer:
        for is_first in (True, False):
            async with page_of(browser, site, clients) as publisher:
                await publisher.evaluate(f"publishByEyevinn('{address}')")
                await flows(publisher)
                await eventually(lambda: is_inverted(viewer), 40, "the filtered picture")
                if is_first:
                    assert services.signaling is not None
                    services.signaling.kill()
                    await eventually(lambda: _is_lost(viewer), 30, "the page says that it has lost it")
                    services.signaling.start()
                    await services.ready({"invert": 1})
                else:
                    await publisher.evaluate("live.client.destroy()")
                    await eventually(lambda: _has(services, "p2pcamera_sessions", 0), 10, "it is over")


async def _is_lost(viewer: Page) -> bool:
    return bool(await viewer.evaluate("message.textContent"))


async def _has(services: Services, metric: str, value: float) -> bool:
    return await services.metric(metric) == value


class Native:
    """A process of pages/native_client.mjs."""

    def __init__(self, *words: str) -> None:
        self._command = ["node", str(PAGES / "native_client.mjs"), *words]
        self.said: dict[str, Any] = {}
        self._reading: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Native:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, cwd=ROOT, stdin=pipe, stdout=pipe
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reading is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 20)
        await self._reading

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.said.update(json.loads(line))


async def test_libdatachannel_publishes_and_watches(services: Services) -> None:
    await services.start_light("invert")
    port = free_port()
    sending = asyncio.create_task(_send_rtp(port))
    try:
        async with Native("publish", f"{services.url}/whip?stream=show&filter=invert", str(port)):
            await eventually(lambda: _has(services, "p2pcamera_streams", 1), 20, "it publishes")
            async with Native("watch", f"{services.url}/whep/show") as viewer:
                await eventually(lambda: viewer.said.get("keyFrames", 0) >= 1, 20, "a key frame comes")
                had = viewer.said["packets"]
                await eventually(lambda: viewer.said["packets"] >= had + 20, 20, "pictures flow")
            await eventually(lambda: _has(services, "p2pcamera_viewers", 0), 10, "it watches no longer")
        await eventually(lambda: _has(services, "p2pcamera_sessions", 0), 10, "it publishes no longer")
    finally:
        sending.cancel()


async def _send_rtp(port: int) -> None:
    """Encode a grey picture, and send its packets to a port of this host."""
    options = {"payload_type": "96", "ssrc": "42"}
    with av.open(f"rtp://127.0.0.1:{port}?pkt_size=1200", "w", format="rtp", options=options) as out:
        coding = {"profile": "baseline", "preset": "ultrafast", "tune": "zerolatency", "g": str(FPS)}
        video = out.add_stream("libx264", rate=FPS, options=coding)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        for count in range(120 * FPS):
            picture = av.VideoFrame.from_ndarray(grey(), format="yuv420p")
            picture.pts, picture.time_base = count, Fraction(1, FPS)
            out.mux(video.encode(picture))
            await asyncio.sleep(1 / FPS)
