"""Times of packets and of pictures."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from inference_service.film.clock import Clock, Reordered
from inference_service.film.remarks import Remarks

BASE = Fraction(1, 100)


def moved(clock, stream, *dts):
    """Return the times that the clock gives packets of a stream, of 0.04 s each."""
    given = []
    for one in dts:
        packet: Any = SimpleNamespace(
            time_base=BASE, dts=one, pts=one + 2, duration=4, stream=SimpleNamespace(index=stream)
        )
        clock.move(packet)
        assert packet.pts - packet.dts == 2
        given.append(packet.dts)
    return given


def test_a_film_begins_at_zero_whatever_its_own_count():
    clock = Clock(Fraction(140, 100), may_start_anew=True, remarks=Remarks())
    assert moved(clock, 0, 140, 144, 148) == [0, 4, 8]


@pytest.mark.parametrize("to", [-5000, 9000])
def test_a_film_whose_times_jump_runs_on_and_its_streams_stay_together(to):
    remarks = Remarks()
    clock = Clock(Fraction(0), may_start_anew=True, remarks=remarks)
    assert moved(clock, 0, 0, 4, 8) == [0, 4, 8]
    assert moved(clock, 1, 0, 4) == [0, 4]
    assert moved(clock, 0, to, to + 4) == [12, 16]
    # Packets of before come between, as films are interleaved; this stream's jump is a little longer.
    assert moved(clock, 1, 8, 12) == [8, 12]
    assert moved(clock, 1, to + 6, to + 10) == [18, 22]
    assert "jump" in remarks.lines()[0]


def test_a_gap_in_a_format_whose_times_do_not_start_anew_is_a_gap():
    clock = Clock(Fraction(0), may_start_anew=False, remarks=Remarks())
    assert moved(clock, 0, 0, 4, 9000, 9004) == [0, 4, 9000, 9004]


def test_packets_without_a_time_stay_as_they_are():
    packet: Any = SimpleNamespace(
        time_base=BASE, dts=None, pts=None, duration=0, stream=SimpleNamespace(index=0)
    )
    Clock(Fraction(3), may_start_anew=False, remarks=Remarks()).move(packet)
    assert packet.dts is None


def test_a_packet_with_a_time_of_showing_alone_is_moved_as_the_others():
    # As Matroska's first ones, where pictures are reordered.
    first: Any
    then: Any
    first, then = (
        SimpleNamespace(time_base=BASE, dts=dts, pts=pts, duration=4, stream=SimpleNamespace(index=0))
        for dts, pts in ((None, 300), (304, 304))
    )
    clock = Clock(Fraction(3), may_start_anew=True, remarks=Remarks())
    clock.move(first)
    clock.move(then)
    assert (first.dts, first.pts, then.dts, then.pts) == (None, 0, 4, 4)


@pytest.mark.parametrize(
    ("pts", "dts", "times"),
    [
        # With pictures that were decoded in another order than they are shown.
        ([2, 3, 4, 5], [0, 3, 2, 4], [2, 3, 4, 5]),
        # Made up by a container that has no times of showing.
        ([1, 3, 2, 5, 4], [2, 3, 4, 5, 6], [1, 3, 4, 5, 6]),
        # What the decoder has held back has no time of decoding.
        ([1, 3, 2, 5, 4], [2, 3, 4, None, None], [1, 3, 4, 5, 6]),
        ([None, None], [7, 8], [7, 8]),
        ([None, None], [None, None], [None, None]),
        ([1, 2], [None, None], [1, 2]),
    ],
)
def test_the_kind_of_time_that_goes_back_less_often_is_taken(pts, dts, times):
    reordered = Reordered()
    assert [reordered.time(*both) for both in zip(pts, dts, strict=True)] == times


def test_a_container_without_times_of_showing_is_read_by_those_of_decoding():
    reordered = Reordered(has_presentation_times=False)
    times = [(1, 2), (4, 3), (3, 4), (2, None), (5, None)]
    assert [reordered.time(*both) for both in times] == [2, 3, 4, 5, 6]
