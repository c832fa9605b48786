from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference_service.engine import batcher as module
from inference_service.engine.batcher import Batcher
from inference_service.filters.invert import Invert
from inference_service.metrics import Metrics
from shared.frame import ColourMatrix, ColourRange
from tests.inference_service.doubles import Flipped, Recorder, ready, session

NOW_NS = 5_000_000_000
MAX_WAIT_NS = 1_000_000_000


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def batcher(metrics):
    return Batcher(32, MAX_WAIT_NS / 1e6, metrics)


RECORDER = (Recorder(),)


def one(chain=RECORDER, arrived_ns=NOW_NS, **changes):
    made = ready(chain, **({"session": session()} | changes))
    return replace(made, received=replace(made.received, arrived_ns=arrived_ns))


def test_all_sessions_share_one_batch(batcher):
    frames = [one() for _ in range(12)]
    for frame in frames:
        batcher.add(frame)
    assert batcher.next() == frames
    assert batcher.is_empty
    assert batcher.next() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 80},
        {"height": 64},
        {"colour_range": ColourRange.FULL},
        {"colour_matrix": ColourMatrix.BT709},
        {"params": {"apart": 1}},
        {"chain": (Invert(),)},
        {"chain": (Recorder(), Flipped())},
    ],
)
def test_frames_that_differ_go_in_batches_of_their_own(batcher, changes):
    usual, other = one(), one(arrived_ns=NOW_NS + 1, **changes)
    batcher.add(usual)
    batcher.add(other)
    assert batcher.next() == [usual]
    assert batcher.next() == [other]


def test_parameters_that_need_not_be_equal_share_a_batch(batcher):
    batcher.add(one(params={"together": 1}))
    batcher.add(one(params={"together": 2}))
    assert len(batcher.next()) == 2


def test_the_order_of_a_chain_matters(batcher):
    batcher.add(one(chain=(Invert(), Flipped())))
    batcher.add(one(chain=(Flipped(), Invert())))
    assert len(batcher.next()) == 1


def test_who_was_served_longest_ago_comes_first_whenever_its_frame_came(metrics):
    batcher = Batcher(1, 1000, metrics)
    sessions = [session() for _ in range(3)]
    served = []
    for _ in range(6):
        # The first one's frames always come first.
        for who in sessions:
            batcher.add(one(session=who))
        served += [ready.received.header.session for ready in batcher.next()]
    assert served == sessions * 2


def test_nobody_is_served_twice_while_another_group_waits(metrics):
    batcher = Batcher(4, 1000, metrics)
    five, alone = [session() for _ in range(5)], session()
    sizes = []
    for _ in range(6):
        for who in five:
            batcher.add(one(session=who, params={"apart": 1}))
        batcher.add(one(session=alone, params={"apart": 2}))
        sizes.append(len(batcher.next()))
    assert sizes == [3, 2, 1, 3, 2, 1]


def test_a_newer_frame_replaces_the_waiting_one_and_keeps_its_place(batcher, metrics):
    waiting, other = session(), session()
    batcher.add(one(session=waiting, arrived_ns=NOW_NS, params={"apart": 1}))
    batcher.add(one(session=other, arrived_ns=NOW_NS + 1, params={"apart": 2}))
    newer = one(session=waiting, arrived_ns=NOW_NS + 2, params={"apart": 3})
    batcher.add(newer)
    assert batcher.next() == [newer]
    assert metrics.frames_replaced == 1
    assert [r.received.header.session for r in batcher.next()] == [other]


@pytest.mark.parametrize(
    ("count", "sizes"), [(4, [4]), (5, [3, 2]), (8, [4, 4]), (9, [3, 3, 3]), (10, [4, 3, 3])]
)
def test_a_group_over_the_limit_is_cut_into_like_parts(metrics, count, sizes):
    batcher = Batcher(4, 1000, metrics)
    frames = [one(arrived_ns=NOW_NS + number) for number in range(count)]
    for frame in frames:
        batcher.add(frame)
    batches = [batcher.next() for _ in sizes]
    assert [len(batch) for batch in batches] == sizes
    assert [frame for batch in batches for frame in batch] == frames
    assert batcher.is_empty


def test_a_frame_that_waited_for_too_long_is_late_and_counted(batcher, metrics):
    late, fresh = one(arrived_ns=NOW_NS - MAX_WAIT_NS - 1), one(arrived_ns=NOW_NS - MAX_WAIT_NS)
    batcher.add(late)
    batcher.add(fresh)
    assert batcher.late(NOW_NS) == [late]
    assert batcher.late(NOW_NS) == []
    assert batcher.next() == [fresh]
    assert metrics.frames_dropped["late"] == 1
    assert batcher.is_empty


def test_a_discarded_session_waits_no_longer(batcher):
    frame = one()
    batcher.add(frame)
    batcher.discard(frame.received.header.session)
    batcher.discard(session())
    assert batcher.is_empty
    assert batcher.next() == []


@pytest.mark.parametrize(
    ("cameras", "max_batch", "batch_ms"), [(5, 4, 50), (5, 4, 100), (17, 16, 50), (9, 4, 45)]
)
@pytest.mark.parametrize("seed", range(4))
def test_cameras_of_any_phase_get_the_same_rate(metrics, cameras, max_batch, batch_ms, seed):
    batcher = Batcher(max_batch, 10_000, metrics)
    random = np.random.default_rng(seed)
    who = [session() for _ in range(cameras)]
    next_ms = random.uniform(0, 1000 / 30, cameras)
    counts = dict.fromkeys(who, 0)
    now_ms = 0.0
    while now_ms < 6_000:
        now_ms += batch_ms
        order = []
        for number in range(cameras):
            while next_ms[number] <= now_ms:
                order.append((next_ms[number], number))
                next_ms[number] += 1000 / 30 + random.uniform(-1, 1)
        for _, number in sorted(order):
            batcher.add(one(session=who[number]))
        for served in batcher.next():
            counts[served.received.header.session] += 1
    assert max(counts.values()) <= 1.1 * min(counts.values())


def test_a_large_camera_takes_no_more_than_its_share_of_the_pixels(metrics):
    batcher = Batcher(4, 10_000, metrics)
    large, small = session(), [session() for _ in range(4)]
    pixels = dict.fromkeys((large, *small), 0)
    now_s, frame = 0.0, 0
    # Each sends 30 frames a second to a worker that carries 60 small ones.
    while now_s < 20:
        while frame / 30 <= now_s:
            frame += 1
            batcher.add(one(session=large, width=384, height=216))
            for who in small:
                batcher.add(one(session=who, width=64, height=48))
        for served in batcher.next():
            header = served.received.header
            pixels[header.session] += header.width * header.height
            now_s += header.width * header.height / (60 * 64 * 48)
    assert max(pixels.values()) < 1.2 * min(pixels.values())


def test_a_silent_camera_saves_nothing_up(metrics):
    batcher = Batcher(1, 10_000, metrics)
    busy, silent = session(), session()
    batcher.add(one(session=silent))
    batcher.next()
    for _ in range(20):
        batcher.add(one(session=busy))
        batcher.next()
    served = []
    for _ in range(6):
        batcher.add(one(session=busy))
        batcher.add(one(session=silent))
        served += [ready.received.header.session for ready in batcher.next()]
    assert served.count(busy) == served.count(silent) == 3


def test_a_batch_is_no_larger_than_its_pixels_allow(metrics, monkeypatch):
    monkeypatch.setattr(module, "PIXELS_PER_PLACE", 64 * 48)
    batcher = Batcher(8, 1000, metrics)
    for _ in range(8):
        batcher.add(one(width=128, height=96))
    assert len(batcher.next()) == 2
    alone = Batcher(1, 1000, metrics)
    alone.add(one(width=128, height=96))
    assert len(alone.next()) == 1


def test_a_session_whose_frames_fail_has_batches_of_its_own(batcher):
    good = [one() for _ in range(3)]
    bad = replace(one(), is_suspect=True)
    for frame in (*good, bad):
        batcher.add(frame)
    assert batcher.next() == good
    assert batcher.next() == [bad]


def test_no_more_sessions_wait_than_may(batcher, metrics, monkeypatch):
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    known = one()
    for frame in (known, one(), one()):
        batcher.add(frame)
    batcher.add(known)
    assert metrics.frames_dropped["full"] == 1
    assert len(batcher.next()) == 2


def test_a_limit_below_the_largest_batch_is_kept(batcher):
    for _ in range(5):
        batcher.add(one())
    assert [len(batcher.next(2)) for _ in range(3)] == [2, 2, 1]


def test_a_filter_may_bound_its_batches_which_are_then_cut_into_like_parts(metrics):
    batcher = Batcher(32, 1000.0, metrics)
    bounded = Recorder()
    bounded.max_batch = 16
    chain = (Invert(), bounded)
    for _ in range(20):
        batcher.add(one(chain=chain))
    assert [len(batcher.next()) for _ in range(2)] == [10, 10]
