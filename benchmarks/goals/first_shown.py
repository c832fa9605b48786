"""From a page's call for a camera to the first picture it shows, in Chromium: with the shim and without."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Browser

from benchmarks.designs.servers import SERVICE, Load, running
from benchmarks.figures import Spread
from benchmarks.goals.clients import Clients
from benchmarks.goals.outcome import Goal, Outcome, number
from harness.browser import chromium, served
from harness.picture import Picture, write_camera

PAGES = 20
MOST_MS = 500.0
PAGE = """<!doctype html><meta charset="utf-8"><title>A page</title>{script}
<video muted playsinline></video>
<script>
  window.firstShown_ms = async () => {{
    const video = document.querySelector("video");
    const began_ms = performance.now();
    video.srcObject = await navigator.mediaDevices.getUserMedia({{ video: true }});
    const shown = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    await video.play();
    await shown;
    return performance.now() - began_ms;
  }};
</script>"""


async def measure(clients: Clients, pages: int = PAGES) -> Outcome:
    folder = clients.folder / "first-shown"
    folder.mkdir(exist_ok=True)
    camera = folder / "camera.y4m"
    write_camera(camera, Picture())
    own_s, filtered_s = [], []
    async with running(SERVICE, clients.folder, Load()) as server, chromium(camera) as browser:
        write(folder, f'<script src="{server.url}/p2pcamera.js" data-filter="invert"></script>')
        with served(folder) as url:
            # By turns; the first of each finds a browser that is still starting.
            for turn in range(pages + 1):
                own, filtered = [await shown_s(browser, f"{url}/{name}.html") for name in ("own", "filtered")]
                if turn:
                    own_s.append(own)
                    filtered_s.append(filtered)
    alone, ours = Spread.of_s(own_s), Spread.of_s(filtered_s)
    outcome = Outcome(
        "first-shown",
        f"Call for a camera to the first picture shown in Chromium, {pages} pages of each by turns",
        ("picture", "p50 ms", "p95 ms"),
        [
            ("the browser's own", number(alone.p50), number(alone.p95)),
            ("filtered", number(ours.p50), number(ours.p95)),
        ],
        data={"own_s": own_s, "filtered_s": filtered_s},
    )
    outcome.goals.append(
        Goal(
            f"call for a camera to first filtered picture in Chromium, p95 of {pages}",
            f"under {MOST_MS:.0f} ms",
            f"{number(ours.p95)} ms (p50 {number(ours.p50)}; the camera alone {number(alone.p50)})",
            ours.p95 < MOST_MS,
        )
    )
    return outcome


def write(folder: Path, script: str) -> None:
    """Write a page for the browser's own camera, and one for the filtered one."""
    (folder / "own.html").write_text(PAGE.format(script=""))
    (folder / "filtered.html").write_text(PAGE.format(script=script))


async def shown_s(browser: Browser, url: str) -> float:
    """Open a page in a context of its own and return how long its first picture took."""
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await page.goto(url)
        return float(await page.evaluate("firstShown_ms()")) / 1e3
    finally:
        await context.close()
