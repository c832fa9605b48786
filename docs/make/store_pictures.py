"""Takes the pictures for Chrome's store, of the extension as `make extension` builds it:

    sh tests/in_namespace.sh python -m docs.make.store_pictures

Both services run. Chromium's camera shows a photograph that comes with scikit-image. The page is one of ours.
The toolbar's popup is a page of its own in a headless browser, so it is put where the browser would show it.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageFilter
from playwright.async_api import Page

from harness.certificate import write_certificate
from harness.deadline import eventually
from harness.extension import Extended, extended, world
from harness.photograph import read_astronaut
from harness.services import ROOT, Services
from harness.y4m import write_y4m

PICTURES = ROOT / "deploy" / "store" / "pictures"
LANGUAGES = ("en", "ja")
SCREEN = {"width": 1280, "height": 800}
TILE = {"width": 440, "height": 280}
ENLARGED = 1.6
"""The options page is narrow: so it fills the picture."""
CAMERA, FPS = (640, 480), 15
SITE = "https://call.example"
CHOSEN = "ink"
SHADOW_PX, RIGHT_PX, TOP_PX = 18, 28, 22
LIVE_S = 120.0

PAGE = """<!doctype html>
<meta charset="utf-8">
<style>
  body { margin: 0; height: 100vh; display: grid; place-items: center; background: #20242c }
  video { height: 92vh; border-radius: 22px }
</style>
<video autoplay playsinline muted></video>
<script>
  const open = async () => {
    const video = document.querySelector("video");
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
  };
</script>
"""

TILE_PAGE = """<!doctype html>
<meta charset="utf-8">
<style>
  body {{ margin: 0; width: 440px; height: 280px; overflow: hidden; background: #20242c }}
  img.half {{ position: absolute; left: 67px; top: 0; height: 280px }}
  #filtered {{ clip-path: inset(0 0 0 42.5%) }}
  #border {{ position: absolute; left: 224px; top: 0; width: 3px; height: 280px; background: #f7f3ea }}
  #icon {{ position: absolute; left: 14px; top: 14px; width: 64px }}
</style>
<img class="half" src="{camera}"><img class="half" id="filtered" src="{filtered}">
<div id="border"></div><img id="icon" src="{icon}">
"""

GRAB = """() => {
  const video = document.querySelector("video");
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
  canvas.getContext("2d").drawImage(video, 0, 0, 640, 480);
  return canvas.toDataURL();
}"""


async def main() -> None:
    """Write all pictures, in place of those that are there."""
    photo_rgb = read_astronaut(CAMERA)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        camera = folder / "camera.y4m"
        planes = np.asarray(cv2.cvtColor(photo_rgb, cv2.COLOR_RGB2YUV_I420), np.uint8)
        write_y4m(camera, CAMERA, FPS, [planes] * FPS)
        async with Services(folder) as services:
            await services.start(CHOSEN)
            with world(write_certificate(folder), {"/": (PAGE, {})}) as port:
                for language in LANGUAGES:
                    scratch = _emptied(folder / language)
                    async with extended(scratch, camera, port, languages=language, site=SITE) as browser:
                        server = {"server": f"{services.url}/", "sites": [SITE], "filter": CHOSEN}
                        await browser.store(server)
                        filtered = await take(browser, _emptied(PICTURES / language))
                        if language == LANGUAGES[0]:
                            await tile(browser, _address(photo_rgb), filtered)


async def take(browser: Extended, folder: Path) -> str:
    """Take the screenshots of one language; returns a filtered picture as the address of an image."""
    page = await browser.page(f"{SITE}/")
    await eventually(lambda: browser.run(_IS_REGISTERED), LIVE_S, "the scripts run on the added site")
    await page.reload()
    await page.set_viewport_size(SCREEN)  # type: ignore[arg-type]
    await page.evaluate("open()")
    popup = await browser.popup(page)
    await eventually(lambda: _measured(popup), LIVE_S, "the popup shows a latency")
    # The plot fills.
    await asyncio.sleep(20)
    shown = _opened(await page.screenshot())
    menu = _opened(await popup.locator("body").screenshot())
    _with_popup(shown, menu).save(folder / "1-call.png", optimize=True)
    filtered: str = await page.evaluate(GRAB)
    await popup.close()
    await page.close()

    options = await browser.own_page("options.html")
    await options.set_viewport_size(SCREEN)  # type: ignore[arg-type]
    await options.evaluate("zoom => { document.body.style.zoom = zoom; }", ENLARGED)
    await options.wait_for_selector("#parameters :is(input, select)", timeout=LIVE_S * 1e3)
    # Those that run on any computer come first.
    shown_at = {
        "2-filters.png": ("section[aria-labelledby=filter-title]", "start"),
        "3-server.png": ("#server-form", "center"),
    }
    for name, (place, block) in shown_at.items():
        await options.locator(place).evaluate("(place, block) => place.scrollIntoView({ block })", block)
        _opened(await options.screenshot()).save(folder / name, optimize=True)
    await options.close()
    return filtered


async def _measured(popup: Page) -> bool:
    return "ms" in await popup.inner_text("#latency")


async def tile(browser: Extended, camera: str, filtered: str) -> None:
    """Make the small tile: the camera on its left, the filtered picture on its right."""
    icon = base64.b64encode((ROOT / "static" / "extension" / "icons" / "128.png").read_bytes()).decode()
    page = await browser.context.new_page()
    await page.set_viewport_size(TILE)  # type: ignore[arg-type]
    await page.set_content(
        TILE_PAGE.format(camera=camera, filtered=filtered, icon=f"data:image/png;base64,{icon}")
    )
    _opened(await page.screenshot()).save(PICTURES / "tile.png", optimize=True)
    await page.close()


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


_IS_REGISTERED = "async () => (await chrome.scripting.getRegisteredContentScripts()).length === 2"


def _with_popup(page: Image.Image, popup: Image.Image) -> Image.Image:
    """Return the page with the popup in its upper right corner, and a shadow below the popup."""
    left, top = page.width - popup.width - RIGHT_PX, TOP_PX
    shade = Image.new("L", page.size)
    shade.paste(150, (left, top + 4, left + popup.width, top + 4 + popup.height))
    page.paste((0, 0, 0), mask=shade.filter(ImageFilter.GaussianBlur(SHADOW_PX)))
    page.paste(popup, (left, top))
    return page


def _opened(screenshot: bytes) -> Image.Image:
    return Image.open(BytesIO(screenshot)).convert("RGB")


def _address(image_rgb: np.typing.NDArray[np.uint8]) -> str:
    packed = BytesIO()
    Image.fromarray(image_rgb).save(packed, "PNG")
    return f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}"


if __name__ == "__main__":
    asyncio.run(main())
