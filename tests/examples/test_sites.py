"""The examples for sites: each is built from the npm package, and opened in Chromium beside both services.

They need what `make examples` installs, and are skipped by name without it. Nothing is fetched here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from harness.browser import chromium, opened, served
from harness.deadline import eventually
from harness.picture import Picture, write_camera
from harness.services import Services

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

EXAMPLES = Path(__file__).parents[2] / "examples"
BUILT = {"vite": "dist", "react": "dist", "next": "out"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    async with Services(tmp_path_factory.mktemp("services")) as made:
        made.start_signaling()
        made.start_worker("ink,invert")
        await made.ready({"ink": 1, "invert": 1})
        yield made
    print(made.output())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    camera = tmp_path_factory.mktemp("camera") / "camera.y4m"
    write_camera(camera, Picture())
    async with chromium(camera) as made:
        yield made


async def shows_a_filtered_camera(services: Services, browser: Browser, folder: Path) -> None:
    with served(folder) as url:
        async with opened(browser, url) as page:
            look = """() => {
              const video = document.querySelector("video");
              const [track] = video?.srcObject?.getVideoTracks() ?? [];
              return [track?.label.endsWith("(filtered)"), video?.videoWidth, video?.style.scale];
            }"""

            async def shows() -> bool:
                return bool(await page.evaluate(look) == [True, 640, "-1 1"])

            await eventually(shows, 20, "a filtered picture")
            await page.wait_for_function(
                "document.querySelector('[role=status]').textContent.match(/good|fair|poor|filter/)"
            )
            if other := await page.query_selector("button >> text=/invert|another/i"):
                await other.click()
                await page.wait_for_function("p2pcamera.sessions[0]?.filters.join() === 'invert'")


@pytest.mark.slow
async def test_a_script_tag(services: Services, browser: Browser, tmp_path: Path) -> None:
    text = (EXAMPLES / "script-tag" / "index.html").read_text()
    assert "http://localhost:7860/p2pcamera.js" in text
    (tmp_path / "index.html").write_text(text.replace("http://localhost:7860", services.url))
    await shows_a_filtered_camera(services, browser, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT)
async def test_a_bundle(services: Services, browser: Browser, name: str) -> None:
    folder = EXAMPLES / name
    if not (folder / "node_modules").is_dir():
        pytest.skip("needs what make examples installs")
    # The address stands in the bundle.
    told = {"VITE_SERVER": services.url, "NEXT_PUBLIC_SERVER": services.url, "NEXT_TELEMETRY_DISABLED": "1"}
    command = ["npm", "run", "--silent", "build"]
    built = subprocess.run(  # noqa: ASYNC221 - nothing else runs meanwhile
        command,
        cwd=folder,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    await shows_a_filtered_camera(services, browser, folder / BUILT[name])
