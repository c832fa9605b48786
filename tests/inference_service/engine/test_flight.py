from __future__ import annotations

import threading
import time

import pytest

from inference_service.engine.flight import EARLY_S, MOST, Flight


@pytest.fixture
def flight():
    return Flight(time.monotonic)


def waiting(flight):
    """Return an event that is set once `wait` has returned."""
    done = threading.Event()

    def wait():
        flight.wait()
        done.set()

    threading.Thread(target=wait, daemon=True).start()
    return done


def test_the_first_batches_begin_at_once(flight):
    for _ in range(MOST):
        assert waiting(flight).wait(5)
        flight.take_off(4)


def test_no_more_batches_are_under_way_than_may_be(flight):
    for _ in range(MOST):
        flight.take_off(1)
    done = waiting(flight)
    assert not done.wait(0.1)
    flight.land(1, 0.0)
    assert done.wait(5)


def test_the_next_batch_begins_just_before_the_end_that_the_last_one_foretells(flight):
    flight.take_off(2)
    flight.land(2, 0.2)
    started_s = time.monotonic()
    # As long per frame as the last one.
    flight.take_off(3)
    assert waiting(flight).wait(5)
    assert time.monotonic() - started_s >= 0.3 - EARLY_S


def test_a_batch_that_ends_earlier_than_foretold_lets_the_next_one_begin(flight):
    flight.take_off(1)
    flight.land(1, 60.0)
    flight.take_off(1)
    done = waiting(flight)
    assert not done.wait(0.1)
    flight.land(1, 0.001)
    assert done.wait(5)


def test_on_a_cpu_nobody_waits_for_a_batch_that_is_being_packed(flight):
    flight.take_off(1)
    flight.land(1, 0.0)
    flight.take_off(1)
    assert waiting(flight).wait(5)
