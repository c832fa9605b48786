from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling_service.media.arrivals_log import ArrivalsLog
from signaling_service.media.transport_feedback import MOST_PACKETS, TICK_S, pack, unpack


def test_a_report_comes_back_as_it_was_packed() -> None:
    arrivals = [(65534, 640.0), (65535, 640.0105), (65538, 640.4), (65540, 640.39)]
    back = unpack(pack(arrivals, 7))
    assert back == [
        (65534, 640.0),
        (65535, pytest.approx(640.0105)),
        (0, None),
        (1, None),
        (2, pytest.approx(640.4)),
        (3, None),
        (4, pytest.approx(640.39)),
    ]


def test_runs_and_single_bits_are_read() -> None:
    """The two kinds of chunks that we do not write, by hand after sections 3.1.3 and 3.1.4."""
    run = 0 << 15 | 1 << 13 | 3
    bits = 1 << 15 | 0 << 14 | 0b10100000000000
    data = struct.pack("!HHI", 10, 6, 100 << 8) + struct.pack("!HH", run, bits) + bytes([4, 4, 4, 8, 12])
    ticks = [None if at_s is None else round((at_s - 6.4) / TICK_S) for _, at_s in unpack(data)]
    assert ticks == [4, 8, 12, 20, None, 32]
    assert [number for number, _ in unpack(data)] == [10, 11, 12, 13, 14, 15]


def test_each_truncation_is_refused_or_padding_alone() -> None:
    whole = pack([(n, 5.0 + n * 0.3) for n in range(9)], 0)
    for size in range(len(whole)):
        with contextlib.suppress(ValueError):
            assert unpack(whole[:size]) == unpack(whole)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_report_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(unpack(data)) <= MOST_PACKETS


def test_a_log_tells_each_packet_once_and_what_is_missing_between_reports() -> None:
    log = ArrivalsLog()
    assert log.due(9.0) is None
    for number, at_s in ((65535, 10.0), (0, 10.01), (0, 10.02)):
        log.add(number, at_s)
    first = log.due(10.1)
    assert first is not None
    assert [number for number, _ in unpack(first)] == [65535, 0]
    assert log.due(11.0) is None
    log.add(0, 10.15)  # A copy.
    log.add(3, 10.2)
    second = log.due(10.3)
    assert second is not None
    assert [(number, at_s is None) for number, at_s in unpack(second)] == [(1, True), (2, True), (3, False)]


def test_a_log_keeps_no_more_than_a_report_holds() -> None:
    log = ArrivalsLog()
    for number in range(50_000):
        log.add(number & 0xFFFF, 1.0)
    report = log.due(2.0)
    assert report is not None
    assert len(report) < 1200


def test_a_leap_of_the_numbers_and_a_long_pause_make_reports() -> None:
    log = ArrivalsLog()
    log.add(5, 1.0)
    log.add(30_000, 9.0)
    report = log.due(9.5)
    assert report is not None
    assert [number for number, at_s in unpack(report) if at_s is not None] == [30_000]
