from __future__ import annotations

import pytest
from aiortc.rate import RemoteBitrateEstimator

from harness.narrow_link import Arrival, Link, send
from signaling_service.media.bitrate import LEAST_BITS_PER_S, BitrateProfile, default_bitrate
from signaling_service.media.send_rate import SendRate

FULL = 1_500_000
REPORT_EVERY_S = 0.2


class Returning:
    """The returned stream and a page whose estimate is made as in libwebrtc, of which aiortc's is a copy."""

    def __init__(self, profile: BitrateProfile | None = None) -> None:
        self.rate = SendRate(profile or BitrateProfile())
        self.rate.note_size(640, 480)
        self.picture_needs = float("inf")
        """Bits per second that the encoder makes at most: few of a still scene."""
        self.targets = [self.rate.target]
        self._page = RemoteBitrateEstimator()
        self._sent_bytes = 0.0
        self._came = 0
        self._number = 0
        self._now_s = self._sent_until_s = 0.0
        self._next_report_s = REPORT_EVERY_S

    def runs(self, link: Link, for_s: float) -> list[int]:
        """Return the targets of each frame."""
        targets: list[int] = []

        def made(now_s: float) -> float:
            bits_per_s = min(self.rate.target, self.picture_needs)
            self._sent_bytes += bits_per_s / 8 * (now_s - self._sent_until_s)
            self._sent_until_s = now_s
            targets.append(self.rate.target)
            if self.rate.target != self.targets[-1]:
                self.targets.append(self.rate.target)
            return bits_per_s

        def hear(arrival: Arrival) -> None:
            self._came += 1
            sent = int(arrival.sent_s * (1 << 18)) & 0xFFFFFF
            remb = self._page.add(round(arrival.at_s * 1000), sent, arrival.size_bytes, 1)
            if remb is not None:
                self.rate.note_sent(round(self._sent_bytes), arrival.at_s)
                self.rate.note_remb(remb[0], arrival.at_s)
            if arrival.at_s >= self._next_report_s:
                self._next_report_s += REPORT_EVERY_S
                self.rate.note_sent(round(self._sent_bytes), arrival.at_s)
                self.rate.note_loss(arrival.number + 1 - self._came, arrival.number + 1, arrival.at_s)

        end_s = self._now_s + for_s
        _, self._number = send(link, made, hear, end_s, from_s=self._now_s, number=self._number)
        self._now_s = end_s
        return targets

    @property
    def changes(self) -> int:
        """How often the encoder was given another rate; each may be a key frame."""
        return len(self.targets) - 1


def test_on_a_good_network_it_is_full_from_the_first_frame_and_the_encoder_never_changes() -> None:
    returning = Returning()
    targets = returning.runs(Link(20e6), 60)
    assert set(targets) == {FULL}


def test_a_still_scene_says_nothing_of_the_network() -> None:
    returning = Returning()
    returning.picture_needs = 200_000
    assert set(returning.runs(Link(20e6), 30)) == {FULL}
    returning.picture_needs = float("inf")
    targets = returning.runs(Link(20e6), 30)
    assert min(targets) > 0.8 * FULL
    assert returning.changes <= 2


@pytest.mark.parametrize("bits_per_s", [500e3, 700e3, 1.1e6])
def test_on_a_narrow_link_it_falls_quickly_and_follows_in_few_steps(bits_per_s: float) -> None:
    returning = Returning()
    link = Link(bits_per_s)
    assert returning.runs(link, 3)[-1] < bits_per_s
    targets = returning.runs(link, 57)
    assert 0.6 * bits_per_s < sum(targets[600:]) / len(targets[600:]) < bits_per_s
    assert returning.changes <= 20


def test_when_the_link_widens_it_rises_in_few_large_steps() -> None:
    returning = Returning()
    returning.runs(Link(700e3), 20)
    before = returning.changes
    targets = returning.runs(Link(20e6), 40)
    assert targets[-1] > 0.9 * FULL
    assert returning.changes - before <= 5


@pytest.mark.parametrize(("loss", "low"), [(0.01, FULL), (0.05, 0.9 * FULL), (0.25, LEAST_BITS_PER_S)])
def test_heavy_loss_lowers_it_and_little_does_not(loss: float, low: float) -> None:
    returning = Returning()
    targets = returning.runs(Link(20e6, loss=loss), 20)
    assert min(targets) >= low
    assert (targets[-1] < FULL / 2) is (loss > 0.1)


def reports(rate: SendRate, *remb: int, every_s: float = 0.5, from_s: float = 0.0) -> None:
    """Report these estimates one after the other, while the target is sent."""
    sent_bytes = 0.0
    for i, bits_per_s in enumerate([remb[0], remb[0], *remb]):
        sent_bytes += rate.target / 8 * every_s
        at_s = from_s + i * every_s
        rate.note_sent(round(sent_bytes), at_s)
        if i >= 2:
            rate.note_remb(bits_per_s, at_s)


def test_an_estimate_of_nothing_is_one_like_others() -> None:
    profile = BitrateProfile()
    rate = SendRate(profile)
    rate.note_size(640, 480)
    reports(rate, 0, 0, 0, 1, 0, 1_000_000)
    assert profile.least <= rate.target <= FULL


def test_a_wobble_makes_no_new_encoder() -> None:
    rate = SendRate(BitrateProfile())
    rate.note_size(640, 480)
    reports(rate, *[1_700_000, 1_420_000] * 50)
    assert rate.target == FULL
    reports(rate, 1_700_000, 1_320_000, 1_600_000, from_s=100.0)  # 12 % less, for a moment.
    assert rate.target == FULL


def test_a_small_fall_that_lasts_is_followed() -> None:
    rate = SendRate(BitrateProfile())
    rate.note_size(640, 480)
    reports(rate, 1_700_000, 1_320_000, *[1_300_000] * 8)
    assert rate.target in (1_300_000, 1_320_000)


def test_the_size_of_the_picture_bounds_it_and_the_profile_bounds_that() -> None:
    rate = SendRate(BitrateProfile())
    rate.note_size(1280, 720)
    assert rate.target == pytest.approx(default_bitrate(1280, 720), rel=0.01)
    reports(rate, 5_000_000)
    rate.note_size(640, 480)
    assert rate.target == FULL
    rate.note_size(1280, 720)
    assert rate.target == pytest.approx(default_bitrate(1280, 720), rel=0.01)
    bounded = SendRate(BitrateProfile(400_000, 600_000, 800_000))
    bounded.note_size(1280, 720)
    assert bounded.target == 600_000
    reports(bounded, 100_000)
    assert bounded.target == 400_000
    for second in range(2, 30):
        bounded.note_loss(0, 100 * second, float(second))
        reports(bounded, 9_000_000, from_s=second, every_s=0.3)
    assert bounded.target > 0.9 * 800_000


def test_more_reports_make_it_grow_no_faster() -> None:
    rate = SendRate(BitrateProfile(start=500_000))
    rate.note_size(640, 480)
    for i in range(300):
        rate.note_loss(0, 10 * i, i / 100)
    assert rate.target <= 500_000 * 1.05**4


def test_a_peer_that_does_not_extend_sequence_numbers_is_judged_on_after_their_wrap_around() -> None:
    rate = SendRate(BitrateProfile())
    rate.note_size(640, 480)
    for i in range(20):
        rate.note_loss(25 * i, (65_000 + 50 * i) % 65_536, float(i))
    assert rate.target < FULL / 2


def test_one_lost_packet_of_few_is_no_heavy_loss() -> None:
    rate = SendRate(BitrateProfile())
    rate.note_size(640, 480)
    for i in range(100):
        rate.note_loss(i // 5, 8 * i, i / 10)  # Each fifth report says 1 of 8.
    assert rate.target == FULL


def test_transport_wide_feedback_counts_alone_and_is_followed_at_once() -> None:
    rate = SendRate(BitrateProfile().cautious())
    rate.note_size(640, 480)
    assert rate.target == 1_000_000
    for allowed in (1_050_000, 2_000_000, 700_000, 100_000):
        rate.note_estimate(allowed)
        assert rate.target == min(max(allowed, LEAST_BITS_PER_S), FULL)
    rate.note_estimate(800_000)
    rate.note_sent(0, 1.0)
    rate.note_sent(100_000, 2.0)
    rate.note_remb(50_000, 3.0)
    rate.note_loss(0, 1000, 4.0)
    rate.note_loss(500, 2000, 6.0)
    assert rate.target == 800_000
