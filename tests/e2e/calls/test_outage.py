"""What a session shows while a part of the service is dead."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from harness.browser import Shown, frames, opened, shown
from harness.deadline import eventually
from harness.pages import write_pages
from harness.peer import Peer, Returned
from harness.picture import Picture
from harness.services import START_S, Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST_FRAMES_S = 15.0
CARD_AFTER_S = 2.0
RAW_AFTER_S = 0.5
CLOCK_RATE = 90_000


def raw(rows: list[Shown]) -> list[Shown]:
    """Every raw picture of this camera can be read, and is not inverted."""
    return [row for row in rows if row.counter is not None and not row.is_inverted]


async def wait_ms(page: Page, since_ms: float, duration_ms: float) -> None:
    async def has_passed() -> bool:
        return bool(await page.evaluate("performance.now()") > since_ms + duration_ms)

    await eventually(has_passed, duration_ms / 1000 + 5, f"{duration_ms:g} ms pass in the page")


async def test_without_a_worker_a_closed_page_holds_its_frame_then_the_card_and_an_open_call_goes_raw(
    services: Services, browser: Browser, site: tuple[Path, str]
) -> None:
    (worker,) = await services.start_light("invert")
    folder, url = site
    write_pages(folder, services.url, {"data-filter": "invert"})
    async with (
        opened(browser, url) as page,
        Peer(services.http, Picture(320, 240), fps=15) as peer,
        Peer(services.http, Picture(320, 240), fps=15) as closed,
    ):
        await peer.call(filter="invert", outage="open")
        await closed.call(filter="invert", outage="closed")
        assert all(_is_inverted(frame) for frame in await closed.frames(5) if frame.reading)
        # An open call may be raw until its first result, which a busy host can delay.
        await peer.frames(5)
        await eventually(
            lambda: all(_is_inverted(one) for one in peer.readable()[-5:]), START_S, "the filter, when open"
        )
        await frames(page, 30, FIRST_FRAMES_S)
        killed_ms = await page.evaluate("performance.now()")
        killed_s = time.monotonic()
        worker.kill()

        def is_raw() -> bool:
            last = peer.returned[-1].reading
            return last is not None and not last.is_inverted

        await eventually(is_raw, 4, "the raw camera")
        first_raw = next(one for one in peer.readable(killed_s) if not _is_inverted(one))
        last_filtered = [one for one in peer.readable() if one.at_s < first_raw.at_s][-1]
        assert _sent_after_s(first_raw, last_filtered) > RAW_AFTER_S - 0.3
        assert first_raw.at_s - killed_s < RAW_AFTER_S + 1.5

        async def cards() -> list[Shown]:
            return [row for row in await shown(page) if row.counter is None and row.at_ms > killed_ms]

        first_card, *_ = await eventually(cards, 6, "the still card")
        before = [
            row for row in await shown(page) if row.counter is not None and row.at_ms < first_card.at_ms
        ]
        assert all(row.is_inverted for row in before)

        def has_card() -> bool:
            return closed.returned[-1].reading is None

        await eventually(has_card, 6, "the still card, by its timestamp")
        sent_card = next(one for one in closed.returned if one.at_s > killed_s and one.reading is None)
        held = [one for one in closed.readable() if one.at_s < sent_card.at_s]
        assert all(map(_is_inverted, held))
        assert CARD_AFTER_S <= _sent_after_s(sent_card, held[-1]) < CARD_AFTER_S + 1
        await eventually(lambda: _count(cards, 3), 5, "the card is sent again and again")
        assert not raw(await shown(page))

        worker.start()
        await eventually(lambda: _count(lambda: _live_after(page, first_card), 20), START_S, "live again")
        await eventually(
            lambda: all(_is_inverted(one) for one in peer.readable()[-10:]), START_S, "the filter again"
        )
        assert not raw(await shown(page))

        assert services.signaling is not None
        services.signaling.kill()
        killed_ms = await page.evaluate("performance.now()")
        await wait_ms(page, killed_ms, CARD_AFTER_S * 1000 + 1000)
        assert not raw(await shown(page))


def _sent_after_s(late: Returned, early: Returned) -> float:
    """By the service's timestamps: a busy receiver shows both of them late, and not by the same time."""
    return (late.rtp_timestamp - early.rtp_timestamp) % 2**32 / CLOCK_RATE


def _is_inverted(one: Returned) -> bool:
    return one.reading is not None and one.reading.is_inverted


async def _count(rows: Callable[[], Awaitable[list[Shown]]], at_least: int) -> bool:
    return len(await rows()) >= at_least


async def _live_after(page: Page, card: Shown) -> list[Shown]:
    return [row for row in await shown(page) if row.at_ms > card.at_ms and row.counter is not None]
