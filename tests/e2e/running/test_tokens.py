"""Tokens that the shim asks the page for: by a function, or by an address of the page's own server."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page

from harness.deadline import eventually
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

COUNTING = """
  window.asked = 0;
  p2pcamera.token = async () => `token-${++window.asked}`;
  0;
"""


@pytest.fixture(scope="module")
def browser(stage_chromium: Browser) -> Browser:
    return stage_chromium


async def _live(page: Page) -> None:
    assert await page.evaluate("attempt({ video: true })") == ""


def _tokens(stage: Stage) -> list[str]:
    offers = stage.sent("POST", "/offer")
    return [offer.headers["authorization"].removeprefix("Bearer ") for offer in offers]


async def test_one_token_is_enough_to_connect_and_a_new_one_is_asked_for_before_the_next_time(
    stage: Stage,
) -> None:
    page = await stage.open()
    await page.evaluate(COUNTING)
    await _live(page)
    await page.evaluate("p2pcamera.setFilter('invert')")
    assert await page.evaluate("asked") == 1
    stage.takes_tokens = ["token-2"]  # The first has expired in the call, which goes on.
    await stage.far_end.evaluate("peer.close()")
    await eventually(lambda: _tokens(stage) == ["token-1", "token-2"], 5, "the second offer")
    await page.wait_for_function("p2pcamera.sessions[0]?.state === 'live'", timeout=5_000)
    assert await page.evaluate("asked") == 2
    assert await page.evaluate("p2pcamera.token") is None


async def test_only_the_refusal_of_a_fresh_token_is_final(stage: Stage) -> None:
    page = await stage.open()
    await page.evaluate(COUNTING)
    await _live(page)
    await page.evaluate("p2pcamera.sessions[0].close()")
    # The token at hand is of no use any more: another call for a camera brings a fresh one.
    stage.takes_tokens = ["token-2"]
    await _live(page)
    assert _tokens(stage) == ["token-1", "token-1", "token-2"]
    await page.evaluate("p2pcamera.sessions[0].close()")
    stage.takes_tokens = []
    assert "The token has expired" in await page.evaluate("attempt({ video: true })")
    assert _tokens(stage)[3:] == ["token-2", "token-3"]
    assert await page.evaluate("asked") == 3


async def test_an_address_of_the_page_s_own_server_gives_tokens(stage: Stage) -> None:
    stage.takes_tokens = ["of-the-mint"]
    page = await stage.open(
        {"token-url": "/camera-token"}, files={"/camera-token": '{"token": "of-the-mint"}'}
    )
    await _live(page)
    assert _tokens(stage) == ["of-the-mint"]


async def test_a_page_that_gives_no_token_is_told_so_and_asked_again(stage: Stage) -> None:
    page = await stage.open()
    await page.evaluate("p2pcamera.token = () => Promise.reject(new Error('signed out')); 0")
    failure = await page.evaluate("attempt({ video: true })")
    assert "no token could be had (signed out)" in failure
    assert stage.sent("POST", "/offer") == []
    await page.evaluate("p2pcamera.token = () => 7; 0")
    assert "the token is no text" in await page.evaluate("attempt({ video: true })")
    await page.evaluate("p2pcamera.token = () => 'at last'; 0")
    await _live(page)


async def test_a_token_that_never_changes_is_refused_for_good(stage: Stage) -> None:
    stage.takes_tokens = []
    page = await stage.open({"token": "fixed"})
    assert "The token has expired" in await page.evaluate("attempt({ video: true })")
    assert _tokens(stage) == ["fixed"]
