from __future__ import annotations

import pytest

from signaling_service.media.missing import ASK_TIMES, RECOVER_S, REMEMBERED, MissingPackets


@pytest.fixture
def missing() -> MissingPackets:
    """Packets 10 to 12, missing since 1.0 s."""
    made = MissingPackets()
    made.note_gap(range(10, 13), 1.0)
    return made


def test_each_missing_packet_is_asked_for_at_once_then_again_after_a_while(missing: MissingPackets) -> None:
    assert missing.to_ask_for(0, 1.0) == [10, 11, 12]
    assert missing.to_ask_for(0, 1.03) == []
    missing.note_packet(11, 1.035)
    assert missing.to_ask_for(0, 1.05) == [10, 12]


def test_no_packet_is_asked_for_too_often(missing: MissingPackets) -> None:
    asked = [missing.to_ask_for(0, 1.0 + step) for step in range(2 * ASK_TIMES)]
    assert asked == [[10, 11, 12]] * ASK_TIMES + [[]] * ASK_TIMES


def test_what_lies_before_the_wanted_number_is_not_asked_for(missing: MissingPackets) -> None:
    assert missing.to_ask_for(12, 1.0) == [12]
    missing.drop_before(11)
    assert len(missing) == 2
    assert missing.to_ask_for(0, 1.0) == [11]


def test_a_longer_round_trip_leaves_more_time(missing: MissingPackets) -> None:
    assert missing.overdue(1.0 + RECOVER_S[0]) is None
    assert missing.overdue(1.0 + RECOVER_S[0] + 0.01) == 10
    missing.to_ask_for(0, 1.0)
    missing.note_packet(10, 1.1)
    assert missing.recover_s == pytest.approx(0.25)
    assert missing.overdue(1.2) is None
    assert missing.overdue(1.26) == 11


def test_the_answer_for_a_packet_that_was_given_up_still_measures_the_round_trip(
    missing: MissingPackets,
) -> None:
    missing.to_ask_for(0, 1.0)
    missing.drop_before(13)
    missing.note_packet(12, 1.15)
    assert missing.recover_s == pytest.approx(0.375)
    missing.note_packet(11, 9.0)
    assert missing.recover_s == RECOVER_S[1]


def test_a_new_stream_has_no_gaps(missing: MissingPackets) -> None:
    missing.clear()
    assert (len(missing), missing.overdue(99.0), missing.to_ask_for(0, 99.0)) == (0, None, [])


def test_what_was_asked_for_is_not_remembered_for_ever() -> None:
    missing = MissingPackets()
    for first in range(0, 4 * REMEMBERED, 100):
        missing.note_gap(range(first, first + 100), 1.0)
        missing.to_ask_for(0, 1.0)
        missing.drop_before(first + 100)
    assert len(missing._asked) == REMEMBERED
