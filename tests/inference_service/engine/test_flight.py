from __future__ import annotations

import math
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
        flight.take_off(4, time.monotonic())


def test_no_more_batches_are_under_way_than_may_be(flight):
    for _ in range(MOST):
        flight.take_off(1, time.monotonic())
    done = waiting(flight)
    assert not done.wait(0.1)
    flight.land(0.0, time.monotonic())
    assert done.wait(5)


def test_the_next_batch_begins_just_before_the_end_that_the_last_one_foretells(flight):
    flight.take_off(2, time.monotonic())
    flight.land(0.2, time.monotonic())
    started_s = time.monotonic()
    # As long per frame as the last one.
    flight.take_off(3, time.monotonic())
    assert waiting(flight).wait(5)
    assert time.monotonic() - started_s >= 0.3 - EARLY_S


def test_a_batch_that_ends_earlier_than_foretold_lets_the_next_one_begin(flight):
    flight.take_off(1, time.monotonic())
    flight.land(60.0, time.monotonic())
    flight.take_off(1, time.monotonic())
    done = waiting(flight)
    assert not done.wait(0.1)
    flight.land(0.001, time.monotonic())
    assert done.wait(5)


def test_on_a_cpu_nobody_waits_for_a_batch_that_is_being_packed(flight):
    flight.take_off(1, time.monotonic())
    flight.land(0.0, time.monotonic())
    flight.take_off(1, time.monotonic())
    assert waiting(flight).wait(5)


UPLOAD_S = 0.0006


class Gpu:
    """A worker with a made-up GPU, in made-up time: no thread waits, so the figures are exact."""

    FRAMES = 16

    def __init__(self, batch_s, launching_s, packing_s):
        """`launching_s`: how long `start` takes; negative: so much less than until the GPU is done."""
        self.now_s = 0.0
        self._batch_s, self._launching_s, self._packing_s = batch_s, launching_s, packing_s
        self._flight = Flight(lambda: self.now_s)
        self._ends: list[float] = []
        self._gpu_free_s = self._finisher_free_s = 0.0
        self.queued_s: list[float] = []
        """How long each batch has waited for the GPU."""

    def frames_in(self, seconds):
        """Return how many frames are done in this time."""
        begun = 0
        while self.now_s < seconds:
            self._land_until(self.now_s)
            left_s = self._flight.left_s()
            if left_s:
                # Whatever comes first: the time, or the end of a batch.
                lands_s = max(self._ends[0], self._finisher_free_s) if self._ends else math.inf
                self.now_s = min(self.now_s + left_s, lands_s)
                continue
            self._begin()
            begun += 1
        return (begun - len(self._ends)) * self.FRAMES

    def _begin(self):
        began_s = self.now_s
        starts_s = max(began_s + UPLOAD_S, self._gpu_free_s)
        self.queued_s.append(starts_s - began_s)
        self._gpu_free_s = starts_s + self._batch_s
        self._ends.append(self._gpu_free_s)
        waits_s = self._launching_s
        self.now_s = began_s + waits_s if waits_s >= 0 else self._gpu_free_s + waits_s
        self._land_until(self.now_s)
        self._flight.take_off(self.FRAMES, began_s)

    def _land_until(self, now_s):
        while self._ends and max(self._ends[0], self._finisher_free_s) <= now_s:
            landed_s = max(self._ends.pop(0), self._finisher_free_s)
            self._flight.land(self._batch_s, landed_s)
            self._finisher_free_s = landed_s + self._packing_s


@pytest.mark.parametrize("launching_s", [0.001, -0.0064, -0.0001], ids=["quick", "asks", "launches"])
@pytest.mark.parametrize("batch_s", [0.016, 0.040])
def test_a_gpu_is_never_idle_and_no_frame_grows_old_in_its_queue(batch_s, launching_s):
    gpu = Gpu(batch_s, launching_s, packing_s=0.0025)
    frames = gpu.frames_in(10.0)
    # What launches for as long as the GPU computes leaves no time for the next upload.
    assert frames / Gpu.FRAMES > 0.995 * 10.0 / (batch_s + (UPLOAD_S if launching_s == -0.0001 else 0))
    # Not counting the first ones, which foretell nothing.
    assert max(gpu.queued_s[5:]) < EARLY_S + 0.001
