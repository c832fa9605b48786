from __future__ import annotations

import pytest

from signaling_service.media.came_through import FIRST_S, CameThrough
from signaling_service.media.transport_feedback import CLOCK_S

WIDTH = 1_000_000
LATER_S = 2 * FIRST_S


def came(*delays_s: float, from_s: float = LATER_S, page_clock_s: float = 0.0) -> CameThrough:
    """Return what is known of packets of 1000 bytes every 20 ms that took so long, and of one long before."""
    through = CameThrough()
    through.note(0.0, page_clock_s % CLOCK_S, 1000, WIDTH)
    through.queue_s(0.0, 0.0)
    for place, delay_s in enumerate(delays_s):
        sent_s = from_s + 0.02 * place
        through.note(sent_s, (page_clock_s + sent_s + delay_s) % CLOCK_S, 1000, WIDTH)
    return through


def test_a_queue_delays_all_packets_and_a_burst_some() -> None:
    assert came(*(0.05,) * 8).queue_s(0.0, 1.0) == pytest.approx(0.05)
    assert came(*(0.05,) * 7, 0.0).queue_s(0.0, 1.0) == pytest.approx(0.0)


def test_of_the_first_key_frame_the_last_packets_tell_the_queue() -> None:
    """Its first packet found the way empty."""
    grown_s = [0.02 * place for place in range(8)]
    assert came(*grown_s, from_s=0.0).queue_s(0.0, 0.2) == pytest.approx(grown_s[-3])
    assert came(*grown_s).queue_s(0.0, 1.2) < grown_s[-3]


def test_a_delay_that_is_the_ways_own_is_no_queue() -> None:
    through = came(*(0.05,) * 8)
    through.queue_s(0.0, 1.0)
    through.forget_base()
    assert through.queue_s(0.0, 1.1) == pytest.approx(0.0)


def test_throughput_is_of_the_time_since_the_first_packet() -> None:
    """Eight packets of 1000 bytes within 0.2 s, and not within the whole window."""
    through = CameThrough()
    for place in range(11):
        through.note(0.02 * place, 0.02 * place, 1000, WIDTH)
    assert through.bits_per_s() == pytest.approx(11 * 8000 / 0.2)


def test_the_pages_clock_may_run_around() -> None:
    around = came(*(0.05,) * 8, page_clock_s=CLOCK_S - LATER_S - 0.05)
    assert around.queue_s(0.0, 1.0) == pytest.approx(0.05)
    assert around.bits_per_s() == pytest.approx(came(*(0.05,) * 8).bits_per_s())


def test_nothing_is_known_of_nothing() -> None:
    assert CameThrough().bits_per_s() == 0.0
    assert CameThrough().queue_s(0.03, 1.0) == 0.03
