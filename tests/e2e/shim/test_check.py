"""`p2pcamera.checkConnection()`, with a service that works and with one that does not."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from harness.browser import opened
from harness.services import Services
from tests.e2e.conftest import CAMERA_SIZE
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

STEPS = ["server", "token", "filter", "relay", "camera", "path", "picture"]
CHECK = """p2pcamera.checkConnection({}).then(({{ ok, failure, steps }}) =>
  [ok, failure?.name, failure?.code, steps])"""


async def test_every_step_of_a_service_that_works_is_well(calm: Services, browser: Browser) -> None:
    async with opened(browser, f"{calm.url}/obs.css") as page:
        await page.evaluate(f"import('{calm.url}/p2pcamera.mjs')")
        await page.evaluate("p2pcamera.filter = 'invert'")
        ok, name, code, steps = await page.evaluate(CHECK.format(""))
        assert (ok, name, code) == (True, None, None), steps
        outcomes = {step["name"]: step["outcome"] for step in steps}
        assert list(outcomes) == STEPS
        assert outcomes.pop("relay") == "note"
        assert set(outcomes.values()) == {"ok"}
        picture = steps[-1]["detail"]
        assert (picture["state"], picture["width"], picture["height"]) == ("live", *CAMERA_SIZE)
        assert picture["latency_ms"] > 0
        assert (picture["filters"], steps[2]["detail"]["workers"]) == (["invert"], 1)
        assert await page.evaluate("p2pcamera.sessions.length") == 0
        ok, _, _, steps = await page.evaluate(CHECK.format("{ path: false }"))
        assert (ok, [step["outcome"] for step in steps[-3:]]) == (True, ["ok", "skip", "skip"])


async def test_the_first_step_that_fails_is_named_with_its_code(stage: Stage) -> None:
    page = await stage.open({"filter": "nothing"})
    ok, name, code, steps = await page.evaluate(CHECK.format("{ camera: false }"))
    assert (ok, name, code) == (False, "filter", "unknown_filter")
    assert [step["outcome"] for step in steps] == ["ok", "ok", "fail", "note", "skip", "skip", "skip"]
    stage.is_away = True
    ok, name, code, steps = await page.evaluate(CHECK.format("{ camera: false }"))
    assert (ok, name, code) == (False, "server", "unreachable")
    assert {step["outcome"] for step in steps[1:]} == {"skip"}
