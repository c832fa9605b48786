from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.narrow_link import Arrival, Link, Sample, send
from signaling_service.media.bitrate import BitrateProfile
from signaling_service.media.receive_estimate import CEILING_BITS_PER_S, ReceiveEstimate

WISH = 2_500_000
"""What the page's encoder would send at most."""


class Page:
    """Sends as fast as it was last told, up to what its encoder makes."""

    def __init__(self, profile: BitrateProfile | None = None, wish: float = WISH) -> None:
        self.estimate = ReceiveEstimate(profile or BitrateProfile())
        self.wish = wish
        self.told = float(CEILING_BITS_PER_S)
        self.number = 65_000
        self.now_s = 60.0  # Over the wrap-around of abs-send-time, 64 s.

    def runs(
        self,
        link: Link,
        for_s: float,
        arrives_s: Callable[[float], float] = lambda at_s: at_s,
    ) -> list[Sample]:
        """`arrives_s`: when a packet is taken from the socket that came at this time."""

        def hear(arrival: Arrival) -> None:
            at_s = arrives_s(arrival.at_s)
            sent = int(arrival.sent_s * (1 << 18)) & 0xFFFFFF
            self.estimate.add(sent, arrival.number, arrival.size_bytes, at_s + 1000.0)
            if (told := self.estimate.due(at_s + 1000.0)) is not None:
                self.told = told

        end_s = self.now_s + for_s
        samples, self.number = send(
            link, lambda _: min(self.wish, self.told), hear, end_s, from_s=self.now_s, number=self.number
        )
        self.now_s = end_s
        return samples


def mean_rate(samples: list[Sample]) -> float:
    return sum(sample.sent_bits_per_s for sample in samples) / len(samples)


def test_on_a_good_network_it_stays_high_from_the_first_packet() -> None:
    page = Page()
    samples = page.runs(Link(50e6), 20)
    assert page.told == CEILING_BITS_PER_S
    assert mean_rate(samples) == WISH


def test_the_first_packet_is_answered_with_a_report() -> None:
    estimate = ReceiveEstimate(BitrateProfile())
    estimate.add(0, 0, 1000, 5.0)
    assert estimate.due(5.0) == CEILING_BITS_PER_S
    assert estimate.due(5.4) is None
    assert estimate.due(5.5) is not None


@pytest.mark.parametrize("bits_per_s", [500e3, 700e3, 1.2e6])
def test_on_a_narrow_link_it_falls_within_two_seconds_and_keeps_the_queue_short(bits_per_s: float) -> None:
    page = Page()
    link = Link(bits_per_s)
    page.runs(link, 2)
    assert page.told < bits_per_s
    page.runs(link, 6)  # What was sent too fast has to drain.
    samples = page.runs(link, 30)
    assert 0.75 * bits_per_s < mean_rate(samples) < bits_per_s
    queues_s = sorted(sample.queue_s for sample in samples)
    assert queues_s[int(0.95 * len(queues_s))] < 0.15


def test_a_link_with_a_short_queue_loses_and_is_not_flooded() -> None:
    page = Page()
    link = Link(700e3, queue_bytes=4000)
    page.runs(link, 10)
    samples = page.runs(link, 20)
    assert mean_rate(samples) < 1.1 * 700e3


def test_when_the_link_widens_the_picture_is_sharp_again_within_20_s() -> None:
    page = Page()
    page.runs(Link(700e3), 10)
    wide = Link(20e6)
    page.runs(wide, 20)
    assert page.told >= 1_700_000


def test_a_still_scene_is_not_held_to_its_bitrate() -> None:
    page = Page(wish=150_000)
    page.runs(Link(20e6), 20)
    assert page.told == CEILING_BITS_PER_S


def test_a_host_that_is_late_now_and_then_is_no_narrow_link() -> None:
    page = Page()

    def held_up(at_s: float) -> float:
        """Nothing is taken for the first 120 ms of every second."""
        return max(at_s, int(at_s) + 0.12)

    page.runs(Link(20e6), 12, held_up)
    assert page.told == CEILING_BITS_PER_S


def test_a_radio_that_is_slow_for_a_moment_is_no_narrow_link() -> None:
    page = Page()

    def slow(at_s: float) -> float:
        """For 200 ms of every second everything takes 60 ms longer."""
        return at_s + 0.06 * (at_s % 1 < 0.2)

    page.runs(Link(20e6), 12, slow)
    assert page.told == CEILING_BITS_PER_S


def test_a_delay_that_sending_less_does_not_shorten_is_no_queue() -> None:
    """The way has become longer, or this host is busy and late with everything."""
    page = Page()
    page.runs(Link(20e6), 5)
    page.runs(Link(20e6), 30, lambda at_s: at_s + 0.1)
    assert page.told >= WISH


@pytest.mark.parametrize(("loss", "falls"), [(0.01, False), (0.05, False), (0.2, True)])
def test_heavy_loss_lowers_it_and_little_does_not(loss: float, falls: bool) -> None:
    page = Page()
    page.runs(Link(20e6, loss=loss), 5)
    assert (page.told < WISH) is falls


def test_retransmissions_are_no_second_delivery() -> None:
    """Half of the packets lost and all of them sent again are still half lost."""
    estimate = ReceiveEstimate(BitrateProfile())
    for i in range(400):
        estimate.add(i * 2600, i if i % 2 else None, 1200, i * 0.01)
    assert estimate.bits_per_s < CEILING_BITS_PER_S / 4


def test_it_keeps_within_the_profile() -> None:
    profile = BitrateProfile(400_000, 500_000, 1_000_000)
    page = Page(profile)
    page.runs(Link(20e6), 1)
    assert page.told == 1_000_000
    page.runs(Link(100e3), 10)
    assert page.told == 400_000


def test_a_pause_changes_nothing() -> None:
    page = Page()
    page.runs(Link(20e6), 3)
    page.now_s += 25.0
    page.number += 1
    page.runs(replace(Link(20e6), _free_s=0.0), 3)
    assert page.told == CEILING_BITS_PER_S
