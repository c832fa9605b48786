"""The shim in the middle of a call: changes of the filter, and what the server says meanwhile."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.e2e.shim_page import live
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def browser(stage_chromium: Browser) -> Browser:
    return stage_chromium


async def test_filter_changes_by_the_data_channel(stage: Stage) -> None:
    page = await stage.open({"filter": "ink"})
    await live(page)
    await page.evaluate("p2pcamera.setFilter('invert', { busy_ms: 5 })")
    heard = await stage.far_end.evaluate("heard.map((text) => JSON.parse(text))")
    assert heard == [{"type": "filter", "name": "invert", "params": {"busy_ms": 5}}]
    assert await page.evaluate("p2pcamera.sessions[0].filters") == ["invert"]
    assert await page.evaluate("[p2pcamera.filter, p2pcamera.params]") == ["invert", {"busy_ms": 5}]


async def test_refused_filter_change_rejects_and_leaves_the_settings(stage: Stage) -> None:
    page = await stage.open({"filter": "ink"})
    await live(page)
    await stage.far_end.evaluate(
        "reply = { type: 'error', error: { code: 'unknown_filter', message: 'No such.' } }"
    )
    fault = await page.evaluate("p2pcamera.setFilter('nope').catch(({ code, message }) => [code, message])")
    assert fault == ["unknown_filter", "No such."]
    assert await page.evaluate("[p2pcamera.filter, p2pcamera.sessions[0].filters]") == ["ink", ["ink"]]


async def test_filter_change_while_connecting_is_not_lost(stage: Stage) -> None:
    page = await stage.open({"filter": "ink"})
    await page.evaluate(
        """async () => {
          p2pcamera.addEventListener("statechange", () => p2pcamera.setFilter("invert"), { once: true });
          await attempt({ video: true });
        }"""
    )
    assert [offer.body["filter"] for offer in stage.sent("POST", "/offer")] == ["invert"]


async def test_workers_error_is_an_event_and_no_answer_to_a_change(stage: Stage) -> None:
    page = await stage.open()
    await live(page)
    await page.evaluate(
        "p2pcamera.addEventListener('fault', ({ detail }) => (window.code = detail.fault.code))"
    )
    error = "{ type: 'error', of: 'worker', error: { code: 'filter_failed', message: 'Out of memory.' } }"
    await stage.far_end.evaluate("window.answered = reply")
    await stage.far_end.evaluate(f"reply = {error}")
    await page.evaluate("void p2pcamera.setFilter('invert').then(() => (window.isChanged = true))")
    await page.wait_for_function("window.code === 'filter_failed'", timeout=5_000)
    assert await page.evaluate("window.isChanged") is None
    await stage.far_end.evaluate("control.send(JSON.stringify(answered))")
    await page.wait_for_function("window.isChanged", timeout=5_000)
    assert await page.evaluate("p2pcamera.sessions[0].state") == "live"


async def test_session_that_has_ended_refuses_instead_of_waiting(stage: Stage) -> None:
    page = await stage.open()
    await live(page)
    codes = await page.evaluate(
        """async () => {
          const [session] = p2pcamera.sessions;
          const code = (promise) => promise.then(() => "", (fault) => fault.code);
          const waiting = code(session.setFilter("invert"));
          session.close();
          return [await waiting, await code(session.setFilter("invert")), await code(session.ping())];
        }"""
    )
    assert codes == ["closed", "closed", "closed"]


async def test_stats_of_the_server_are_an_event(stage: Stage) -> None:
    page = await stage.open()
    await live(page)
    await page.evaluate(
        "p2pcamera.addEventListener('stats', ({ detail }) => (window.fps = detail.stats.fps_out))"
    )
    await stage.far_end.evaluate("control.send('{ no JSON')")
    await stage.far_end.evaluate("control.send(JSON.stringify({ type: 'stats', fps_out: 29.5 }))")
    await page.wait_for_function("window.fps === 29.5", timeout=5_000)
    assert await page.evaluate("p2pcamera.sessions[0].stats.fps_out") == 29.5


async def test_ping_measures_the_data_channel(stage: Stage) -> None:
    page = await stage.open()
    await live(page)
    assert 0 < await page.evaluate("p2pcamera.sessions[0].ping()") < 1_000


async def test_settings_of_the_page_hold_for_the_next_call(stage: Stage) -> None:
    page = await stage.open({"filter": "ink", "token": "old"})
    await page.evaluate(
        "Object.assign(p2pcamera, { filter: 'invert', params: { busy_ms: 1 }, token: 'new' })"
    )
    await live(page)
    offer = stage.sent("POST", "/offer")[0]
    assert [offer.body["filter"], offer.body["params"]] == ["invert", {"busy_ms": 1}]
    assert offer.headers["authorization"] == "Bearer new"
    assert await page.evaluate("p2pcamera.token") is None
    assert await page.evaluate("Object.isFrozen(p2pcamera)")
