"""Takes the pictures of the demo page that the documents show:

    sh tests/in_namespace.sh python -m docs.make.demo_pictures

The camera shows a photograph that comes with matplotlib, moved a little, as a person before a camera moves.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from harness.browser import chromium
from harness.deadline import eventually
from harness.photograph import GRACE_HOPPER
from harness.services import ROOT, Services
from harness.y4m import write_y4m

IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT, FPS, FRAMES = 640, 480, 30, 90
SECONDS_OF_PLOT = 30
QUALITY = 76

SHOTS: dict[str, dict[str, Any]] = {
    "demo-light.jpg": {"viewport": {"width": 1360, "height": 1340}},
    "demo-dark.jpg": {"viewport": {"width": 1360, "height": 1340}, "color_scheme": "dark"},
}


def moved() -> Iterator[npt.NDArray[np.uint8]]:
    """Yield I420 frames of the photograph, which sways and comes nearer once in FRAMES."""
    photo_bgr = cv2.imread(str(GRACE_HOPPER))
    assert photo_bgr is not None
    width = photo_bgr.shape[1]
    for index in range(FRAMES):
        turn = 2 * np.pi * index / FRAMES
        grown = WIDTH / width * (1.06 + 0.015 * np.cos(turn))
        move = np.array(
            [
                [grown, 0, WIDTH / 2 - grown * width / 2 + 9 * np.sin(turn)],
                [0, grown, -24 + 5 * np.cos(turn)],
            ]
        )
        frame_bgr = cv2.warpAffine(photo_bgr, move, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
        yield np.asarray(cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2YUV_I420), np.uint8)


def write_camera(path: Path) -> None:
    """Write a loop for Chromium's camera."""
    write_y4m(path, (WIDTH, HEIGHT), FPS, moved())


async def take() -> None:
    """Take all of SHOTS into docs/images."""
    with tempfile.TemporaryDirectory() as scratch:
        camera = Path(scratch) / "camera.y4m"
        write_camera(camera)
        async with Services(Path(scratch)) as services, chromium(camera) as browser:
            await services.start("ink,invert,passthrough")
            for name, options in SHOTS.items():
                context = await browser.new_context(permissions=["camera"], **options)
                page = await context.new_page()
                await page.goto(services.url)
                await page.locator("#start:enabled").click()
                await page.evaluate("document.activeElement.blur()")
                for other in ("invert", "ink"):
                    await page.locator(f"input[value={other}]").check()
                    picture = page.locator(f"label:has(input[value={other}]) canvas[data-live]")
                    await eventually(picture.count, 30, f"the card of {other} shows its picture")
                await page.evaluate("document.activeElement.blur()")
                await asyncio.sleep(SECONDS_OF_PLOT)
                screen = Image.open(BytesIO(await page.screenshot())).convert("RGB")
                screen.save(IMAGES / name, quality=QUALITY, optimize=True, progressive=True)
                await context.close()


if __name__ == "__main__":
    asyncio.run(take())
