"""Fixtures of the tests with real processes, which share an event loop, and of those with a played server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from harness.browser import chromium, served
from harness.picture import Picture, write_camera
from harness.services import Services
from tests.e2e import palette_filter
from tests.e2e.stage import ALWAYS_GRANTED, THREE_CAMERAS, Stage, Theatre, set_up, stage_browser, theatre

CAMERA_MARK = 0x5A
CAMERA_SIZE = 320, 240
CAMERA_FPS = 15
"""Every pixel and frame costs a browser and both services: here an eighth of what a usual camera would."""
CALM_FILTERS = ("invert", "passthrough", "ink")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Chromium's camera shows: small and slow, marked CAMERA_MARK, a loop of 10 s."""
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    write_camera(path, Picture(*CAMERA_SIZE, CAMERA_MARK), CAMERA_FPS)
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(camera: Path) -> AsyncIterator[Browser]:
    """One Chromium for all tests; each opens contexts of its own."""
    async with chromium(camera) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage_chromium() -> AsyncIterator[Browser]:
    """One Chromium with its own made-up devices for all modules that choose it as their `browser`."""
    async with stage_browser() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def three_cameras_chromium() -> AsyncIterator[Browser]:
    """The same with three cameras, and a screen that is shared without asking."""
    async with stage_browser(THREE_CAMERAS, ALWAYS_GRANTED) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_theatre(browser: Browser) -> AsyncIterator[Theatre]:
    """One context of the module's `browser` for all stages, since opening it takes longer than most tests."""
    async with theatre(browser) as shared:
        yield shared


@pytest_asyncio.fixture(loop_scope="session")
async def own_theatre(browser: Browser) -> AsyncIterator[Theatre]:
    async with theatre(browser) as own:
        yield own


@pytest.fixture
def theatre_of_the_test(request: pytest.FixtureRequest) -> Theatre:
    """The shared one, but for a test marked `own_context`: it changes what it cannot take back."""
    is_own = request.node.get_closest_marker("own_context") is not None
    found: Theatre = request.getfixturevalue("own_theatre" if is_own else "shared_theatre")
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def stage(theatre_of_the_test: Theatre) -> AsyncIterator[Stage]:
    """Pages with the shim and a server that the test plays, in the module's `browser`."""
    async with set_up(theatre_of_the_test) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """Services that the test starts and may kill; whatever still runs at its end is stopped."""
    async with Services(tmp_path) as services:
        yield services
    print(services.output())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def calm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    """Both services with one worker for CALM_FILTERS and `palette`, shared by the tests that kill nothing."""
    folder = tmp_path_factory.mktemp("calm")
    package = palette_filter.install(folder / "package")
    async with Services(folder) as services:
        # A page that is closed says nothing, so its session stays for some seconds.
        services.start_signaling("--max-sessions", "50")
        filters = (*CALM_FILTERS, "palette")
        services.start_worker(",".join(filters), env={"PYTHONPATH": package})
        await services.ready(dict.fromkeys(filters, 1))
        yield services
    print(services.output())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """An empty folder, and the URL at which it is served: another origin than the service's."""
    folder = tmp_path / "site"
    folder.mkdir()
    with served(folder) as url:
        yield folder, url
