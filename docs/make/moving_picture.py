"""Records the README's moving picture of the demo page:

    sh tests/in_namespace.sh python -m docs.make.moving_picture docs/images/demo.webp

Both services run with the default filter. The camera shows a photograph that comes with matplotlib, moved a
little. The script starts the camera, drags the border between both pictures, changes the filter, and moves a
slider.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Page

from tests.e2e.browser import chromium
from tests.e2e.deadline import eventually
from tests.e2e.services import Services
from tests.e2e.take_screenshots import write_camera

VIEW = {"width": 1360, "height": 860}
SIZE = (816, 516)
FPS = 8
QUALITY = 50
MOST_BYTES = 2_000_000
LIVE_S = 60.0


@dataclass(frozen=True, slots=True)
class Shot:
    """What the page looked like from one moment on."""

    at_s: float
    jpeg: bytes


@asynccontextmanager
async def filming(page: Page) -> AsyncIterator[list[Shot]]:
    """Collect a shot whenever Chromium has drawn the page."""
    shots: list[Shot] = []
    browser = await page.context.new_cdp_session(page)
    acknowledged: set[asyncio.Task[Any]] = set()

    def on_frame(event: dict[str, Any]) -> None:
        shots.append(Shot(event["metadata"]["timestamp"], base64.b64decode(event["data"])))
        # Chromium sends the next one only then.
        task = asyncio.create_task(browser.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]}))
        acknowledged.add(task)
        task.add_done_callback(acknowledged.discard)

    browser.on("Page.screencastFrame", on_frame)
    await browser.send("Page.startScreencast", {"format": "jpeg", "quality": 90, "everyNthFrame": 3})
    try:
        yield shots
    finally:
        await browser.send("Page.stopScreencast")
        await asyncio.gather(*acknowledged, return_exceptions=True)


async def visit(page: Page) -> None:
    """Do what a visitor does, at a pace that can be followed."""
    await page.locator("#start:enabled").click()
    await eventually(lambda: page.evaluate(
        "p2pcamera.sessions.some(({ state, stats }) => state === 'live' && stats?.frames_out > 20)"
    ), LIVE_S, "filtered pictures are shown")  # fmt: skip
    frame = await page.locator("#split").bounding_box()
    assert frame is not None
    left, width, middle = frame["x"], frame["width"], frame["y"] + frame["height"] / 2
    path = [0.5, 0.8, 0.2, 0.5]
    await page.mouse.move(left + width * path[0], middle)
    await page.mouse.down()
    for start, end in pairwise(path):
        for step in range(1, 13):
            await page.mouse.move(left + width * (start + (end - start) * step / 12), middle)
            await asyncio.sleep(0.08)
    await page.mouse.up()
    await page.locator("input[value=invert]").check()
    await asyncio.sleep(2)
    await page.locator("input[value=ink]").check()
    await asyncio.sleep(2)
    slider = page.locator("#parameters input[type=range]").first
    await slider.focus()
    for key, times in (("ArrowLeft", 10), ("ArrowRight", 10)):
        for _ in range(times):
            await slider.press(key)
            await asyncio.sleep(0.1)
    await asyncio.sleep(1)


def write(shots: list[Shot], path: Path) -> None:
    """Write an animated WebP that loops; raises ValueError if it is too large for a README."""
    ticks = int((shots[-1].at_s - shots[0].at_s) * FPS)
    frames, newest = [], 0
    for tick in range(ticks):
        while newest + 1 < len(shots) and shots[newest + 1].at_s <= shots[0].at_s + tick / FPS:
            newest += 1
        frames.append(
            Image.open(BytesIO(shots[newest].jpeg)).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
        )
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=1000 // FPS,
        loop=0,
        quality=QUALITY,
        method=6,
        minimize_size=True,
    )
    size_bytes = path.stat().st_size
    print(f"{path}: {len(frames)} frames, {size_bytes / 1e6:.2f} MB")
    if size_bytes > MOST_BYTES:
        raise ValueError(f"{path} has {size_bytes} bytes, more than {MOST_BYTES}")


async def main(path: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        camera = Path(scratch) / "camera.y4m"
        write_camera(camera)
        async with Services(Path(scratch)) as services, chromium(camera) as browser:
            await services.start("ink,invert,passthrough")
            context = await browser.new_context(
                viewport={"width": VIEW["width"], "height": VIEW["height"]},
                permissions=["camera"],
                color_scheme="dark",
            )
            page = await context.new_page()
            await page.goto(services.url)
            await page.locator("#start:enabled").wait_for()
            async with filming(page) as shots:
                await visit(page)
    write(shots, path)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
