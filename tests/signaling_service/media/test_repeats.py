from __future__ import annotations

from signaling_service.media.repeats import SHARE, Repeats

RATE = 1_500_000
PACKET = 1200


def test_repeats_are_a_share_of_the_bitrate_however_much_is_asked_for() -> None:
    repeats = Repeats()
    seconds = 10
    sent = sum(PACKET * repeats.allows(PACKET, RATE, 100 + number / 3000) for number in range(3000 * seconds))
    assert 0.95 * seconds <= sent / (SHARE * RATE / 8) <= seconds + 1


def test_a_burst_that_was_lost_comes_again_whole() -> None:
    repeats = Repeats()
    assert all(repeats.allows(PACKET, RATE, 100.0) for _ in range(30))
    assert all(repeats.allows(PACKET, RATE, 102.0) for _ in range(30))


def test_what_is_saved_is_bounded() -> None:
    repeats = Repeats()
    repeats.allows(PACKET, RATE, 0.0)
    sent = sum(PACKET * repeats.allows(PACKET, RATE, 10_000.0) for _ in range(10_000))
    assert sent <= SHARE * RATE / 8


def test_what_repeats_take_of_late_is_known() -> None:
    repeats = Repeats()
    for number in range(300):
        repeats.allows(PACKET, RATE, 100 + number / 30)
    assert 0.9 < repeats.bits_per_s(110.0) / (30 * PACKET * 8) < 1.1
    assert repeats.bits_per_s(120.0) < 1000
