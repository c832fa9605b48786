"""What Firefox can do of the shim, with both services.

`docs/browsers.md` tells what differs from Chromium.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page

from harness.browser import served
from harness.deadline import eventually
from harness.firefox import Firefox, FirefoxPage, default_route, running_firefox
from harness.services import Services
from tests.e2e.manners import MANNERS, SAME, Subject, answers

pytestmark = [pytest.mark.firefox, pytest.mark.asyncio(loop_scope="session")]

PAGE = """<!doctype html><meta charset="utf-8"><title>A page</title>
<script src="{server}/p2pcamera.js" data-filter="invert" data-audio="sync"></script><script>
window.count = 0;
// The camera's colour and the page's, in one moment.
window.colours = () => [raw, shown].map((video) => {{
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  pen.drawImage(video, 0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}});
window.begin = async () => {{
  window.stream = await navigator.mediaDevices.getUserMedia({{ video: true, audio: true }});
  [window.session] = p2pcamera.sessions;
  for (const [name, tracks] of [["raw", [session.camera]], ["shown", stream.getVideoTracks()]]) {{
    window[name] = document.createElement("video");
    Object.assign(window[name], {{ muted: true, srcObject: new MediaStream(tracks) }});
    document.body.append(window[name]);
    await window[name].play();
  }}
  const seen = () => {{ count += 1; shown.requestVideoFrameCallback(seen); }};
  seen();
}};
</script><body></body>"""


@pytest.fixture(scope="module", autouse=True)
def route() -> Iterator[None]:
    with default_route():
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox(route: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firefox]:
    """One for all tests here: its start costs as much CPU as all of them."""
    async with running_firefox(tmp_path_factory.mktemp("firefox")) as firefox:
        yield firefox


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    async with Services(tmp_path_factory.mktemp("services")) as services:
        await services.start_light("invert")
        yield services
    print(services.output())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def subjects(
    firefox: Firefox, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Subject, Subject]]:
    """A page without the shim and one with it, of one origin, so that the cameras have the same ids."""
    folder = tmp_path_factory.mktemp("manners")
    (folder / "manners.js").write_text(MANNERS)
    shim = f'<script src="{services.url}/p2pcamera.js" data-filter="invert"></script>'
    for name, tag in (("plain", ""), ("shim", shim)):
        text = f'<!doctype html><title>A page</title>{tag}<script src="/manners.js"></script>'
        (folder / f"{name}.html").write_text(text)
    with served(folder) as url:
        made = []
        for name in ("plain", "shim"):
            page = await firefox.open()
            await page.goto(f"{url}/{name}.html")
            # Without a camera in use, or used before, it tells no ids and no names.
            await page.evaluate("manners.answer((page) => page.open())")
            made.append(await Subject.of(page))
        yield made[0], made[1]


# The answers differ in these, as docs/browsers.md tells.
DIFFERENT = {
    "constraints that name a device": "a list of one id comes back as the id, as Chromium gives it",
    "a demand in mid-call that cannot be met": "the same",
    "another frame rate in mid-call": "Firefox's made-up camera is slow to take notice, unlike ours",
    "a clone": "contentHint goes along, which Firefox does not know",
}
SOMETIMES = "another frame rate in mid-call"
QUICK = (
    "settings",
    "capabilities",
    "devices that do not exist",
    "calls that are none",
    "enabled",
    "a stream",
)
"""In every run of the tests; test_camera_manners.py asks Chromium all of them."""


def marks(row: str) -> list[pytest.MarkDecorator]:
    different = (
        [pytest.mark.xfail(reason=DIFFERENT[row], strict=row != SOMETIMES)] if row in DIFFERENT else []
    )
    return different + ([] if row in QUICK else [pytest.mark.slow])


ROWS = [pytest.param(row, marks=marks(row)) for row in SAME]


@pytest.mark.parametrize("row", ROWS)
async def test_filtered_camera_answers_as_firefoxs_own(subjects: tuple[Subject, Subject], row: str) -> None:
    expected, told = await answers(*subjects, SAME[row])
    assert told == expected


async def shows_the_inverse(page: FirefoxPage | Page, within_s: float) -> None:
    """Wait until the colour that PAGE shows is the inverse of the camera's."""

    async def is_inverted() -> bool:
        camera, shown = await page.evaluate("colours()")
        return bool(sum(abs(255 - a - b) for a, b in zip(camera, shown, strict=True)) < 90)

    # Colours change all the time, and the page's are older, by much on a busy machine.
    await eventually(is_inverted, within_s, "the page's colour is the inverse of the camera's")


async def _frames(page: FirefoxPage, count: int, within_s: float) -> None:
    """Wait until the page has shown so many more frames."""
    before = await page.evaluate("count")

    async def came() -> bool:
        return bool(await page.evaluate("count") >= before + count)

    await eventually(came, within_s, f"{count} more frames")


async def test_firefox_shows_the_filtered_camera_and_its_track_survives_a_restart(
    firefox: Firefox, services: Services, site: tuple[Path, str]
) -> None:
    folder, url = site
    (folder / "index.html").write_text(PAGE.format(server=services.url))
    page = await firefox.open()
    await page.goto(url)
    assert await page.evaluate("'p2pcamera' in window")
    await page.evaluate("begin()")
    await _frames(page, 10, 30)
    await shows_the_inverse(page, 10)

    told = await page.evaluate(
        """(() => {
          const [track] = stream.getVideoTracks();
          const { width, height } = track.getSettings();
          return [track.readyState, track.label !== "", width > 0 && height > 0, track.constructor.name];
        })()"""
    )
    print(firefox.version, told)
    assert told[:3] == ["live", True, True]

    assert services.signaling is not None
    services.signaling.kill()
    services.signaling.start()
    await services.ready({"invert": 1})

    async def is_back() -> bool:
        return bool(await page.evaluate("session.state") == "live")

    await eventually(is_back, 30, "the session is live again")
    await _frames(page, 10, 30)
    assert await page.evaluate("stream.getVideoTracks()[0].readyState") == "live"

    assert await page.evaluate("stream.getAudioTracks()[0].readyState") == "live"
    await page.evaluate("stream.getTracks().forEach((track) => track.stop())")
    assert await page.evaluate("session.camera.readyState") == "ended"
