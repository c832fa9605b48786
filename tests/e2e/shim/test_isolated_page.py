"""A page that embeds only what agrees to it: `Cross-Origin-Embedder-Policy: require-corp`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.async_api import Browser

from harness.browser import opened, served
from harness.extension import prepare, sees
from harness.services import ROOT, Services

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

ISOLATED = {"Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin"}


async def test_an_isolated_page_has_the_filtered_camera_by_every_script(
    calm: Services, browser: Browser, tmp_path: Path
) -> None:
    for name in ("p2pcamera.js", "p2pcamera.mjs"):
        shutil.copy(ROOT / "static" / name, tmp_path)
    ways = {
        "tag": f'<script src="{calm.url}/p2pcamera.min.js" data-filter="invert"></script>',
        "own host": f'<script src="p2pcamera.js" data-server="{calm.url}" data-filter="invert"></script>',
        "module": f"""<script type="module">
          import {{ p2pcamera }} from "./p2pcamera.mjs";
          Object.assign(p2pcamera, {{ server: "{calm.url}", filter: "invert" }});
        </script>""",
    }
    with served(tmp_path, ISOLATED) as url:
        for way, script in ways.items():
            (tmp_path / "index.html").write_text(f"<!doctype html>{script}")
            async with opened(browser, url) as page:
                assert await page.evaluate("crossOriginIsolated"), "the policy is in force"
                await prepare(page)
                assert await page.evaluate("attempt()") == "", way
                await sees(page, is_inverted=True)
