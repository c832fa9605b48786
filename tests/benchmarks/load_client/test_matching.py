"""Which sent frame a returned one is."""

from __future__ import annotations

import pytest

from benchmarks.load_client.matching import (
    OLDEST_S,
    TIMESTAMPS,
    Seen,
    Sent,
    by_counter,
    by_timestamp,
    constant,
    fits,
)

STEP = 3000
FRAME_S = 1 / 30


def camera(frames: int, first: int = 0, loop: int = 300) -> Sent:
    """Return what a session has sent that began at 0 s with RTP timestamp `first`."""
    sent = Sent()
    for place in range(frames):
        sent.add((first + place * STEP) % TIMESTAMPS, place % loop, place * FRAME_S)
    return sent


def test_the_constant_is_found_across_the_wrap_around_of_timestamps() -> None:
    sent = camera(20, first=TIMESTAMPS - 5 * STEP)
    added = 12_345
    seen = [
        Seen((TIMESTAMPS - 5 * STEP + place * STEP + added) % TIMESTAMPS, place * FRAME_S + 0.05, place)
        for place in (3, 4, 5, 6, 7)
    ]
    assert constant(seen, sent) == added
    aged = by_timestamp([(one.timestamp, one.at_s) for one in seen], added, sent)
    assert [one.age_s for one in aged] == pytest.approx([0.05] * 5)


def test_a_counter_that_was_sent_twice_does_not_mislead() -> None:
    sent = Sent()
    # The loop is begun anew after two frames: counters 0 and 1 are sent twice.
    for place, counter in enumerate((0, 1, 0, 1, 2, 3)):
        sent.add(place * STEP, counter, place * FRAME_S)
    seen = [
        Seen(place * STEP + 7, place * FRAME_S + 0.2, counter) for place, counter in ((0, 0), (4, 2), (5, 3))
    ]
    assert constant(seen, sent) == 7


def test_counters_of_an_earlier_turn_of_the_loop_get_no_votes() -> None:
    sent = camera(620)
    late = [Seen(place * STEP + 9, place * FRAME_S + 0.1, place % 300) for place in range(605, 615)]
    assert constant(late, sent) == 9


def test_one_frame_alone_gives_no_constant() -> None:
    assert constant([Seen(5, 0.1, 0)], camera(3)) is None
    assert constant([], camera(3)) is None


def test_a_timestamp_off_by_one_is_still_known() -> None:
    sent = camera(3)
    arrived = [(0 + 99, 0.04), (STEP + 1 + 99, 0.07), (2 * STEP - 1 + 99, 0.10)]
    assert [one.sent_timestamp for one in by_timestamp(arrived, 99, sent)] == [0, STEP, 2 * STEP]


def test_what_was_never_sent_and_what_repeats_is_left_out() -> None:
    sent = camera(3)
    arrived = [(0, 0.04), (0, 0.05), (STEP + 500, 0.06), (2 * STEP, 0.10)]
    assert [one.sent_timestamp for one in by_timestamp(arrived, 0, sent)] == [0, 2 * STEP]


def test_a_constant_that_moved_does_not_fit() -> None:
    sent = camera(40, first=TIMESTAMPS - 20 * STEP)
    first = TIMESTAMPS - 20 * STEP
    late = [Seen((first + place * STEP + 50) % TIMESTAMPS, 2.0, place) for place in range(15, 25)]
    assert fits(late, 50, sent)
    assert fits(late, 51, sent)
    assert not fits(late, 50 + STEP, sent)
    assert not fits(late, 500, sent)


def test_a_loop_that_was_begun_anew_does_not_make_the_constant_doubtful() -> None:
    sent = Sent()
    # The same twenty counters twice: by votes both constants are as good.
    for place in range(40):
        sent.add(place * STEP, place % 20, place * FRAME_S)
    late = [Seen((20 + place) * STEP + 8, 1.5, place) for place in range(10)]
    assert fits(late, 8, sent)


def test_a_counter_matches_its_latest_sending_before_the_arrival() -> None:
    sent = camera(620)
    turn_s = 300 * FRAME_S
    aged = by_counter([Seen(0, turn_s + 0.2, 2), Seen(0, turn_s + 0.3, 3)], sent)
    assert [one.sent_timestamp for one in aged] == [302 * STEP, 303 * STEP]
    assert aged[0].age_s == pytest.approx(0.2 - 2 * FRAME_S)


def test_repeated_pictures_count_once_and_too_old_ones_not_at_all() -> None:
    sent = camera(10)
    seen = [Seen(0, 0.3, 1), Seen(0, 0.4, 1), Seen(0, 0.5, 2), Seen(0, OLDEST_S + 1, 3), Seen(0, 0.01, 9)]
    assert [one.sent_timestamp for one in by_counter(seen, sent)] == [STEP, 2 * STEP]
