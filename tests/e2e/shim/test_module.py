"""The shim as an ES module, in Chromium: from the service itself, and as a page's own copy."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page

from tests.e2e.stage import SERVER, Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

READY = (
    "new Promise((resolve) => { const look = () => window.p2p ? resolve() : setTimeout(look, 10); look(); })"
)


@pytest.fixture(scope="module")
def browser(stage_chromium: Browser) -> Browser:
    return stage_chromium


async def _page(stage: Stage, module: str) -> Page:
    page = await stage.open(has_shim=False, body=f'<script type="module">{module}</script>')
    await page.evaluate(READY)
    return page


async def test_module_of_the_service_knows_its_server(stage: Stage) -> None:
    module = f'import {{ p2pcamera }} from "{SERVER}/p2pcamera.mjs"; window.p2p = p2pcamera;'
    page = await _page(stage, module)
    assert await page.evaluate("[p2p === p2pcamera, p2p.server]") == [True, f"{SERVER}/"]
    # However often it is imported, by whatever name.
    again = f"""import("{SERVER}/p2pcamera.mjs?again").then(({{ default: again }}) => again === p2p)"""
    assert await page.evaluate(again)
    await page.evaluate("p2p.filter = 'invert'")
    assert await page.evaluate("attempt({ video: true })") == ""
    assert await page.evaluate("colour(stream)") == "red"
    assert stage.sent("POST", "/offer")[0].body["filter"] == "invert"


async def test_own_copy_of_the_module_is_told_its_server(stage: Stage) -> None:
    # As in a bundle: nothing tells where it came from.
    page = await stage.open(has_shim=False)
    await page.evaluate("import('/p2pcamera.js').then(() => { window.p2p = p2pcamera; })")
    assert await page.evaluate("p2p.server") == ""
    assert "p2pcamera.server is not set" in await page.evaluate("attempt({ video: true })")
    assert await page.evaluate("native.streams[0].getTracks()[0].readyState") == "ended"
    await page.evaluate("server => { p2p.server = server; }", SERVER)
    assert await page.evaluate("attempt({ video: true })") == ""
    assert await page.evaluate("colour(stream)") == "red"


async def test_script_tags_server_goes_before_the_modules(stage: Stage) -> None:
    page = await stage.open({"filter": "ink"})
    assert await page.evaluate("import('/p2pcamera.mjs').then((it) => it.p2pcamera.server)") == f"{SERVER}/"
