"""Takes the pictures of the demo page that the documents show:

    sh tests/in_namespace.sh python -m tests.e2e.take_screenshots docs/images

The camera shows a photograph that comes with matplotlib, moved a little, as a person before a camera moves.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from PIL import Image

from harness.browser import chromium
from harness.deadline import eventually
from harness.services import Services

WIDTH, HEIGHT, FPS, FRAMES = 640, 480, 30, 90
SECONDS_OF_PLOT = 30
QUALITY = 76

SHOTS: dict[str, dict[str, Any]] = {
    "demo-light.jpg": {"viewport": {"width": 1360, "height": 1340}},
    "demo-dark.jpg": {"viewport": {"width": 1360, "height": 1340}, "color_scheme": "dark"},
}


def write_camera(path: Path) -> None:
    """Write a loop for Chromium's `--use-file-for-fake-video-capture`."""
    photo = cv2.imread(str(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"))
    assert photo is not None
    scale = WIDTH / photo.shape[1]
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (WIDTH, HEIGHT, FPS))
        for index in range(FRAMES):
            turn = 2 * np.pi * index / FRAMES
            grown = scale * (1.06 + 0.015 * np.cos(turn))
            move = np.array(
                [
                    [grown, 0, WIDTH / 2 - grown * photo.shape[1] / 2 + 9 * np.sin(turn)],
                    [0, grown, -24 + 5 * np.cos(turn)],
                ]
            )
            frame = cv2.warpAffine(photo, move, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes())


async def take(folder: Path) -> None:
    """Take all of SHOTS into `folder`."""
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
                picture = Image.open(BytesIO(await page.screenshot())).convert("RGB")
                picture.save(folder / name, quality=QUALITY, optimize=True, progressive=True)
                await context.close()


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1])))
