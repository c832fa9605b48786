"""The demo page as a test uses it: what it says, what its pictures show, what it has complained of."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, Locator, Page

from harness.deadline import eventually

LIMIT_S = 20.0

# Before any script of the page: what it sends on its data channels, and when.
_NOTE_MESSAGES = """
window.said = [];
const { send } = RTCDataChannel.prototype;
RTCDataChannel.prototype.send = function (text) {
  said.push([performance.now(), text]);
  return send.call(this, text);
};
"""

# The middle of the patch only: chroma bleeds over its border.
_READ_PATCH = """id => {
    const video = document.getElementById(id);
    const { videoWidth: width, videoHeight: height } = video;
    const context = new OffscreenCanvas(4, 4).getContext("2d");
    context.drawImage(video, width / 32, height / 24, width / 16, height / 12, 0, 0, 4, 4);
    const { data } = context.getImageData(0, 0, 4, 4);
    const all = (channel) => data.filter((_, at) => at % 4 === channel);
    return [0, 1, 2].map((channel) => all(channel).reduce((sum, one) => sum + one, 0) / 16);
}"""


@dataclass
class Demo:
    """One open demo page."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    async def start(self, filter_: str) -> None:
        """Choose the filter and start the camera, or switch one that runs; returns when it is live."""
        await self.choose(filter_)
        start = self.page.locator("#start")
        if await self.page.evaluate("document.body.dataset.state") in (None, "idle"):
            await start.click()
        await self.is_live(filter_)

    async def choose(self, filter_: str) -> None:
        await self.page.locator(f"#filters input[value='{filter_}']").check()

    async def is_live(self, filter_: str) -> None:
        """Wait until pictures of this filter come back."""
        live = """filter => {
            const { state, filters, stats } = p2pcamera.sessions[0] ?? {};
            const shown = stats?.filters.join() === filter && stats.state === "live";
            return state === "live" && filters.join() === filter && shown && filtered.videoWidth > 0;
        }"""
        await self.so(lambda: self.page.evaluate(live, filter_), f"{filter_} is live")

    async def patch(self, video: str) -> tuple[int, int, int]:
        """The colour of a picture's patch, see picture.py."""
        red, green, blue = await self.page.evaluate(_READ_PATCH, video)
        return red, green, blue

    async def shows(self, rgb: tuple[int, int, int], video: str = "filtered", tolerance: int = 24) -> None:
        """Wait until the patch of a picture, of the filtered one by default, has this colour."""

        async def is_near() -> bool:
            return all(
                abs(one - other) < tolerance for one, other in zip(await self.patch(video), rgb, strict=True)
            )

        await self.so(is_near, f"the {video} picture shows {rgb}")

    async def changes(self) -> list[tuple[float, dict[str, Any]]]:
        """When, in ms, which change of the filter was sent."""
        said = await self.page.evaluate("said")
        return [(at_ms, json.loads(text)) for at_ms, text in said if text.startswith("{")]

    async def doctor(self) -> dict[str, tuple[str, str]]:
        """Let the connection doctor work; outcome and words by step."""
        await self.page.locator("#doctor-run:enabled").click()
        done = self.page.locator("#doctor-outcome[data-kind]")
        await self.so(lambda: self.page.locator("#doctor-run:enabled").count(), "the doctor is done")
        assert await done.count() == 1
        steps = await self.page.evaluate(
            """[...document.querySelectorAll("#doctor-steps li")].map(({dataset, children}) =>
                [dataset.step, dataset.outcome, children[3].textContent])"""
        )
        return {step: (outcome, words) for step, outcome, words in steps}

    async def so(self, condition: Any, what: str) -> Any:
        return await eventually(condition, LIMIT_S, f"{what}; the page said {self.complaints}")

    def parameter(self, name: str) -> Locator:
        return self.page.locator(f"#parameter-{name}")

    async def problem(self, name: str) -> str:
        """Wait for what a parameter's field complains of."""
        place = self.page.locator(f"#parameter-{name}-problem:visible")
        await self.so(place.count, f"{name} complains")
        return await place.inner_text()


@asynccontextmanager
async def demo(browser: Browser, url: str, **options: Any) -> AsyncIterator[Demo]:
    """Open the demo page in a context of its own; fails for what its console complains of."""
    options = {"permissions": ["camera", "clipboard-read", "clipboard-write"], **options}
    context = await browser.new_context(**options)
    try:
        page = await context.new_page()
        opened = Demo(page)
        page.on(
            "console",
            lambda line: opened.complaints.append(line.text) if line.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        await page.add_init_script(_NOTE_MESSAGES)
        await page.goto(url)
        yield opened
    finally:
        await context.close()
    assert opened.complaints == [], opened.complaints
