from __future__ import annotations

import math

import pytest

from harness.narrow_link import Arrival, Link, Sample, send
from signaling_service.media.path_estimate import FIRST_PACE, PACE, QUEUE_S, PathEstimate
from signaling_service.media.transport_feedback import CLOCK_S

START, LEAST, MOST = 1_000_000, 300_000, 1_500_000
REPORT_EVERY_S = 0.1
MS = 1e-3


class Session:
    """A sender that obeys the estimate, and a page that reports by a clock of its own."""

    def __init__(self, page_clock_s: float = 123.0) -> None:
        self.estimate = PathEstimate(START, LEAST)
        self.picture_needs = math.inf
        self.filled = 1.0
        """Part of the estimate that an encoder makes of it."""
        self._page_clock_s = page_clock_s
        self._number = 0
        self._now_s = 0.0
        self._told = 0
        self._waiting: list[tuple[int, float | None]] = []
        self._report_at_s = REPORT_EVERY_S

    def runs(self, link: Link, for_s: float) -> list[Sample]:
        def hear(arrival: Arrival) -> None:
            # What was sent is noted here, since the link tells of it here: with the time of its sending.
            while self._told & 0xFFFF != arrival.number:
                self.estimate.note_sent(self._told & 0xFFFF, arrival.size_bytes, arrival.sent_s)
                self._waiting.append((self._told & 0xFFFF, None))
                self._told += 1
            self.estimate.note_sent(arrival.number, arrival.size_bytes, arrival.sent_s)
            page_s = (arrival.at_s + self._page_clock_s) % CLOCK_S
            self._waiting.append((arrival.number, page_s))
            self._told += 1
            if arrival.at_s >= self._report_at_s:
                self._report_at_s = arrival.at_s + REPORT_EVERY_S
                self.estimate.note_report(self._waiting, arrival.at_s, MOST)
                self._waiting = []

        def rate(now_s: float) -> float:
            return min(self.filled * self.estimate.bits_per_s, self.picture_needs)

        end_s = self._now_s + for_s
        samples, self._number = send(link, rate, hear, end_s, from_s=self._now_s, number=self._number)
        self._now_s = end_s
        return samples


def queue_p95_s(samples: list[Sample]) -> float:
    return sorted(sample.queue_s for sample in samples)[int(0.95 * len(samples))]


def mean_rate(samples: list[Sample]) -> float:
    return sum(sample.sent_bits_per_s for sample in samples) / len(samples)


def buffer_of(bits_per_s: float) -> int:
    """Bytes of a router's 200 ms."""
    return int(bits_per_s / 8 * 0.2)


def test_a_good_link_has_the_full_rate_within_a_second() -> None:
    samples = Session().runs(Link(20e6), 10)
    assert all(sample.sent_bits_per_s == MOST for sample in samples if sample.at_s >= 1)


@pytest.mark.parametrize("bits_per_s", [500_000, 600_000, 1_000_000, 1_300_000])
def test_a_narrow_link_is_used_and_its_queue_stays_short(bits_per_s: int) -> None:
    samples = Session().runs(Link(bits_per_s, buffer_of(bits_per_s)), 40)
    settled = [sample for sample in samples if sample.at_s >= 5]
    assert mean_rate(settled) >= 0.8 * bits_per_s
    assert queue_p95_s(settled) < 60 * MS


@pytest.mark.parametrize("bits_per_s", [600_000, 1_000_000])
def test_an_estimate_that_is_not_filled_tells_of_no_wider_link(bits_per_s: int) -> None:
    session = Session()
    session.filled = 0.85
    samples = session.runs(Link(bits_per_s, buffer_of(bits_per_s)), 40)
    settled = [sample for sample in samples if sample.at_s >= 5]
    assert queue_p95_s(settled) < 30 * MS
    assert mean_rate(settled) >= 0.8 * bits_per_s


def test_what_an_encoder_makes_too_much_while_a_queue_stands_waits_here() -> None:
    session = Session()
    session.runs(Link(20e6), 5)
    narrow = Link(700_000, buffer_of(700_000))
    was_drained = False
    for _ in range(30):
        session.runs(narrow, 0.1)
        estimate = session.estimate
        if estimate.queue_s > QUEUE_S:
            assert estimate.pace_bits_per_s == estimate.bits_per_s < 700_000
            was_drained = True
    assert was_drained


def test_the_longer_a_queue_the_lower_the_estimate_until_it_is_gone() -> None:
    fallen = []
    for waited_s in (0.03, 0.06, 0.15):
        estimate = PathEstimate(START, LEAST)
        for number in range(80):
            estimate.note_sent(number, 1200, number / 100)
        estimate.note_report([(n, n / 100) for n in range(20)], 0.2, MOST)
        estimate.note_report([(n, n / 100 + waited_s) for n in range(20, 80)], 0.8 + waited_s, MOST)
        fallen.append(estimate.bits_per_s)
    assert fallen[1] < 0.9 * fallen[0]
    assert fallen[2] < 0.9 * fallen[1]


def test_the_first_key_frame_tells_of_a_narrow_link() -> None:
    """Its first packets find no queue, and its last ones the one that it has made."""
    estimate = begun_with_a_key_frame(Link(600_000, buffer_of(600_000)), 0.3)
    assert estimate.bits_per_s < 600_000
    assert estimate.pace_bits_per_s < 600_000


def test_the_first_key_frame_over_a_good_link_lowers_nothing() -> None:
    assert begun_with_a_key_frame(Link(20e6), 0.3).bits_per_s > START


def begun_with_a_key_frame(link: Link, for_s: float) -> PathEstimate:
    """Return what reports of every 0.1 s tell of 12 packets at once, and 3 more every 33 ms."""
    estimate = PathEstimate(START, LEAST)
    on_way: list[tuple[float, int]] = []
    sends = [(0.0, number) for number in range(12)]
    sends += [((1 + place // 3) / 30, 12 + place) for place in range(round(90 * for_s))]
    report_s = REPORT_EVERY_S
    for at_s, number in sends:
        while at_s >= report_s + link.delay_s:
            came = [(n, came_s) for came_s, n in on_way if came_s <= report_s]
            on_way = [one for one in on_way if one[0] > report_s]
            estimate.note_report(came, report_s + link.delay_s, MOST)
            report_s += REPORT_EVERY_S
        estimate.note_sent(number, 1200, at_s)
        if (came_s := link.arrival_s(at_s, 1200)) is not None:
            on_way.append((came_s, number))
    return estimate


def test_a_start_above_the_link_loses_less_than_its_buffer() -> None:
    samples = Session().runs(Link(600_000, buffer_of(600_000)), 10)
    assert max(sample.queue_s for sample in samples) < 0.2


@pytest.mark.parametrize("bits_per_s", [600_000, 1_000_000])
def test_the_full_rate_is_back_within_5_s_after_the_limit_goes(bits_per_s: int) -> None:
    for narrow_s in (14.0, 15.0, 16.0, 17.0):
        session = Session()
        session.runs(Link(bits_per_s, buffer_of(bits_per_s)), narrow_s)
        samples = session.runs(Link(20e6), 8)
        assert all(sample.sent_bits_per_s == MOST for sample in samples if sample.at_s >= narrow_s + 5)


def test_a_large_picture_leaves_no_faster_than_the_link_took_when_it_was_full() -> None:
    session = Session()
    assert session.estimate.pace_bits_per_s == FIRST_PACE * START
    session.runs(Link(600_000, buffer_of(600_000)), 10)
    assert 0.8 * 600_000 < session.estimate.pace_bits_per_s < 1.1 * 600_000
    session.runs(Link(20e6), 5)
    assert session.estimate.pace_bits_per_s == PACE * MOST


def test_a_link_that_becomes_narrow_is_followed_within_a_second() -> None:
    session = Session()
    session.runs(Link(20e6), 10)
    samples = session.runs(Link(700_000, buffer_of(700_000)), 10)
    assert all(sample.sent_bits_per_s <= 770_000 for sample in samples if sample.at_s >= 11)
    assert queue_p95_s([sample for sample in samples if sample.at_s >= 12]) < 60 * MS


def test_a_host_that_is_late_now_and_then_costs_nothing_for_long() -> None:
    """Every 0.7 s all that came within 0.2 s is read together, as where a process got no core."""
    session = Session()
    session.runs(Link(20e6), 5)
    heard = session.estimate.note_report

    def late(arrivals: list[tuple[int, float | None]], now_s: float, most: float) -> None:
        heard(
            [
                (n, at_s if at_s is None or at_s % 0.7 > 0.2 else at_s // 0.7 * 0.7 + 0.2)
                for n, at_s in arrivals
            ],
            now_s,
            most,
        )

    session.estimate.note_report = late  # type: ignore[assignment, method-assign]
    samples = session.runs(Link(20e6), 20)
    assert mean_rate(samples) > 0.9 * MOST


def test_random_loss_of_3_per_cent_leaves_the_rate() -> None:
    samples = Session().runs(Link(20e6, loss=0.03), 20)
    assert all(sample.sent_bits_per_s == MOST for sample in samples if sample.at_s >= 1)


def test_heavy_loss_takes_half_of_itself_off() -> None:
    session = Session()
    session.runs(Link(20e6), 5)
    samples = session.runs(Link(20e6, loss=0.3), 3)
    assert samples[-1].sent_bits_per_s < 0.8 * MOST


def test_a_still_scene_says_nothing_of_the_network() -> None:
    session = Session()
    session.runs(Link(20e6), 5)
    session.picture_needs = 100_000
    session.runs(Link(20e6), 30)
    assert session.estimate.bits_per_s == MOST


def test_a_way_that_becomes_longer_is_no_queue_for_ever() -> None:
    session = Session()
    session.runs(Link(20e6, delay_s=0.02), 5)
    samples = session.runs(Link(20e6, delay_s=0.12), 15)
    assert samples[-1].sent_bits_per_s == MOST


def test_the_pages_clock_may_run_around() -> None:
    samples = Session(page_clock_s=CLOCK_S - 5).runs(Link(20e6), 10)
    assert samples[-1].sent_bits_per_s == MOST


def test_what_was_never_sent_or_is_told_twice_changes_nothing() -> None:
    estimate = PathEstimate(START, LEAST)
    for number in range(40):
        estimate.note_sent(number, 1200, 0.0)
    estimate.note_report([(number, 1.0) for number in range(40)], 0.1, MOST)
    before = estimate.bits_per_s
    estimate.note_report([(number, None) for number in range(40)] * 2, 0.2, MOST)
    estimate.note_report([(number, None) for number in range(5000, 6000)], 0.3, MOST)
    assert estimate.bits_per_s == before


def test_what_is_never_reported_is_forgotten() -> None:
    estimate = PathEstimate(START, LEAST)
    for number in range(200_000):
        estimate.note_sent(number & 0xFFFF, 1200, number * MS)
    assert len(estimate._on_way) <= 4096
    assert len(estimate._order) <= 4096


def test_a_page_that_lies_fills_no_memory_and_breaks_nothing() -> None:
    estimate = PathEstimate(START, LEAST)
    estimate.note_sent(0, 1200, 0.0)
    estimate.note_report([(0, None)], 0.1, MOST)
    for number in range(1, 20_000):
        estimate.note_sent(number & 0xFFFF, 1200, number * MS)
        if number % 50 == 0:
            # All at one moment, or backwards.
            told = 5.0 if number < 10_000 else 5.0 - number
            estimate.note_report(
                [(n & 0xFFFF, told) for n in range(number - 49, number + 1)], number * MS, MOST
            )
    assert len(estimate._came) <= 4096
    assert LEAST <= estimate.bits_per_s <= MOST


def test_a_socket_that_takes_nothing_lowers_the_estimate_before_any_report() -> None:
    session = Session()
    session.runs(Link(20e6), 3)
    before = session.estimate.bits_per_s
    assert not session.estimate.note_full(0.05, 3.0)
    assert session.estimate.bits_per_s == before
    assert session.estimate.note_full(0.2, 3.0)
    assert LEAST <= session.estimate.bits_per_s < 0.6 * before
    # The next pictures wait behind the same stop.
    assert not session.estimate.note_full(0.2, 3.1)
    assert session.runs(Link(20e6), 5)[-1].sent_bits_per_s == MOST
