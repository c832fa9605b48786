from __future__ import annotations

import pytest

from signaling_service.streams.thinning import (
    BAD_REPORTS,
    FIRST_PAUSE_S,
    KEY_EVERY_S,
    KEY_GAP_S,
    LONGEST_PAUSE_S,
    STEADY_S,
    Thinning,
)


def spoil(thinning: Thinning, from_s: float, share: float = 0.5) -> float:
    """Report loss until the viewer is thin; return when it was."""
    for i in range(100):
        thinning.note_loss(share, from_s + i)
        if thinning.is_thin:
            return from_s + i
    raise AssertionError("never thin")


def test_a_line_that_loses_much_again_and_again_gets_key_frames_alone() -> None:
    thinning = Thinning()
    for i in range(BAD_REPORTS - 1):
        thinning.note_loss(0.5, i)
    assert thinning.takes(10.0, is_key=False)
    thinning.note_loss(0.5, 10.0)
    assert not thinning.takes(10.1, is_key=False)
    assert not thinning.takes(10.1 + KEY_GAP_S / 2, is_key=True)
    assert thinning.takes(10.1 + KEY_GAP_S, is_key=True)
    assert not thinning.wants_key(10.0 + KEY_EVERY_S)
    assert thinning.wants_key(10.2 + KEY_GAP_S + KEY_EVERY_S)


@pytest.mark.parametrize("shares", [[0.1] * 100, [0.5, 0.5, 0.0] * 30], ids=["a little", "in bursts"])
def test_loss_that_repeats_make_good_thins_nothing(shares: list[float]) -> None:
    thinning = Thinning()
    for i, share in enumerate(shares):
        thinning.note_loss(share, i)
    assert not thinning.is_thin


def test_reports_that_follow_at_once_count_once() -> None:
    thinning = Thinning()
    for i in range(50):
        thinning.note_loss(1.0, i / 100)
    assert not thinning.is_thin


def test_a_line_that_has_healed_gets_all_pictures_from_a_key_frame_on() -> None:
    thinning = Thinning()
    thin_s = spoil(thinning, 0.0)
    thinning.note_loss(0.0, thin_s + 1)
    later_s = thin_s + FIRST_PAUSE_S + 1
    assert not thinning.takes(later_s, is_key=False)
    assert thinning.takes(later_s, is_key=True)
    assert thinning.takes(later_s, is_key=False)


def test_a_line_that_still_loses_stays_thin() -> None:
    thinning = Thinning()
    thin_s = spoil(thinning, 0.0)
    thinning.note_loss(0.1, thin_s + 1)
    assert thinning.takes(thin_s + 10 * FIRST_PAUSE_S, is_key=True)
    assert thinning.is_thin


def test_a_line_that_fails_again_waits_longer_each_time_up_to_a_limit() -> None:
    thinning, now_s = Thinning(), 0.0
    pauses_s = []
    for _ in range(6):
        began_s = spoil(thinning, now_s + 1)
        now_s = began_s
        while thinning.is_thin:
            now_s += 1
            thinning.note_loss(0.0, now_s)
            thinning.takes(now_s, is_key=True)
        pauses_s.append(now_s - began_s)
    assert pauses_s[0] == pytest.approx(FIRST_PAUSE_S, abs=KEY_GAP_S)
    assert pauses_s[1] == pytest.approx(2 * FIRST_PAUSE_S, abs=KEY_GAP_S)
    assert pauses_s[-1] == pytest.approx(LONGEST_PAUSE_S, abs=KEY_GAP_S)
    again_s = spoil(thinning, now_s + STEADY_S)
    thinning.note_loss(0.0, again_s + 1)
    thinning.takes(again_s + FIRST_PAUSE_S + 1, is_key=True)
    assert not thinning.is_thin
