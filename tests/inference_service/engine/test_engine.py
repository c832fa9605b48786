from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import torch

from inference_service.device import context
from inference_service.engine import engine as engine_module
from inference_service.engine import health
from inference_service.engine.engine import Engine, Limits, Outputs
from inference_service.filters import renewal
from inference_service.filters.attempts import SAFER
from inference_service.filters.entry import Progress
from inference_service.filters.vision.settings.recorded import RecordedSettings
from shared import wire
from shared.wire import FilterState, ResultKind
from tests.inference_service.doubles import SIZE, Gate, Recorder, header, noise, points, session, until


class Running:
    """An engine, and what it has said."""

    def __init__(self, tmp_path, classes, limits):
        self.results: list[Any] = []
        self.is_broken = False
        self.finished: list[Any] = []
        self.failed, self.hung = threading.Event(), threading.Event()
        self.engine = Engine(
            "worker",
            torch.device("cpu"),
            points(*classes),
            {},
            tmp_path,
            limits,
            Outputs(
                self._take,
                lambda: None,
                self.failed.set,
                self.hung.set,
                finished=lambda frames, stages_ms: self.finished.append((frames, dict(stages_ms))),
            ),
        )

    def _take(self, made):
        if self.is_broken:
            raise ZeroDivisionError
        self.results += [wire.unpack_result(one.message)[0] for one in made]

    def put(self, who, planes=None, **changes):
        head = header(session=who, **changes)
        self.engine.saw(head)
        planes = noise((head.width, head.height)) if planes is None else planes
        self.engine.mailbox.put(head, memoryview(planes), time.monotonic_ns())


@pytest.fixture
def run(tmp_path):
    @contextmanager
    def make(*classes, max_batch=32, max_wait_ms=1000.0, hang_s=60.0):
        one = Running(tmp_path, classes, Limits(max_batch, max_wait_ms, hang_s))
        names = [cls.name for cls in classes]
        one.engine.open(names)
        until(lambda: not isinstance(one.engine.registry.chain(names), Progress))
        try:
            yield one
        finally:
            if classes and hasattr(classes[0], "made"):
                classes[0].made.go.release(1000)
            one.engine.drain()

    return make


@pytest.mark.parametrize("groups", [(6,), (5, 1), (3, 2, 1)])
@pytest.mark.parametrize("max_batch", [4, 2])
def test_more_cameras_than_the_model_carries_all_get_the_same_rate(run, groups, max_batch):
    with run(Gate, max_batch=max_batch, max_wait_ms=10_000) as one:
        gate = Gate.made
        cameras = [(session(), {"apart": group}) for group, count in enumerate(groups) for _ in range(count)]
        one.put(session(), filters=("gate",))
        assert gate.begun.acquire(timeout=20)
        for _ in range(60):
            # Each camera has a new frame for every batch; the order in which they come changes nothing.
            for who, params in cameras:
                one.put(who, filters=("gate",), params=params)
            gate.go.release()
            assert gate.begun.acquire(timeout=20)
        counts = Counter(who for batch in gate.batches[1:] for who in batch)
        rates = [counts[who] for who, _ in cameras]
        assert max(rates) - min(rates) <= max(1, 0.1 * max(rates))


def test_a_batch_takes_all_that_wait_and_never_waits_for_more(run):
    with run(Gate) as one:
        gate = Gate.made
        one.put(session(), filters=("gate",))
        assert gate.begun.acquire(timeout=20)
        for _ in range(5):
            one.put(session(), filters=("gate",))
        gate.go.release()
        assert gate.begun.acquire(timeout=20)
        one.put(session(), filters=("gate",))
        gate.go.release(2)
        until(lambda: len(one.results) == 7)
        # The first is the grey picture that warmed the filter up.
        assert [len(batch) for batch in gate.batches[1:]] == [1, 5, 1]


def test_a_frame_that_waited_for_too_long_is_answered_with_the_reason(run):
    with run(Gate, max_wait_ms=50.0) as one:
        gate, who = Gate.made, session()
        one.put(session(), filters=("gate",))
        assert gate.begun.acquire(timeout=20)
        one.put(who, filters=("gate",))
        arrived_s = time.monotonic()
        until(lambda: time.monotonic() - arrived_s > 0.06)
        gate.go.release()
        until(lambda: len(one.results) == 2)
        (late,) = (head for head in one.results if head.session == who)
        assert (late.kind, late.code) == (ResultKind.ERROR, "late")
        assert "50 ms" in late.text
        assert one.engine.metrics.frames_dropped["late"] == 1
        assert one.engine.metrics.answers["late"] == 1


def test_a_batch_that_does_not_fit_makes_the_next_ones_smaller(run):
    # One for the batch of the warming-up.
    go = threading.Semaphore(1)

    class Hungry(Recorder):
        name = "hungry"
        batches_of_all: ClassVar[list[Any]] = []

        def apply(self, batch, items):
            if len(batch) == 1 and not go.acquire(timeout=20):
                raise AssertionError
            if len(batch) > 2:
                raise MemoryError
            self.batches_of_all.append(batch)
            return super().apply(batch, items)

    with run(Hungry) as one:
        for batches in (1, 2):
            one.put(session(), filters=("hungry",))
            until(lambda: not one.engine.mailbox._waiting)
            for _ in range(8):
                one.put(session(), filters=("hungry",))
            go.release()
            until(lambda count=9 * batches: len(one.results) == count)  # type: ignore[misc]
        assert {head.kind for head in one.results} == {ResultKind.FRAME}
        # One batch of 8 was tried, and its halves; after that none was over 2.
        assert one.engine.metrics.batches_split == 3
        assert {len(batch) for batch in Hungry.batches_of_all} == {1, 2}


def test_a_batch_that_does_not_end_is_a_hang(run):
    with run(Gate, hang_s=0.3) as one:
        one.put(session(), filters=("gate",))
        assert one.hung.wait(10)
        assert not one.failed.is_set()


def test_draining_hands_on_the_results_of_the_batch_that_has_begun(run):
    with run(Gate) as one:
        one.put(session(), filters=("gate",))
        assert Gate.made.begun.acquire(timeout=20)
        draining = threading.Thread(target=one.engine.drain)
        draining.start()
        until(lambda: one.engine.is_draining)
        one.put(session(), filters=("gate",))
        assert not one.results
        Gate.made.go.release()
        draining.join(10)
        assert len(one.results) == 1


def test_finished_batches_are_told_with_their_stages(run):
    with run(Recorder) as one:
        one.put(session(), filters=("recorder",))
        until(lambda: one.finished)
        ((frames, stages_ms),) = one.finished
        assert frames == 1
        assert set(stages_ms) == {"to_rgb", "filter", "to_i420"}


def test_a_fault_behind_a_batch_is_told_and_holds_nothing_up(run):
    with run(Recorder) as one:
        one.is_broken = True
        for _ in range(5):
            one.put(session(), filters=("recorder",))
        assert one.failed.wait(10)
        one.is_broken = False
        until(lambda: not one.engine.gauge.read(time.monotonic_ns()).in_batch)
        who = session()
        one.put(who, filters=("recorder",))
        until(lambda: any(head.session == who for head in one.results))


def test_a_filter_that_ends_its_thread_is_told(run):
    class Leaves(Recorder):
        name = "leaves"

        def apply(self, batch, items):
            if batch.shape[2] != 480:
                raise SystemExit
            return batch

    with run(Leaves) as one:
        one.put(session(), filters=("leaves",))
        assert one.failed.wait(10)


def test_a_session_that_always_fails_splits_no_batch_of_the_others_again(run, monkeypatch):
    with run(Gate, max_batch=8) as one:
        gate = Gate.made

        def fails(batch, items):
            if bad in [item.session for item in items]:
                raise ZeroDivisionError
            return batch

        bad, good = session(), [session() for _ in range(5)]
        one.put(session(), filters=("gate",))
        assert gate.begun.acquire(timeout=20)
        monkeypatch.setattr(gate, "apply", fails)
        for number in range(4):
            for who in (bad, *good):
                one.put(who, filters=("gate",))
            if not number:
                gate.go.release()
            until(lambda count=1 + 6 * (number + 1): len(one.results) >= count)  # type: ignore[misc]
        splits = one.engine.metrics.batches_split
        # The first batch is halved down to the one; after that it has batches of its own.
        assert 1 <= splits <= 3


def test_of_two_idle_filters_the_one_in_the_batch_under_way_is_not_let_go(run, monkeypatch):
    monkeypatch.setattr(engine_module, "IDLE_S", 0.0)

    with run(Gate, Recorder, max_wait_ms=10.0) as one:
        registry = one.engine.registry

        def lets_go(name):
            registry.make_room()
            return {status.name: status.state for status in registry.statuses()}[name] is FilterState.LOADABLE

        one.put(session(), filters=("gate",))
        assert Gate.made.begun.acquire(timeout=20)
        until(lambda: lets_go("recorder"))
        assert registry.chain(["gate"]) == (Gate.made,)
        Gate.made.go.release()
        until(lambda: one.results)
        assert one.results[-1].kind is ResultKind.FRAME
        until(lambda: lets_go("gate"))


def test_a_batch_has_begun_before_its_launches_which_may_wait_for_the_gpu(run, monkeypatch):
    with run(Gate) as one:
        flight = one.engine._flight
        began: list[float] = []
        take_off = flight.take_off

        def noted(frames, began_s):
            began.append(began_s)
            take_off(frames, began_s)

        monkeypatch.setattr(flight, "take_off", noted)
        one.put(session(), filters=("gate",))
        assert Gate.made.begun.acquire(timeout=20)
        launching_s = time.monotonic()
        Gate.made.go.release()
        until(lambda: began)
        assert began[0] <= launching_s


@pytest.mark.parametrize("kind", ["cuda", "cpu"])
def test_a_gpu_is_free_before_the_results_are_packed(run, kind):
    class Packing:
        stages_ms: ClassVar[dict[str, float]] = {"filter": 1.0}

        def arrive(self):
            self.left_arriving_s = flight.left_s()

        def finish(self):
            self.left_packing_s = flight.left_s()
            return []

    with run() as one:
        engine, packing = one.engine, Packing()
        engine._device = torch.device(kind)
        flight = engine._flight
        for _ in range(2):
            engine.gauge.begin(time.monotonic_ns())
            flight.take_off(1, time.monotonic())
        engine._finish_one(1, packing)
        assert packing.left_arriving_s == float("inf")
        assert packing.left_packing_s == (0.0 if kind == "cuda" else float("inf"))
        flight.land(0.0, time.monotonic())
        engine.gauge.end(1, time.monotonic_ns())


def test_all_threads_enter_the_workers_gpu(run, monkeypatch):
    entered = []
    monkeypatch.setattr(
        context, "enter", lambda device: entered.append((threading.current_thread().name, device.type))
    )
    with run():
        until(lambda: len(entered) == 3)
    assert sorted(entered) == [("finisher", "cpu"), ("loader", "cpu"), ("loop", "cpu")]


class Narrow(Recorder):
    """Has numbers that end too early for a dark picture, unless they are those of single precision."""

    name = "narrow"
    Settings = RecordedSettings

    def apply(self, batch, items):
        is_dark = batch.flatten(1).float().mean(1) < 10
        if self.settings.precision == "float32":
            return batch
        return batch / (~is_dark).float()[:, None, None, None]


class Doubled(Recorder):
    name = "doubled"

    def apply(self, batch, items):
        return batch.float()


@pytest.mark.parametrize("chain", [("narrow",), ("doubled", "narrow")])
def test_a_filter_whose_numbers_end_in_mid_call_goes_on_with_wider_ones(run, monkeypatch, chain):
    monkeypatch.setattr(health, "HOPELESS_FAILURES", 1)
    monkeypatch.setattr(health, "HOPELESS_AFTER_S", 0.0)
    wider = {"auto": "bfloat16", "bfloat16": "float32"}
    monkeypatch.setattr(renewal, "precision_after", lambda set_so, device: wider.get(set_so.precision))
    with run(Narrow, Doubled) as one:
        registry, who = one.engine.registry, session()
        (first,) = registry.chain(["narrow"])

        def answer(level):
            one.results.clear()
            luma, chroma = SIZE[0] * SIZE[1], SIZE[0] * SIZE[1] // 2
            one.put(who, bytes([level]) * luma + bytes([128]) * chroma, filters=chain)
            return until(lambda: one.results and one.results[0])

        assert answer(200).kind is ResultKind.FRAME
        dark = answer(16)
        assert (dark.kind, dark.code) == (ResultKind.ERROR, "filter_failed")
        assert "'narrow' is made ready anew" in dark.text
        # First in bfloat16, which is no wider here.
        until(lambda: answer(16).kind is ResultKind.FRAME)
        assert answer(200).kind is ResultKind.FRAME
        (last,) = registry.chain(["narrow"])
        assert (first.settings.precision, last.settings.precision) == ("auto", "float32")
        assert not one.failed.is_set(), "the worker would end"
        assert one.engine.metrics.fallbacks == {"precision": 2}
        (status,) = [status for status in registry.statuses() if status.name == "narrow"]
        assert (status.state, status.reason_code) == (FilterState.LOADED, "reduced")
        assert status.reason == SAFER["float32"].text
        # What is let go and loaded again knows it from the first.
        assert registry._entries["narrow"].less == {"precision": "float32"}


def test_where_no_wider_numbers_are_left_the_failures_count(run, monkeypatch):
    monkeypatch.setattr(health, "HOPELESS_FAILURES", 2)
    monkeypatch.setattr(health, "HOPELESS_AFTER_S", 0.0)
    with run(Narrow) as one:
        pixels = SIZE[0] * SIZE[1]
        for _ in range(2):
            one.put(session(), bytes(pixels) + bytes([128]) * (pixels // 2), filters=("narrow",))
            until(lambda: not one.engine.mailbox._waiting)
        assert one.failed.wait(20)
        assert "no numbers" in one.results[0].text
