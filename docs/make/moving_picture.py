"""Makes the README's moving picture of the demo page:

    sh tests/in_namespace.sh python -m docs.make.moving_picture

The camera shows a photograph that comes with matplotlib, moved a little. The page is told of three filters
that need no download, so that their settings fit below them. The script starts the camera, drags the border
between both pictures, changes the filter, and moves a slider. It takes one screenshot after each small step,
so the picture is smooth on a busy machine too.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path

from PIL import Image
from playwright.async_api import Page, Route

from docs.make.demo_pictures import write_camera
from harness.browser import chromium
from harness.deadline import eventually
from harness.services import ROOT, Services

FILTERS = ("ink", "grade", "invert")
WIDTH, HEIGHT = 1360, 860
SIZE = (816, 516)
FPS = 8
QUALITY = 45
MOST_BYTES = 2_000_000
WAIT_S = 180.0
BORDER = (0.5, 0.8, 0.2, 0.5)
"""Where the border is dragged, in parts of the picture's width."""
STEPS = 10
"""Pictures from one place of the border to the next."""
KEYS = 10


async def visit(page: Page) -> AsyncIterator[None]:
    """Use the page as a visitor would; yields whenever a picture is due."""
    for _ in range(FPS // 2):
        yield
    await page.locator("#start:enabled").click()
    await live(page, "ink")
    for _ in range(FPS):
        yield
    frame = await page.locator("#split").bounding_box()
    assert frame is not None
    await page.mouse.move(frame["x"] + frame["width"] * BORDER[0], frame["y"] + frame["height"] / 2)
    await page.mouse.down()
    for start, end in pairwise(BORDER):
        for step in range(1, STEPS + 1):
            at = start + (end - start) * step / STEPS
            await page.mouse.move(frame["x"] + frame["width"] * at, frame["y"] + frame["height"] / 2)
            yield
    await page.mouse.up()
    for name in ("grade", "invert", "ink"):
        await page.locator(f"label:has(input[value={name}])").click()
        await live(page, name)
        for _ in range(FPS * 3 // 2):
            yield
    slider = page.locator("#parameters input[type=range]").first
    for key in ("PageDown", "PageUp"):
        for _ in range(KEYS):
            await slider.press(key)
            yield
    for _ in range(FPS):
        yield


async def live(page: Page, name: str) -> None:
    """Wait until the filter's pictures are shown, and the next measurement of the server agrees."""
    shown = f"({{ stats }}) => stats?.state === 'live' && stats.filters[0] === '{name}'"
    await eventually(
        lambda: page.evaluate(f"p2pcamera.sessions.some({shown})"), WAIT_S, f"pictures of {name} are shown"
    )


def write(pictures: list[Image.Image], path: Path) -> None:
    """Write an animated WebP that loops; raises ValueError if it is too large for a README."""
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=1000 // FPS,
        loop=0,
        quality=QUALITY,
        method=4,
    )
    size_bytes = path.stat().st_size
    print(f"{path}: {len(pictures)} pictures, {size_bytes / 1e6:.2f} MB")
    if size_bytes > MOST_BYTES:
        raise ValueError(f"{path} has {size_bytes} bytes, more than {MOST_BYTES}")


async def main(path: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        camera = Path(scratch) / "camera.y4m"
        write_camera(camera)
        async with Services(Path(scratch)) as services, chromium(camera) as browser:
            services.start_signaling()
            services.start_worker(",".join(FILTERS))
            await eventually(lambda: loaded(services), WAIT_S, "the worker has loaded its filters")
            context = await browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT}, permissions=["camera"], color_scheme="dark"
            )
            context.set_default_timeout(WAIT_S * 1000)
            page = await context.new_page()
            await page.route("**/filters", only_these)
            await page.goto(services.url)
            await page.locator("#start:enabled").wait_for()
            pictures = []
            async for _ in visit(page):
                taken = Image.open(BytesIO(await page.screenshot())).convert("RGB")
                pictures.append(taken.resize(SIZE, Image.Resampling.LANCZOS))
    write(pictures, path)


async def only_these(route: Route) -> None:
    answer = await route.fetch()
    said = await answer.json()
    said["filters"] = [one for one in said["filters"] if one["name"] in FILTERS]
    await route.fulfill(response=answer, json=said)


async def loaded(services: Services) -> bool:
    served = await services.filters()
    return all(served.get(name, {}).get("state") == "loaded" for name in FILTERS)


if __name__ == "__main__":
    asyncio.run(main(ROOT / "docs" / "images" / "demo.webp"))
