"""The filtered camera beside the browser's own: a page that asks both the same question gets the same answer.

The expected values are those of a page without the shim in the same browser, whose camera is Chromium's own
made-up one. The page with the shim has a strict content-security policy and Trusted Types.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.manners import MANNERS, SAME, Subject, answers
from tests.e2e.stage import STRICT, staged

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def subjects(three_cameras_chromium: Browser) -> AsyncIterator[tuple[Subject, Subject]]:
    """A page without the shim and one with it, of one origin, so that the cameras have the same ids."""
    async with staged(three_cameras_chromium) as stage:
        files = {"/manners.js": MANNERS}
        script = '<script src="/manners.js"></script>'
        strict = {"Content-Security-Policy": STRICT}
        plain = await Subject.of(await stage.open(body=script, files=files, has_shim=False))
        shim = await Subject.of(await stage.open(body=script, files=files, headers=strict))
        assert len({camera.id for camera in plain.cameras}) == 2
        assert [camera.id for camera in plain.cameras] == [camera.id for camera in shim.cameras]
        yield plain, shim


@pytest.mark.parametrize("question", SAME.values(), ids=SAME.keys())
async def test_filtered_camera_answers_as_the_browsers_own(
    subjects: tuple[Subject, Subject], question: str
) -> None:
    expected, told = await answers(*subjects, question)
    assert told == expected
    assert await subjects[1].page.evaluate("[p2pcamera.sessions.length, native.isOn()]") == [0, False]
