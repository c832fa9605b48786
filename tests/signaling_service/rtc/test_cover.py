from __future__ import annotations

import pytest

from signaling_service.rtc import cover as module
from signaling_service.rtc.cover import COVER_AFTER_S, Cover


def shown_bare() -> Cover:
    cover = Cover()
    cover.note_frame(is_card=False)
    return cover


async def test_a_private_choice_covers_a_bare_frame_until_another_one_has_been_sent() -> None:
    cover = shown_bare()
    assert cover.begin(5.0, is_private=True)
    assert (cover.due_s, cover.is_settled) == (5.0 + COVER_AFTER_S, False)
    cover.note_frame(is_card=False)
    assert (cover.due_s, cover.is_settled) == (None, False)
    cover.note_idle()
    assert cover.is_settled
    assert await cover.lasts()


async def test_an_idle_sender_does_not_settle_what_is_still_bare() -> None:
    cover = shown_bare()
    cover.begin(5.0, is_private=True)
    cover.note_idle()
    assert not cover.is_settled


@pytest.mark.parametrize("is_card", [False, True])
async def test_nothing_is_covered_that_hid_the_camera_already(is_card: bool) -> None:
    cover = Cover()
    cover.begin(4.0, is_private=not is_card)
    cover.note_frame(is_card=is_card)
    assert not cover.begin(5.0, is_private=True)
    assert cover.is_settled


async def test_a_second_private_choice_does_not_wait_longer() -> None:
    cover = shown_bare()
    assert cover.begin(5.0, is_private=True)
    assert not cover.begin(5.1, is_private=True)
    assert cover.due_s == 5.0 + COVER_AFTER_S


async def test_an_open_choice_leaves_nothing_to_cover() -> None:
    cover = shown_bare()
    cover.begin(5.0, is_private=True)
    assert not cover.begin(5.1, is_private=False)
    assert (cover.due_s, cover.is_settled) == (None, True)


async def test_a_sender_that_is_stuck_covers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COVER_AFTER_S", 0.01)
    monkeypatch.setattr(module, "SENT_LIMIT_S", 0.01)
    cover = shown_bare()
    cover.begin(5.0, is_private=True)
    assert not await cover.lasts()
