from __future__ import annotations

from itertools import pairwise

import pytest

from signaling_service.streams.sender_clock import NTP_SECOND, SenderClock
from signaling_service.streams.sound import LONGEST_DELAY_S, Delay
from signaling_service.streams.stream import Timeline


def test_a_report_ties_timestamps_to_the_publishers_clock() -> None:
    picture, sound = SenderClock(90_000), SenderClock(48_000)
    picture.note_report(100 * NTP_SECOND, 4_000_000_000)
    sound.note_report(101 * NTP_SECOND, 10)
    # Half a second later by either clock; the picture's timestamp has wrapped.
    assert picture.ntp((4_000_000_000 + 135_000) % 2**32) == pytest.approx(101.5 * NTP_SECOND)
    assert sound.ntp(10 + 24_000) == pytest.approx(101.5 * NTP_SECOND)
    assert picture.ntp(4_000_000_000 - 90_000) == pytest.approx(99 * NTP_SECOND)


def test_a_sender_without_a_clock_tells_none() -> None:
    clock = SenderClock(90_000)
    clock.note_report(0, 5)
    assert not clock.is_known
    assert clock.ntp(5) > 0


def test_timestamps_rise_through_all_publishers(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr("signaling_service.streams.stream.time.monotonic", lambda: now_s)
    line = Timeline(90_000)
    first = [line.stamp("one", 500_000 + 3000 * i) for i in range(3)]
    now_s = 2.0
    second = [line.stamp("two", 7 + 3000 * i) for i in range(3)]
    assert [b - a for a, b in pairwise(first)] == [3000, 3000]
    assert second[0] - first[-1] == 180_000
    assert second[2] - second[0] == 6000


def test_the_sound_is_as_late_as_the_picture_and_never_by_much() -> None:
    delay = Delay()
    delay.note(0.08)
    assert delay.seconds == pytest.approx(0.08)
    for _ in range(200):
        delay.note(0.2)
    assert delay.seconds == pytest.approx(0.2, abs=0.001)
    for _ in range(200):
        delay.note(30.0)
    assert delay.seconds <= LONGEST_DELAY_S
