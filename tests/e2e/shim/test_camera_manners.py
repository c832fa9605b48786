"""The filtered camera beside the browser's own: a page that asks both the same question gets the same answer.

The expected values are those of a page without the shim in the same browser, whose camera is Chromium's own
made-up one. The page with the shim has a strict content-security policy and Trusted Types.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.e2e.manners import MANNERS, SAME, Subject, answers
from tests.e2e.stage import STRICT, Stage, stage_browser, staged

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def browser(three_cameras_chromium: Browser) -> Browser:
    return three_cameras_chromium


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def subjects(browser: Browser) -> AsyncIterator[tuple[Subject, Subject]]:
    """A page without the shim and one with it, of one origin."""
    async with staged(browser) as stage:
        files = {"/manners.js": MANNERS}
        script = '<script src="/manners.js"></script>'
        strict = {"Content-Security-Policy": STRICT}
        plain = await Subject.of(await stage.open(body=script, files=files, has_shim=False))
        shim = await Subject.of(await stage.open(body=script, files=files, headers=strict))
        assert len({camera.id for camera in plain.cameras}) == 2
        yield plain, shim


@pytest.mark.parametrize("question", SAME.values(), ids=SAME.keys())
async def test_filtered_camera_answers_as_the_browsers_own(
    subjects: tuple[Subject, Subject], question: str
) -> None:
    expected, told = await answers(*subjects, question)
    assert told == expected
    assert await subjects[1].page.evaluate("[p2pcamera.sessions.length, native.isOn()]") == [0, False]


KEEP_LIST = "window.enumerate = MediaDevices.prototype.enumerateDevices;"
TOLD = "(all) => all.map(({ kind, label, deviceId }) => [kind, label, deviceId])"


async def lists(page: Page) -> tuple[list[list[str]], list[list[str]]]:
    """Return what the page is told of its devices, and what the browser itself tells."""
    ours = await page.evaluate(f"navigator.mediaDevices.enumerateDevices().then({TOLD})")
    own = await page.evaluate(f"enumerate.call(navigator.mediaDevices).then({TOLD})")
    return ours, own


async def test_filtered_camera_is_listed_before_each_camera_and_nothing_else_changes(stage: Stage) -> None:
    ours, own = await lists(await stage.open(first=KEEP_LIST))
    cameras = [label for kind, label, _ in own if kind == "videoinput"]
    assert [label for kind, label, _ in ours if kind == "videoinput"] == [
        name for label in cameras for name in (f"{label} (filtered)", label)
    ]
    assert [one for one in ours if not one[1].endswith("(filtered)")] == own
    ids = [id_ for *_, id_ in ours if len(id_) == 64]
    assert len(set(ids)) == len(ids) > 2 * len(cameras)


async def test_list_without_names_is_the_browsers_own(stage: Stage) -> None:
    """As before permission, which the shell gives to every page: its getters are played."""
    nameless = """for (const name of ["deviceId", "label", "groupId"]) {
      Object.defineProperty(MediaDeviceInfo.prototype, name, { get: () => "", configurable: true });
    }"""
    ours, own = await lists(await stage.open(first=KEEP_LIST + nameless))
    assert ["videoinput", "", ""] in own
    assert ours == own


@pytest.mark.slow
async def test_list_before_permission_is_the_browsers_own() -> None:
    listed = "navigator.mediaDevices.enumerateDevices().then(JSON.stringify)"
    async with stage_browser(is_whole=True) as whole, staged(whole, permissions=()) as stage:
        expected = await (await stage.open(has_shim=False)).evaluate(listed)
        assert '"label":""' in expected
        assert '"deviceId":""' in expected
        assert await (await stage.open()).evaluate(listed) == expected
