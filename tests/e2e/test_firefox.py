"""What Firefox can do of the shim, with both services: skipped where there is no Firefox to be driven.

Needed are Firefox (`apt-get install firefox-esr`, or `FIREFOX`), Node.js, and in `PUPPETEER_CORE` a folder in
which `npm install puppeteer-core` was run. `docs/browsers.md` tells what differs from Chromium.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.deadline import eventually
from tests.e2e.services import Services, in_namespace

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRIVER = Path(__file__).parent / "firefox.mjs"
FIREFOX = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
NODE = shutil.which("node")
PUPPETEER_CORE = os.environ.get("PUPPETEER_CORE")
LEASH_S = 90.0

PAGE = """<!doctype html><meta charset="utf-8"><title>A page</title>
<script src="{server}/p2pcamera.js" data-filter="invert" data-audio="sync"></script><script>
window.count = 0;
// The camera's colour and the page's, in one moment.
window.colours = () => [raw, shown].map((video) => {{
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  pen.drawImage(video, 0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}});
window.begin = async () => {{
  window.stream = await navigator.mediaDevices.getUserMedia({{ video: true, audio: true }});
  [window.session] = p2pcamera.sessions;
  for (const [name, tracks] of [["raw", [session.camera]], ["shown", stream.getVideoTracks()]]) {{
    window[name] = document.createElement("video");
    Object.assign(window[name], {{ muted: true, srcObject: new MediaStream(tracks) }});
    document.body.append(window[name]);
    await window[name].play();
  }}
  const seen = () => {{ count += 1; shown.requestVideoFrameCallback(seen); }};
  seen();
}};
</script><body></body>"""


@dataclass
class Leash:
    """A page of Firefox."""

    process: asyncio.subprocess.Process
    version: str = ""

    async def _ask(self, wanted: dict[str, str] | None = None) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if wanted is not None:
            self.process.stdin.write(json.dumps(wanted).encode() + b"\n")
            await self.process.stdin.drain()
        async with asyncio.timeout(LEASH_S):
            line = await self.process.stdout.readline()
        reply = json.loads(line)
        assert "error" not in reply, reply["error"]
        return reply["value"]

    async def greet(self) -> None:
        self.version = await self._ask()

    async def goto(self, url: str) -> None:
        await self._ask({"goto": url})

    async def evaluate(self, expression: str) -> Any:
        """Return what the expression is, or what its promise brings."""
        return await self._ask({"evaluate": expression})


@pytest.fixture(autouse=True)
def default_route() -> Iterator[None]:
    """Skip where Firefox cannot be driven; give this namespace a default route.

    Without one Firefox finds no address of its own, and makes no connection.
    """
    for what, found in [
        ("Firefox (apt-get install firefox-esr, or FIREFOX)", FIREFOX),
        ("Node.js", NODE),
        ("PUPPETEER_CORE, a folder with puppeteer-core", PUPPETEER_CORE),
    ]:
        if not found:
            pytest.skip(f"{what} is missing")
    if not in_namespace():
        # It makes no connection to the loopback, where the services are without one.
        pytest.skip("tests/in_namespace.sh can make no network namespace here")
    subprocess.run(["ip", "route", "replace", "default", "dev", "p2pcamera0"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "route", "delete", "default"], check=True)


@asynccontextmanager
async def leashed() -> AsyncIterator[Leash]:
    """Start Firefox."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(NODE), str(DRIVER), str(PUPPETEER_CORE), str(FIREFOX), stdin=pipe, stdout=pipe
    )
    leash = Leash(process)
    try:
        await leash.greet()
        yield leash
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _frames(page: Leash, count: int, within_s: float) -> None:
    """Wait until the page has shown so many more frames."""
    before = await page.evaluate("count")

    async def came() -> bool:
        return bool(await page.evaluate("count") >= before + count)

    await eventually(came, within_s, f"{count} more frames")


async def test_firefox_shows_the_filtered_camera_and_its_track_survives_a_restart(
    services: Services, site: tuple[Path, str]
) -> None:
    folder, url = site
    await services.start("invert")
    (folder / "index.html").write_text(PAGE.format(server=services.url))
    async with leashed() as page:
        await page.goto(url)
        assert await page.evaluate("'p2pcamera' in window")
        await page.evaluate("begin()")
        await _frames(page, 30, 30)
        camera, shown = await page.evaluate("colours()")
        # Both change from frame to frame, a little.
        inverted = [255 - value for value in camera]
        assert sum(abs(a - b) for a, b in zip(shown, inverted, strict=True)) < 90, (camera, shown)

        told = await page.evaluate(
            """(() => {
              const [track] = stream.getVideoTracks();
              const { width, height } = track.getSettings();
              return [track.readyState, track.label !== "", width > 0 && height > 0, track.constructor.name];
            })()"""
        )
        print(page.version, told)
        assert told[:3] == ["live", True, True]

        assert services.signaling is not None
        services.signaling.kill()
        services.signaling.start()
        await services.ready({"invert": 1})

        async def is_back() -> bool:
            return bool(await page.evaluate("session.state") == "live")

        await eventually(is_back, 30, "the session is live again")
        await _frames(page, 30, 30)
        assert await page.evaluate("stream.getVideoTracks()[0].readyState") == "live"

        assert await page.evaluate("stream.getAudioTracks()[0].readyState") == "live"
        await page.evaluate("stream.getTracks().forEach((track) => track.stop())")
        assert await page.evaluate("session.camera.readyState") == "ended"
