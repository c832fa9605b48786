"""What a session shows while a part of the service is dead."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser, Page

from harness.browser import Shown, frames, opened, shown
from harness.deadline import eventually
from harness.pages import write_pages
from harness.peer import Peer, Returned
from harness.picture import Bytes, Picture
from harness.services import START_S, Services

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST_FRAMES_S = 15.0
CARD_AFTER_S = 2.0
RAW_AFTER_S = 0.5
CLOCK_RATE = 90_000
DARK = 60
"""The card is darker, at its edges and on the whole; the camera's picture and its negative are lighter."""


def raw(rows: list[Shown]) -> list[Shown]:
    """Every raw picture of this camera can be read, and is not inverted."""
    return [row for row in rows if row.counter is not None and not row.is_inverted]


def brightness(luma: Bytes) -> float:
    return float(np.median(luma))


class Call(Peer):
    """A peer that tells what a call shows from a picture that a lost packet has spoilt."""

    def __init__(self, services: Services) -> None:
        super().__init__(services.http, Picture(320, 240), 15, brightness)

    def shows(self, since_s: float = 0.0) -> list[tuple[str, Returned]]:
        """Return what came since then of `filtered`, `raw` and `card`, in its order."""
        return [(kind, one) for one in self.returned if one.at_s >= since_s and (kind := _kind(one))]

    def turns(self, before: str, after: str) -> list[tuple[Returned, Returned]]:
        """Return the last frame of one kind and the first of another wherever they follow each other."""
        return [
            (a, b) for (kind, a), (next_, b) in pairwise(self.shows()) if (kind, next_) == (before, after)
        ]


def _kind(one: Returned) -> str | None:
    if one.reading is not None:
        return "filtered" if one.reading.is_inverted else "raw"
    return "card" if one.seen < DARK else None


def stayed_s(turn: tuple[Returned, Returned]) -> float:
    """Return how long the first frame stayed at most, however late both were seen.

    It was sent after the camera had given it, and the other one before it came.
    """
    last, first = turn
    assert last.age_s is not None
    return first.at_s - (last.at_s - last.age_s)


def apart_s(turn: tuple[Returned, Returned]) -> float:
    """Return the time between both by the service's timestamps: the camera's time, or that of the card."""
    last, first = turn
    return (first.rtp_timestamp - last.rtp_timestamp) % 2**32 / CLOCK_RATE


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
    async with opened(browser, url) as page, Call(services) as open_call, Call(services) as closed_call:
        await open_call.call(filter="invert", outage="open")
        await closed_call.call(filter="invert", outage="closed")
        for call in (open_call, closed_call):
            await eventually(partial(live, call), START_S, "the filter")
        await frames(page, 30, FIRST_FRAMES_S)
        killed_ms = await page.evaluate("performance.now()")
        worker.kill()
        dead_s = time.monotonic()

        # What the worker had answered may be on its way still.
        def is_raw() -> bool:
            kind, last = open_call.shows()[-1]
            return kind == "raw" and last.age_s is not None and last.at_s - last.age_s > dead_s

        await eventually(is_raw, 4, "the raw camera")
        turn = open_call.turns("filtered", "raw")[-1]
        assert apart_s(turn) < RAW_AFTER_S + 1.5

        async def cards() -> list[Shown]:
            return [row for row in await shown(page) if row.at_ms > killed_ms and is_card(row)]

        first_card, *_ = await eventually(cards, 6, "the still card")
        await eventually(lambda: closed_call.shows()[-1][0] == "card", 6, "the card without a page")
        turn = closed_call.turns("filtered", "card")[-1]
        assert apart_s(turn) < CARD_AFTER_S + 1
        await eventually(lambda: _count(cards, 3), 5, "the card is sent again and again")
        assert not raw(await shown(page))

        worker.start()
        await eventually(lambda: _count(lambda: _live_after(page, first_card), 20), START_S, "live again")
        for call in (open_call, closed_call):
            await eventually(partial(live, call), START_S, "the filter again")
        assert not raw(await shown(page))

        assert services.signaling is not None
        services.signaling.kill()
        killed_ms = await page.evaluate("performance.now()")
        await wait_ms(page, killed_ms, CARD_AFTER_S * 1000 + 1000)
        assert not raw(await shown(page))
    # A busy host may have had outages of its own: each of them keeps to the policy.
    assert min(map(stayed_s, open_call.turns("filtered", "raw"))) >= RAW_AFTER_S
    assert min(map(stayed_s, closed_call.turns("filtered", "card"))) >= CARD_AFTER_S
    assert {kind for kind, _ in closed_call.shows()} == {"filtered", "card"}


async def _count(rows: Callable[[], Awaitable[list[Shown]]], at_least: int) -> bool:
    return len(await rows()) >= at_least


async def _live_after(page: Page, card: Shown) -> list[Shown]:
    return [row for row in await shown(page) if row.at_ms > card.at_ms and row.counter is not None]


def live(call: Call) -> bool:
    """An open call may be raw until its first result, and whenever a busy host delays one."""
    last = call.shows()[-5:]
    return len(last) == 5 and all(kind == "filtered" for kind, _ in last)


def is_card(row: Shown) -> bool:
    return row.counter is None and max(row.patch_rgb) < DARK
