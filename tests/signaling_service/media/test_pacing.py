from __future__ import annotations

import pytest

from signaling_service.media.pacing import WORTH_WAITING_S, Pacer

RATE = 2_500_000
PACKET = 1200


def sent_after_s(packets: int, *, repeats: int = 0) -> float:
    """Return how long it takes until so many packets have left that wait, each as long as it is told."""
    pacer, now_s = Pacer(), 100.0
    for _ in range(repeats):
        pacer.note_sent(PACKET, RATE, now_s)
    for _ in range(packets):
        now_s += pacer.wait_s(RATE, now_s)
        pacer.note_sent(PACKET, RATE, now_s)
    return now_s - 100.0


def test_a_usual_picture_goes_at_once() -> None:
    assert sent_after_s(round(RATE / 30 / 8 / PACKET)) == 0


@pytest.mark.parametrize("repeats", [0, 10])
def test_a_large_one_takes_its_time_and_pays_for_repeats(repeats: int) -> None:
    whole_s = 8 * PACKET * (100 + repeats) / RATE
    assert whole_s - 0.1 < sent_after_s(100, repeats=repeats) <= whole_s


def test_it_is_waited_for_more_than_one_packet_at_once() -> None:
    pacer, now_s, waits = Pacer(), 100.0, []
    for _ in range(200):
        if wait_s := pacer.wait_s(RATE, now_s):
            waits.append(wait_s)
        now_s += wait_s
        pacer.note_sent(PACKET, RATE, now_s)
    assert len(waits) < 150
    assert min(waits) >= WORTH_WAITING_S
