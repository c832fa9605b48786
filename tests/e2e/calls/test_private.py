"""A private filter never lets a raw frame through: looked for in every frame that the server sends."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from harness.browser import Shown, forget, frames, opened, shown
from harness.deadline import eventually
from harness.pages import write_pages
from harness.peer import Peer, Returned
from harness.picture import Bytes, Picture
from harness.services import START_S, Services
from tests.e2e import family_filters
from tests.e2e.conftest import CAMERA_MARK

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDTH, HEIGHT, FPS = 320, 240, 15
LATE_S = 1.5
FIRST_FRAMES_S = 15.0
PICTURE = Picture(WIDTH, HEIGHT, mark=CAMERA_MARK)
_STILL = (slice(HEIGHT // 6, HEIGHT * 5 // 6), slice(0, WIDTH // 3))
"""Where the camera's picture is the same in each frame, but for its noise."""
LIKE = 0.3
"""Correlation with the camera's picture; one frame of it has over 0.9."""


def likeness(luma: Bytes) -> float:
    """Return how much of the camera is in a frame of any size, whether its band can be read or not: 0 to 1.

    Where bits are few, or the host is busy, a service sends the picture smaller.
    """
    rows, columns = (np.arange(side) * luma.shape[axis] // side for axis, side in enumerate((HEIGHT, WIDTH)))
    shown, camera = (
        picture[_STILL].astype(float) for picture in (luma[np.ix_(rows, columns)], PICTURE.frame(0)[:HEIGHT])
    )
    if shown.std() < 1:
        return 0.0
    return abs(float(np.corrcoef(shown.ravel(), camera.ravel())[0, 1]))


def shows_camera(one: Returned) -> bool:
    return one.reading is not None or one.seen > LIKE


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    """One worker for all tests here, which each may kill."""
    folder = tmp_path_factory.mktemp("private")
    package = family_filters.install(folder / "package")
    async with Services(folder) as services:
        services.start_signaling()
        env = {"PYTHONPATH": package, "LATE_S": str(LATE_S)}
        services.start_worker("passthrough,mask", env=env)
        yield services
    print(services.output())


@pytest_asyncio.fixture(loop_scope="session")
async def served(started: Services) -> Services:
    """Serving, whatever the last test killed."""
    (worker,) = started.workers
    if worker.is_running and await _has_loaded_late(started):
        worker.kill()
    if not worker.is_running:
        # Its last status counts for a second.
        await eventually(lambda: _is_empty(started), 5, "the killed worker is forgotten")
        worker.start()
    await started.ready({"passthrough": 1, "mask": 1})
    return started


async def _is_empty(services: Services) -> bool:
    return not await services.filters()


async def _has_loaded_late(services: Services) -> bool:
    return (await services.filters()).get("latemask", {}).get("state") == "loaded"


async def passes(duration_s: float) -> None:
    since_s = time.monotonic()
    await eventually(lambda: time.monotonic() > since_s + duration_s, duration_s + 5, "time passes")


class Caller(Peer):
    """A peer that knows from which frame on nothing of the camera may be shown."""

    def __init__(self, services: Services) -> None:
        super().__init__(services.http, PICTURE, FPS, likeness)
        self._services = services
        self._closed_from: int | None = None

    async def patch(self, **change: Any) -> dict[str, Any]:
        answer = await self._services.http.patch(f"/sessions/{self.session}", json=change)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    async def switch_to_private(self, name: str, **params: Any) -> None:
        """Switch in the middle of a call in which the camera can be seen."""
        await self.shows(lambda one: shows_camera(one))
        said = await self.patch(filter=name, params=params)
        assert (said["private"], said["outage"]) == (True, "closed")
        self._closed_from = said["first_rtp_timestamp"]
        assert self._closed_from is not None

    async def shows(self, wanted: Any, count: int = 3, within_s: float = START_S) -> None:
        """Wait for some new frames of a kind."""
        since = len(self.returned)
        await eventually(
            lambda: sum(map(wanted, self.returned[since:])) >= count, within_s, f"{count} such frames"
        )

    def private_frames(self) -> list[Returned]:
        """Every frame that the server sent from the first on that it named in its answer."""
        if self._closed_from is None:
            return self.returned
        first = self._closed_from
        return [one for one in self.returned if (one.rtp_timestamp - first) % 2**32 < 2**31]

    def assert_private(self) -> None:
        frames = self.private_frames()
        assert frames
        assert [round(one.seen, 2) for one in frames if shows_camera(one)] == []


def is_masked(one: Returned) -> bool:
    return one.reading is None and one.seen == 0.0


async def test_a_private_filter_that_is_still_loading_shows_nothing_of_the_camera(served: Services) -> None:
    """Switched to in a session that wished to be open; in another one from the first frame on."""
    async with Caller(served) as caller, Caller(served) as other:
        await caller.call(filter="passthrough", outage="open")
        await caller.control_open()
        began_s = time.monotonic()
        await caller.switch_to_private("latemask")
        await other.call(filter=["latemask", "passthrough"], outage="open")
        assert (other.answer["private"], other.answer["outage"]) == (True, "closed")

        def progress() -> list[float]:
            return [m["fraction"] for m in caller.messages if isinstance(m, dict) and m["type"] == "progress"]

        await eventually(progress, 5, "progress of the loading filter")
        await caller.shows(is_masked)
        assert time.monotonic() - began_s > LATE_S - 0.5
        await other.shows(is_masked)
        caller.assert_private()
        other.assert_private()
        # And what it wished holds again with a filter that hides nothing.
        said = await caller.patch(filter="passthrough")
        assert (said["private"], said["outage"]) == (False, "open")
        await caller.shows(shows_camera)


async def test_a_private_filter_that_fails_or_is_slow_shows_nothing_of_the_camera(served: Services) -> None:
    async with Caller(served) as caller:
        await caller.call(filter="passthrough", outage="open")
        await caller.control_open()
        await caller.switch_to_private("mask", fails=True)
        assert (await caller.patch(outage="open"))["outage"] == "closed"

        def failures() -> list[Any]:
            return [m for m in caller.messages if isinstance(m, dict) and m["type"] == "error"]

        assert (await eventually(failures, 5, "the failure is told"))[0]["error"]["code"] == "filter_failed"
        await passes(1.0)
        await caller.patch(params={"slow_ms": 700})
        await caller.shows(is_masked, 2)
        await caller.patch(params={})
        await caller.shows(is_masked)
        await caller.patch(params={"fails": True})
        await passes(2.5)
        caller.assert_private()


async def test_a_worker_that_is_killed_under_a_private_filter_lets_nothing_through(served: Services) -> None:
    async with Caller(served) as caller:
        await caller.call(filter="passthrough", outage="open")
        await caller.switch_to_private("mask")
        await caller.shows(is_masked)
        (worker,) = served.workers
        worker.kill()
        await passes(1.0)
        assert (await caller.patch(outage="open"))["outage"] == "closed"
        await passes(1.5)
        worker.start()
        await caller.shows(is_masked)
        caller.assert_private()


async def test_refused_parameters_leave_the_last_picture_and_name_the_field(served: Services) -> None:
    """The schema lets them pass; the filter's own model does not."""
    wrong = {"picture": "not a picture"}
    async with Caller(served) as caller:
        await caller.call(filter="mask", params={"level": 150})
        await caller.control_open()
        await caller.shows(is_masked)

        def refusals() -> list[dict[str, Any]]:
            return [m for m in caller.messages if isinstance(m, dict) and m["type"] == "error"]

        await caller.patch(params=wrong)
        (refusal,) = await eventually(refusals, 5, "the refusal")
        assert (refusal["error"]["code"], refusal["error"]["field"]) == ("bad_params", "picture")
        assert (refusal["filter"], refusal["params"]) == (["mask"], {"level": 150})
        await caller.shows(is_masked, 10)
        assert len(refusals()) == 1
        # In a switch from the open picture there is no going back to that.
        await caller.patch(filter="passthrough")
        await caller.switch_to_private("mask", **wrong)
        await eventually(lambda: len(refusals()) == 2, 5, "the second refusal")
        assert (refusals()[1]["filter"], refusals()[1]["params"]) == (["mask"], {})
        await caller.shows(is_masked, 10)
        caller.assert_private()


def camera_rows(rows: list[Shown]) -> list[Shown]:
    """The raw camera of Chromium, and what hides nothing of it, can be read."""
    return [row for row in rows if row.counter is not None]


async def test_a_page_sees_nothing_of_the_camera_once_its_switch_has_resolved(
    served: Services, browser: Browser, site: tuple[Path, str]
) -> None:
    """In Chromium, again and again; the first time to a filter that is not loaded."""
    folder, url = site
    write_pages(folder, served.url, {"data-filter": "passthrough", "data-outage": "open"})
    async with opened(browser, url) as page:
        for name in ("latemask", "mask", "mask", "mask"):
            await forget(page)
            await frames(page, 5, FIRST_FRAMES_S)
            resolved_ms: float = await page.evaluate(
                "name => p2pcamera.setFilter(name).then(() => performance.now())", name
            )
            await passes(0.7)
            rows = await shown(page)
            assert [row.at_ms - resolved_ms for row in camera_rows(rows) if row.at_ms > resolved_ms] == []
            if name == "mask":
                await page.evaluate("p2pcamera.setFilter('passthrough')")
                continue
            # And in an outage, which the server's still card ends, and one that only the shim sees.
            (worker,) = served.workers
            worker.kill()
            await passes(1.2)
            assert served.signaling is not None
            served.signaling.kill()
            await passes(1.5)
            assert not camera_rows([row for row in await shown(page) if row.at_ms > resolved_ms])
            served.signaling.start()
            worker.start()
            await served.ready({"passthrough": 1, "mask": 1})
            await eventually(lambda: is_live(page), FIRST_FRAMES_S, "live again")
            assert not camera_rows([row for row in await shown(page) if row.at_ms > resolved_ms])
            await page.evaluate("p2pcamera.setFilter('passthrough')")


async def is_live(page: Page) -> bool:
    return bool(await page.evaluate("p2pcamera.sessions[0]?.state === 'live'"))
