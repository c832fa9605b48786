from __future__ import annotations

from signaling_service.media.bitrate import BitrateProfile
from signaling_service.media.receive_ceiling import EVERY_S, FIRST_AFTER_S, ReceiveCeiling


def test_a_bound_is_told_after_the_beginning_and_then_again_and_again() -> None:
    ceiling = ReceiveCeiling(BitrateProfile(most=900_000))
    assert ceiling.due(100.0) is None
    ceiling.add(None, 1, 1200, 100.0)
    assert ceiling.due(100.0 + FIRST_AFTER_S - 0.1) is None
    assert ceiling.due(100.0 + FIRST_AFTER_S) == 900_000
    assert ceiling.due(100.0 + FIRST_AFTER_S + 0.1) is None
    assert ceiling.due(100.0 + FIRST_AFTER_S + EVERY_S) == 900_000


def test_without_a_bound_nothing_is_told() -> None:
    ceiling = ReceiveCeiling(BitrateProfile())
    ceiling.add(None, 1, 1200, 100.0)
    assert ceiling.due(200.0) is None
