"""What a filter tells of its pictures, at an aiortc client and in the page of the overlay example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from harness.browser import opened
from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import ROOT, Services
from tests.e2e import walking_filter
from tests.e2e.walking_filter import SIDE

pytestmark = pytest.mark.asyncio(loop_scope="session")

OVERLAY = ROOT / "examples" / "overlay"
WAIT_S = 40.0
PIXELS = 6
"""A lossy codec moves an edge by less."""

# Where the square is in the video, and where the overlay has drawn its box, at each frame of the element.
COMPARE = """
window.pairs = [];
const page = { video: document.querySelector("video"), canvas: document.querySelector("canvas") };
const leftOf = (source, isLit) => {
  const { videoWidth: width, videoHeight: height } = page.video;
  const pen = new OffscreenCanvas(width, height).getContext("2d");
  pen.drawImage(source, 0, 0, width, height);
  const row = pen.getImageData(0, 130, width, 1).data;
  for (let x = 0; x < width; x++) if (isLit(row.slice(4 * x, 4 * x + 4))) return x;
  return null;
};
const compare = () => {
  page.video.requestVideoFrameCallback(compare);
  // After the overlay's own callback, which was asked for before.
  const shown = leftOf(page.video, ([red]) => red > 128);
  const drawn = leftOf(page.canvas, ([, , , alpha]) => alpha > 128);
  if (shown !== null && drawn !== null) pairs.push([shown, drawn]);
};
page.video.requestVideoFrameCallback(compare);
"""


def left_of(luma: Any) -> int | None:
    """Return the first column of the square; None where it is not in the picture."""
    lit = luma[100:156].mean(axis=0) > 128
    return int(lit.argmax()) if lit.sum() > SIDE / 2 else None


async def test_what_a_filter_tells_belongs_to_its_picture(
    services: Services, browser: Browser, site: tuple[Path, str], tmp_path: Path
) -> None:
    services.start_signaling()
    services.start_worker("walking", env={"PYTHONPATH": walking_filter.install(tmp_path / "package")})
    await services.ready({"walking": 1})

    async with Peer(services.http, Picture(320, 240), fps=15, look=left_of) as peer:
        told: dict[int, dict[str, Any]] = {}
        channel = peer.connection.createDataChannel("data", ordered=False, maxRetransmits=0)
        other = peer.connection.createDataChannel("anything")
        strayed: list[Any] = []
        other.on("message", strayed.append)

        def take(text: str) -> None:
            message = json.loads(text)
            told[message["rtp_timestamp"]] = message

        channel.on("message", take)
        await peer.call(filter="walking")

        def both() -> list[tuple[int, dict[str, Any]]]:
            seen = [one for one in peer.returned if one.seen is not None and one.rtp_timestamp in told]
            return [(one.seen, told[one.rtp_timestamp]) for one in seen]

        await eventually(lambda: len(both()) >= 20, WAIT_S, "pictures with their data")
        pairs = both()
        for left, message in pairs:
            (box,) = message["filters"]["walking"]["boxes"]
            assert abs(box["x"] * message["width"] - left) <= PIXELS
            assert (message["width"], message["height"], box["label"]) == (320, 240, "square")
        assert strayed == []
        assert len({left for left, _ in pairs}) > 3

    folder, url = site
    page_text = (OVERLAY / "index.html").read_text()
    assert 'src="http://localhost:7860/p2pcamera.js" data-filter="detection"' in page_text
    page_text = page_text.replace("http://localhost:7860", services.url).replace("detection", "walking")
    (folder / "index.html").write_text(page_text)
    (folder / "overlay.js").write_text((OVERLAY / "overlay.js").read_text())
    async with opened(browser, url) as page:
        await page.wait_for_function("document.querySelector('video').videoWidth > 0", timeout=WAIT_S * 1000)
        await page.evaluate(COMPARE)
        await page.wait_for_function("window.pairs.length >= 40", timeout=WAIT_S * 1000)
        drawn = await page.evaluate("window.pairs")
        # The overlay's lines are 3 pixels wide. An element that was late for a frame shows the one before.
        in_step = [abs(shown - box) <= PIXELS + 2 for shown, box in drawn]
        assert sum(in_step) >= 0.7 * len(drawn), drawn
