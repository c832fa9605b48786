"""The pictures of docs/use.md, made anew: `sh tests/in_namespace.sh python -m docs.make.use_pictures`.

Both services run, with the default filter; Chromium's camera is matplotlib's photograph `grace_hopper.jpg`.
"""

from __future__ import annotations

import asyncio
import tempfile
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from playwright.async_api import Browser, Page

from harness.browser import chromium, served
from harness.certificate import write_certificate
from harness.deadline import eventually
from harness.photograph import read_photo
from harness.services import ROOT, Services
from harness.y4m import write_y4m

IMAGES = ROOT / "docs" / "images"
FILTER = "ink"
SIZE = 640, 480
FPS = 30
COLOURS = 128
"""Few, and no scattered dots: a PNG of a photograph stays small."""
LIVE_S = 60.0

OWN_PAGE = """<!doctype html>
<title>A page of one's own</title>
<style>body {{ margin: 0 }} video {{ display: block; width: 100vw }}</style>
<script src="{server}/p2pcamera.js" data-filter="ink"></script>
<video autoplay playsinline muted></video>
<script>
  navigator.mediaDevices.getUserMedia({{ video: true, audio: true }}).then((stream) => {{
    document.querySelector("video").srcObject = stream;
  }});
</script>
"""


def write_photograph(path: Path) -> None:
    """Write a still photograph for Chromium's camera."""
    planes = np.asarray(cv2.cvtColor(read_photo(top=0.0, size=SIZE), cv2.COLOR_RGB2YUV_I420), np.uint8)
    write_y4m(path, SIZE, FPS, [planes] * FPS)


async def shoot(browser: Browser, url: str, name: str, size: tuple[int, int], scale: int = 1) -> None:
    """Open a page, press Start where it has that, wait for pictures, and write docs/images/`name`."""
    width, height = size
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        ignore_https_errors=True,
        permissions=["camera", "microphone"],
    )
    page = await context.new_page()
    await page.goto(url)
    if await page.locator("#start").count():
        await page.locator("#start:enabled").click()
    await _live(page)
    image = Image.open(BytesIO(await page.screenshot())).convert("RGB")
    small = image.quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(IMAGES / name, optimize=True)
    print(IMAGES / name, (IMAGES / name).stat().st_size)
    await context.close()


async def _live(page: Page) -> None:
    counted = "p2pcamera.sessions.some(({ state, stats }) => state === 'live' && stats?.frames_out > 60)"
    await eventually(lambda: page.evaluate(counted), LIVE_S, "filtered pictures are shown")


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        camera, site = folder / "camera.y4m", folder / "site"
        write_photograph(camera)
        site.mkdir()
        async with Services(folder) as plain, chromium(camera) as browser:
            await plain.start(FILTER)
            (site / "index.html").write_text(OWN_PAGE.format(server=plain.url))
            with served(site) as url:
                await shoot(browser, url, "own-page.png", (480, 360))
            await shoot(browser, f"{plain.url}/obs.html?filter={FILTER}&fit=cover", "obs.png", (640, 360))
        async with (
            Services(folder, certificate=write_certificate(folder)) as secure,
            chromium(camera) as browser,
        ):
            await secure.start(FILTER)
            await shoot(browser, f"{secure.url}/", "phone.png", (390, 844))


if __name__ == "__main__":
    asyncio.run(main())
