from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import av
import pytest

from shared.frame import CLOCK_RATE
from signaling_service.media.frame import CameraFrame
from signaling_service.media.planes import video_frame
from signaling_service.metrics import Metrics
from signaling_service.rtc import cover, outage, returned_track
from signaling_service.rtc.card import Card
from signaling_service.rtc.outage import Outage, Showing
from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.workers.results import NO_PLANES, Result
from tests.signaling_service.making import MadePlanes, planes, result

FILTERED, RAW = 60, 200


@pytest.fixture
def track() -> ReturnedTrack:
    return ReturnedTrack(Metrics(), Card(), Outage.CLOSED)


@pytest.fixture(autouse=True)
def _short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "CARD_AFTER_S", 0.2)
    monkeypatch.setattr(outage, "RAW_AFTER_S", 0.1)
    monkeypatch.setattr(returned_track, "CARD_EVERY_S", 0.05)
    monkeypatch.setattr(cover, "COVER_AFTER_S", 0.08)


def filtered(sequence: int, **values: Any) -> Result:
    return Result(result(sequence, **values), memoryview(planes(value=FILTERED)))


def raw(pts: int, captured_ns: int = 0) -> CameraFrame:
    picture = MadePlanes(planes(value=RAW))
    return CameraFrame(planes=picture, width=32, height=16, pts=pts, captured_ns=captured_ns)


def level(frame: av.VideoFrame) -> int:
    return int(memoryview(frame.planes[0])[0])


async def received(waiting: Coroutine[Any, Any, av.VideoFrame], limit_s: float = 5.0) -> av.VideoFrame:
    async with asyncio.timeout(limit_s):
        return await waiting


async def test_a_result_is_shown_with_the_pts_of_its_camera_frame(track: ReturnedTrack) -> None:
    assert track.offer_result(filtered(0, pts=12345))
    frame = await received(track.recv())
    assert (frame.pts, frame.width, frame.height, level(frame)) == (12345, 32, 16, FILTERED)
    assert frame.time_base is not None
    assert frame.time_base.denominator == 90000
    assert track.showing is Showing.FILTERED


async def test_the_newest_result_replaces_the_waiting_one(track: ReturnedTrack) -> None:
    track.offer_result(filtered(1))
    track.offer_result(filtered(2))
    assert (await received(track.recv())).pts == 6000


async def test_where_few_pictures_are_sent_one_that_comes_early_waits_for_a_newer_one(
    track: ReturnedTrack,
) -> None:
    track.pace.fps = 1
    track.offer_result(filtered(0, pts=0))
    await received(track.recv())
    waiting = asyncio.create_task(track.recv())
    track.offer_result(filtered(1, pts=3000))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    track.offer_result(filtered(2, pts=90_000))
    assert (await received(waiting)).pts == 90_000  # type: ignore[arg-type]


async def test_the_last_picture_that_waits_is_shown_too(track: ReturnedTrack) -> None:
    track.pace.fps = 20
    track.offer_result(filtered(0, pts=0))
    await received(track.recv())
    track.offer_result(filtered(1, pts=1500))
    assert (await received(track.recv(), 1.0)).pts == 1500


async def test_what_covers_a_bare_picture_waits_for_nothing_and_no_raw_one_passes(
    track: ReturnedTrack,
) -> None:
    track.pace.fps = 1
    track.offer_result(filtered(0, pts=0))
    await received(track.recv())
    waiting = asyncio.create_task(track.recv())
    track.offer_result(filtered(1, pts=3000))
    await asyncio.sleep(0.01)
    track.begin_generation(1, is_private=True)
    track.offer_result(filtered(2, generation=1, pts=6000))
    # Far sooner than the pace, and sooner than the card.
    assert (await received(waiting, 0.07)).pts == 6000  # type: ignore[arg-type]
    # No result of the next choice comes, and the card does.
    track.begin_generation(2)
    track.offer_result(filtered(3, generation=2, pts=9000))
    await received(track.recv(), 0.07)
    track.begin_generation(3, is_private=True)
    await received(track.recv(), 0.5)
    assert track.showing is Showing.CARD


async def test_raw_pictures_keep_the_rate_too(track: ReturnedTrack) -> None:
    track.set_outage(Outage.OPEN)
    track.pace.fps = 20
    shown = []
    waiting = asyncio.create_task(track.recv())
    for number in range(40):
        track.offer_raw(raw(number * 900))
        await asyncio.sleep(0.01)
        if waiting.done():
            shown.append(waiting.result().pts)
            waiting = asyncio.create_task(track.recv())
    waiting.cancel()
    assert track.showing is Showing.RAW
    # 10 ms lie between two of them, and 37 ms between two that are sent.
    assert 2 <= len(shown) <= 10 + 1


async def test_late_and_overtaken_results_are_dropped(track: ReturnedTrack) -> None:
    assert track.offer_result(filtered(5))
    assert not track.offer_result(filtered(4))
    assert not track.offer_result(filtered(5))
    assert not track.offer_result(Result(result(6), NO_PLANES))
    old_ns = time.monotonic_ns() - int(6e9)
    assert not track.offer_result(filtered(7, captured_ns=old_ns))
    assert (await received(track.recv())).pts == 15000


async def test_results_of_an_older_generation_are_never_shown(track: ReturnedTrack) -> None:
    track.offer_result(filtered(1))
    track.begin_generation(1)
    assert not track.offer_result(filtered(2, generation=0))
    assert track.offer_result(filtered(3, generation=1))
    assert (await received(track.recv())).pts == 9000


async def test_a_new_choice_is_not_live_before_a_frame_of_it_has_come(track: ReturnedTrack) -> None:
    shown = []
    track.on_showing = lambda: shown.append(track.showing)
    track.offer_result(filtered(1))
    await received(track.recv())
    track.begin_generation(1)
    shown.append(track.showing)
    track.offer_result(filtered(2, generation=1))
    await received(track.recv())
    assert shown == [Showing.FILTERED, Showing.NOTHING, Showing.FILTERED]


async def test_a_change_is_answered_only_when_the_frame_being_sent_is_out(track: ReturnedTrack) -> None:
    track.offer_result(filtered(1))
    await received(track.recv())  # aiortc is now encoding it.
    track.begin_generation(1)
    changing = asyncio.create_task(track.settled())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not changing.done()
    waiting = asyncio.create_task(track.recv())  # It has been sent: aiortc asks for the next.
    async with asyncio.timeout(0.4):
        await changing
    track.offer_result(filtered(2, generation=1))
    assert (await received(waiting)).pts == 6000  # type: ignore[arg-type]


async def test_pts_rises_strictly_whatever_the_camera_says(track: ReturnedTrack) -> None:
    stamps = []
    for sequence, pts in enumerate([3000, 3000, 1000, 9000]):
        track.offer_result(filtered(sequence, pts=pts))
        stamps.append((await received(track.recv())).pts)
    assert stamps == [3000, 3001, 3002, 9000]


async def test_closed_shows_the_card_after_a_while_and_never_the_raw_camera(track: ReturnedTrack) -> None:
    track.offer_result(filtered(0))
    await received(track.recv())
    began_s = time.monotonic()
    for pts in range(3000, 30000, 3000):
        track.offer_raw(raw(pts))
    card = await received(track.recv())
    assert time.monotonic() - began_s >= 0.19
    assert track.showing is Showing.CARD
    assert level(card) not in (RAW, FILTERED)
    again = await received(track.recv())
    assert again.pts is not None
    assert card.pts is not None
    assert again.pts > card.pts > 0
    track.offer_result(filtered(9))
    frame = await received(track.recv())
    assert (level(frame), track.showing) == (FILTERED, Showing.FILTERED)


async def test_closed_shows_the_card_when_no_result_ever_came(track: ReturnedTrack) -> None:
    await received(track.recv())
    assert track.showing is Showing.CARD


async def test_open_shows_the_raw_camera_after_a_while_until_a_result_comes() -> None:
    track = ReturnedTrack(Metrics(), Card(), Outage.OPEN)
    track.offer_result(filtered(0))
    await received(track.recv())
    began_s = time.monotonic()
    track.offer_raw(raw(3000))
    frame = await received(track.recv())
    assert time.monotonic() - began_s >= 0.09
    assert (level(frame), frame.pts, track.showing) == (RAW, 3000, Showing.RAW)
    track.offer_raw(raw(6000))
    assert level(await received(track.recv())) == RAW
    # A result is behind the raw camera by its latency, and is shown all the same.
    track.offer_result(filtered(1))
    frame = await received(track.recv())
    assert (level(frame), frame.pts, track.showing) == (FILTERED, 6001, Showing.FILTERED)


async def test_the_cards_timestamp_tells_how_long_the_filtered_frame_stayed(
    track: ReturnedTrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_frame(*arguments: Any) -> av.VideoFrame:
        time.sleep(0.02)  # As on a busy host.
        return video_frame(*arguments)

    monkeypatch.setattr(returned_track, "video_frame", slow_frame)
    track.offer_result(filtered(0, pts=9000))
    await received(track.recv())
    card = await received(track.recv())
    assert track.showing is Showing.CARD
    assert card.pts is not None
    assert card.pts - 9000 >= outage.CARD_AFTER_S * CLOCK_RATE


async def test_an_outage_does_not_lead_back_to_a_camera_frame_that_was_shown_filtered() -> None:
    track = ReturnedTrack(Metrics(), Card(), Outage.OPEN)
    track.offer_raw(raw(0, captured_ns=1))
    # The camera stalls, and the filtered frame is the last that it has given.
    track.offer_result(filtered(0, pts=0))
    await received(track.recv())
    waiting = asyncio.create_task(track.recv())
    await asyncio.sleep(outage.RAW_AFTER_S + 0.05)
    assert not waiting.done()
    track.offer_raw(raw(3000, captured_ns=time.monotonic_ns()))
    frame = await received(waiting)  # type: ignore[arg-type]
    assert (level(frame), frame.pts, track.showing) == (RAW, 3000, Showing.RAW)


async def test_a_session_that_becomes_closed_forgets_the_raw_frame() -> None:
    track = ReturnedTrack(Metrics(), Card(), Outage.OPEN)
    track.offer_raw(raw(3000))
    track.set_outage(Outage.CLOSED)
    frame = await received(track.recv())
    assert track.showing is Showing.CARD
    assert level(frame) != RAW


async def test_a_page_that_lost_its_picture_is_shown_the_last_one_again(track: ReturnedTrack) -> None:
    track.offer_result(filtered(0, pts=9000))
    await received(track.recv())
    began_s = time.monotonic()
    track.repeat()
    frame = await received(track.recv())
    assert 0.05 < time.monotonic() - began_s < 0.19  # Before the card.
    assert (level(frame), track.showing) == (FILTERED, Showing.FILTERED)
    assert frame.pts is not None
    assert 9000 + 0.05 * 90_000 < frame.pts < 9000 + 0.3 * 90_000


async def test_a_new_result_goes_before_the_last_one_which_is_not_shown_then(track: ReturnedTrack) -> None:
    track.offer_result(filtered(0))
    await received(track.recv())
    track.repeat()
    track.offer_result(filtered(1))
    assert (await received(track.recv())).pts == 3000
    await received(track.recv())
    assert track.showing is Showing.CARD  # Nothing was repeated in between.


async def test_a_picture_of_an_older_choice_is_not_shown_again(track: ReturnedTrack) -> None:
    track.offer_result(filtered(0))
    await received(track.recv())
    asking = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    track.begin_generation(1)
    track.repeat()
    await received(asking)  # type: ignore[arg-type]
    assert track.showing is Showing.CARD


async def test_a_raw_picture_is_not_shown_again_when_the_session_has_become_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outage, "CARD_AFTER_S", 0.5)
    track = ReturnedTrack(Metrics(), Card(), Outage.OPEN)
    track.offer_raw(raw(3000))
    assert level(await received(track.recv())) == RAW
    track.set_outage(Outage.CLOSED)
    track.repeat()
    assert level(await received(track.recv())) != RAW
    assert track.showing is Showing.CARD


@pytest.fixture
def sender(track: ReturnedTrack) -> Sender:
    return Sender(track)


@dataclass
class Sender:
    """What aiortc does: asks for a frame, takes its time, asks for the next."""

    track: ReturnedTrack
    levels: list[int] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.track.begin_anew = lambda: self.calls.append("anew")
        self.track.forget_older = lambda: 4711 + len(self.levels)

    async def send(self, count: int) -> None:
        for _ in range(count):
            self.levels.append(level(await received(self.track.recv())))
            await asyncio.sleep(0)


async def test_a_private_choice_is_answered_when_its_first_frame_is_out(
    track: ReturnedTrack, sender: Sender
) -> None:
    track.offer_result(filtered(1))
    await sender.send(1)
    track.begin_generation(1, is_private=True)
    changing = asyncio.create_task(track.settled())
    sending = asyncio.create_task(sender.send(1))
    await asyncio.sleep(0.02)
    track.offer_result(filtered(2, generation=1, pts=777777))
    await sending
    await asyncio.sleep(0)
    assert not changing.done()  # It is being encoded.
    asking = asyncio.create_task(track.recv())
    async with asyncio.timeout(0.4):
        assert await changing == 4711 + 2
    assert (sender.levels, sender.calls) == ([FILTERED, FILTERED], ["anew"])
    asking.cancel()


async def test_a_private_choice_that_gives_nothing_is_covered_by_the_card(
    track: ReturnedTrack, sender: Sender
) -> None:
    track.offer_result(filtered(1))
    await sender.send(1)
    began_s = time.monotonic()
    track.begin_generation(1, is_private=True)
    track.repeat()
    sending = asyncio.create_task(sender.send(3))
    assert await track.settled() == 4711 + 2
    # Before an outage would show it.
    assert cover.COVER_AFTER_S - 0.01 <= time.monotonic() - began_s < outage.CARD_AFTER_S
    assert track.showing is Showing.CARD
    await sending
    assert not {FILTERED, RAW} & set(sender.levels[1:])


async def test_between_private_choices_nothing_is_covered(track: ReturnedTrack, sender: Sender) -> None:
    track.begin_generation(1, is_private=True)
    assert await track.settled() is None  # Nothing was ever shown.
    track.offer_result(filtered(1, generation=1))
    await sender.send(1)
    sending = asyncio.create_task(sender.send(1))
    await asyncio.sleep(0)
    track.begin_generation(2, is_private=True)
    assert await track.settled() is None
    track.offer_result(filtered(2, generation=2))
    await sending
    assert (sender.levels, sender.calls) == ([FILTERED, FILTERED], [])


async def test_a_raw_frame_is_covered_and_none_is_held_for_a_private_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    track = ReturnedTrack(Metrics(), Card(), Outage.OPEN)
    sender = Sender(track)
    track.offer_raw(raw(3000))
    await sender.send(1)
    track.offer_raw(raw(6000))
    track.set_outage(Outage.CLOSED)
    track.begin_generation(1, is_private=True)
    track.offer_raw(raw(9000))
    sending = asyncio.create_task(sender.send(4))
    assert await track.settled() == 4711 + 2
    await sending
    assert sender.levels[0] == RAW
    assert RAW not in sender.levels[1:]


async def test_a_switch_back_need_not_wait_for_a_cover(track: ReturnedTrack, sender: Sender) -> None:
    track.offer_result(filtered(1))
    await sender.send(1)
    track.begin_generation(1, is_private=True)
    waiting = asyncio.create_task(track.settled())
    await asyncio.sleep(0)
    track.begin_generation(2)
    sending = asyncio.create_task(sender.send(1))
    async with asyncio.timeout(0.1):
        await waiting
    track.offer_result(filtered(2, generation=2))
    await sending
    assert sender.levels == [FILTERED, FILTERED]
