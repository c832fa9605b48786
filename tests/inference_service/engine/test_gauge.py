from __future__ import annotations

import pytest

from inference_service.engine.gauge import LoopGauge

MS = 1_000_000
START = 10_000 * MS


@pytest.fixture
def gauge():
    return LoopGauge(START)


def run(gauge, start_ms, length_ms, frames=1):
    gauge.begin(START + start_ms * MS)
    gauge.end(frames, START + (start_ms + length_ms) * MS)


def test_a_new_loop_is_idle_since_its_start(gauge):
    reading = gauge.read(START + 5 * MS)
    assert (reading.busy, reading.batch_size, reading.in_batch, reading.usual_ms) == (0, 0, False, 0)
    assert reading.since_ns == START


def test_busy_is_the_share_of_the_last_second(gauge):
    run(gauge, 0, 250, frames=2)
    run(gauge, 500, 250, frames=4)
    reading = gauge.read(START + 1000 * MS)
    assert reading.busy == pytest.approx(0.5)
    assert reading.batch_size == 3
    assert gauge.read(START + 1125 * MS).busy == pytest.approx(0.375)
    assert gauge.read(START + 3000 * MS).busy == 0
    assert gauge.read(START + 3000 * MS).batch_size == 0


def test_the_present_batch_counts_while_it_runs(gauge):
    gauge.begin(START + 100 * MS)
    reading = gauge.read(START + 600 * MS)
    assert reading.in_batch
    assert reading.since_ns == START + 100 * MS
    assert reading.busy == pytest.approx(0.5)
    assert gauge.read(START + 9000 * MS).busy == 1


def test_usual_lasts_a_long_batch_among_short_ones_not_a_single_one(gauge):
    for number in range(31):
        run(gauge, number * 10, 2)
    run(gauge, 400, 500)
    assert gauge.read(START + 900 * MS).usual_ms == 2
    for number in range(8):
        run(gauge, 1000 + number * 1000, 500)
    assert gauge.read(START + 9000 * MS).usual_ms == 500


def test_after_a_batch_the_loop_is_idle_since_its_end(gauge):
    run(gauge, 100, 50)
    reading = gauge.read(START + 1000 * MS)
    assert not reading.in_batch
    assert reading.since_ns == START + 150 * MS


def test_batches_that_overlap_are_busy_once_and_the_second_begins_when_the_first_ends(gauge):
    gauge.begin(START)
    gauge.begin(START + 80 * MS)
    assert gauge.read(START + 90 * MS).since_ns == START
    gauge.end(1, START + 100 * MS)
    reading = gauge.read(START + 150 * MS)
    assert (reading.in_batch, reading.since_ns) == (True, START + 100 * MS)
    gauge.end(3, START + 200 * MS)
    reading = gauge.read(START + 1000 * MS)
    assert reading.busy == pytest.approx(0.2)
    assert reading.batch_size == 2
    assert reading.usual_ms == 100
    assert not reading.in_batch
