from __future__ import annotations

import asyncio

import pytest

from signaling_service.rtc.closing import Closing


async def test_whoever_asks_and_however_often_it_is_closed_once() -> None:
    closed: list[str] = []

    async def close() -> None:
        await asyncio.sleep(0)
        closed.append("once")

    closing = Closing(close)
    had_begun = closing.has_begun
    closing.begin()
    assert (had_begun, closing.has_begun) == (False, True)
    await asyncio.gather(closing.wait(), closing.wait())
    closing.begin()
    assert closed == ["once"]


async def test_one_that_gives_up_waiting_cancels_nothing() -> None:
    may_end, closed = asyncio.Event(), asyncio.Event()

    async def close() -> None:
        await may_end.wait()
        closed.set()

    closing = Closing(close)
    waiting = asyncio.create_task(closing.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    may_end.set()
    await closing.wait()
    assert closed.is_set()
