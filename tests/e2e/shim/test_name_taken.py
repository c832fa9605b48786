"""The shim where a page uses the name `p2pcamera`, or where other functions than the browser's are found."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page

from tests.e2e.cases import slow
from tests.e2e.stage import SERVER, Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

SHIM = f'<script src="{SERVER}/p2pcamera.js"></script>'
OWN_CALL = """
const { mediaDevices } = navigator;
const before = mediaDevices.getUserMedia.bind(mediaDevices);
mediaDevices.getUserMedia = (constraints) => before(constraints);
"""
OWN_LATE_CALL = """
navigator.mediaDevices.getUserMedia = function (constraints) {
  return MediaDevices.prototype.getUserMedia.call(this, constraints);
};
"""


@pytest.fixture(scope="module")
def browser(stage_chromium: Browser) -> Browser:
    return stage_chromium


async def opened(stage: Stage, body: str) -> tuple[Page, list[str]]:
    """Return a page of `body`, with what the shim writes to the console from its second load on."""
    page = await stage.open(body=body, has_shim=False)
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.text.startswith("p2pcamera: "):
            said.append(message.text)

    page.on("console", hear)
    await page.reload()
    return page, said


@pytest.mark.parametrize(
    "body",
    [
        f'<script id="p2pcamera" src="{SERVER}/p2pcamera.js"></script>',
        f"{SHIM}<script>const p2pcamera = 'mine';</script>",
        *slow(
            f"<div id=p2pcamera></div>{SHIM}",
            f"<form name=p2pcamera></form>{SHIM}",
            f"<iframe name=p2pcamera></iframe>{SHIM}",
        ),
    ],
    ids=["its own tag", "a later constant", "an element", "a form", "a frame"],
)
async def test_camera_is_filtered_whatever_is_named_p2pcamera(stage: Stage, body: str) -> None:
    page, said = await opened(stage, body)
    assert await page.evaluate("attempt({ video: true })") == ""
    assert await page.evaluate("colour(stream)") == "red"
    assert await page.evaluate("window.p2pcamera.sessions.length") == 1
    assert said == []


async def test_a_variable_of_the_pages_is_left_alone_and_the_script_says_so(stage: Stage) -> None:
    page, said = await opened(stage, f"<script>var p2pcamera = 'mine';</script>{SHIM}")
    assert await page.evaluate("attempt({ video: true })") == ""
    assert await page.evaluate("colour(stream)") == "red"
    assert await page.evaluate("p2pcamera") == "mine"
    assert await page.evaluate("window[Symbol.for('p2pcamera.installed')].sessions.length") == 1
    assert ["has a variable p2pcamera" in text for text in said] == [True]


@pytest.mark.parametrize(
    "script",
    [OWN_CALL, "Object.freeze(MediaDevices.prototype);", *slow(OWN_LATE_CALL)],
    ids=["its own call", "a frozen prototype", "its own call by the prototype"],
)
async def test_camera_is_filtered_once_where_a_script_came_before(stage: Stage, script: str) -> None:
    page, _ = await opened(stage, f"<script>{script}</script>{SHIM}")
    assert await page.evaluate("attempt({ video: true })") == ""
    assert await page.evaluate("colour(stream)") == "red"
    assert len(stage.sent("POST", "/offer")) == 1


async def test_camera_is_refused_where_tracks_cannot_be_made_ours(stage: Stage) -> None:
    page, said = await opened(stage, f"<script>Object.freeze(MediaStreamTrack.prototype);</script>{SHIM}")
    failure = await page.evaluate("attempt({ video: true })")
    assert failure.startswith("NotReadableError: ")
    assert "a script of the page has fixed" in failure
    assert not await page.evaluate("native.isOn()")
    assert "cannot be filtered in this page" in said[0], said


async def test_a_second_script_says_that_the_first_keeps_the_camera(stage: Stage) -> None:
    _, said = await opened(stage, SHIM + SHIM)
    assert ["loads the script twice" in text for text in said] == [True]
