from __future__ import annotations

import logging
import threading

import numpy as np
import pytest
import torch

from inference_service.device import captures
from inference_service.engine.health import Health
from inference_service.engine.pipeline import Pipeline
from inference_service.errors import FilterFailed, NotFinite
from inference_service.filters import base
from inference_service.filters.invert import BusyInvert, Invert
from inference_service.filters.passthrough import BusyPassthrough, Passthrough
from inference_service.metrics import Metrics
from shared import wire
from shared.frame import ColourMatrix, ColourRange
from shared.wire import ResultKind
from tests.inference_service.doubles import Brittle, Counting, Flipped, Recorder, noise, ready, session


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def hopeless():
    return []


@pytest.fixture
def pipeline(metrics, hopeless):
    return Pipeline(torch.device("cpu"), "worker", metrics, Health(lambda: hopeless.append(True)))


def run(pipeline, *batch):
    out = []
    for result in pipeline.run(batch):
        head, planes = wire.unpack_result(result.message)
        assert result.topic == head.session
        out.append((head, bytes(planes)))
    return out


def grey(value, size=(64, 48)):
    width, height = size
    return bytes([value]) * (width * height) + bytes([128]) * (width * height // 2)


def test_results_are_in_the_order_of_the_batch_and_carry_the_frames_own_fields(pipeline):
    frames = [
        ready((Passthrough(),), noise(seed=n), session=session(), sequence=n, generation=7, pts=n * 3000)
        for n in range(4)
    ]
    results = run(pipeline, *frames)
    for frame, (head, planes) in zip(frames, results, strict=True):
        sent = frame.received.header
        for name in ("session", "sequence", "generation", "pts", "captured_ns", "width", "height"):
            assert getattr(head, name) == getattr(sent, name)
        assert head.kind is ResultKind.FRAME
        assert head.worker == "worker"
        assert planes == bytes(frame.received.planes)


@pytest.mark.parametrize("colour_range", ColourRange)
@pytest.mark.parametrize("matrix", ColourMatrix)
def test_colours_are_answered_as_they_were_meant(pipeline, colour_range, matrix):
    colours = {"colour_range": colour_range, "colour_matrix": matrix}
    ((head, _),) = run(pipeline, ready((Invert(),), **colours))
    assert (head.colour_range, head.colour_matrix) == (colour_range, matrix)


@pytest.mark.parametrize(("value", "inverted"), [(16, 235), (235, 16), (126, 125)])
def test_an_inverted_picture_is_the_negative(pipeline, value, inverted):
    ((_, planes),) = run(pipeline, ready((Invert(),), grey(value)))
    made = np.frombuffer(planes, np.uint8).astype(int)
    assert np.abs(made - np.frombuffer(grey(inverted), np.uint8)).max() <= 1


def test_a_chain_is_applied_in_its_order_with_each_filters_own_parameters(pipeline):
    class Add(base.Filter):
        name = "add"
        title = "Add"

        class Params(base.Params):
            value: int = 0

        def apply(self, batch, items):
            return batch + items[0].params.value

    class Halve(base.Filter):
        name = "halve"
        title = "Halve"

        def apply(self, batch, items):
            return batch // 2

    params = {"add": {"value": 20}}
    ((_, after),) = run(pipeline, ready((Add(), Halve()), grey(16), params=params))
    ((_, before),) = run(pipeline, ready((Halve(), Add()), grey(16), params=params))
    # RGB 0 -> 10 and 0 -> 20, as Y in limited range.
    assert abs(after[0] - (16 + 219 * 10 / 255)) <= 1
    assert abs(before[0] - (16 + 219 * 20 / 255)) <= 1


def test_an_i420_filter_gets_the_planes_as_they_came(pipeline):
    planes = noise(seed=5)
    seen = []

    class Look(Flipped):
        def apply(self, batch, items):
            seen.append(batch.clone())
            return super().apply(batch, items)

    frames = [ready((Look(),), planes, session=session()) for _ in range(2)]
    results = run(pipeline, *frames)
    assert seen[0].shape == (2, 72, 64)
    assert seen[0][1].numpy().tobytes() == planes
    assert results[1][1] == (255 - np.frombuffer(planes, np.uint8)).tobytes()


def test_an_i420_filter_twice_in_a_chain_converts_nothing(pipeline):
    planes = noise(seed=6)
    ((_, back),) = run(pipeline, ready((Flipped(), Passthrough(), Flipped()), planes))
    assert back == planes


def test_a_chain_may_mix_i420_and_rgb(pipeline):
    ((_, planes),) = run(pipeline, ready((Flipped(), Invert()), grey(16)))
    # Flipped: Y 239 is over white, U and V 127; the negative of that is near black.
    assert planes[0] <= 20
    ((_, planes),) = run(pipeline, ready((Invert(), Flipped()), grey(16)))
    assert abs(planes[0] - 20) <= 1


def test_what_came_is_never_changed_by_a_filter_that_writes_in_place(pipeline):
    class Writes(Flipped):
        def apply(self, batch, items):
            return batch.fill_(7)

    class WritesRgb(Invert):
        def apply(self, batch, items):
            return batch.fill_(7)

    for one in (Writes(), WritesRgb()):
        planes = noise()
        copy = bytes(bytearray(planes))
        run(pipeline, ready((one,), planes))
        assert planes == copy


def test_a_broken_session_hurts_only_itself(pipeline, metrics):
    frames = [ready((Brittle(),), session=session(), params={"is_broken": n == 1}) for n in range(3)]
    results = run(pipeline, *frames)
    assert [head.kind for head, _ in results] == [ResultKind.FRAME, ResultKind.ERROR, ResultKind.FRAME]
    assert [head.session for head, _ in results] == [f.received.header.session for f in frames]
    assert results[1][0].code == "filter_failed"
    assert "secret" not in results[1][0].text
    assert metrics.answers["filter_failed"] == 1
    assert metrics.frames_filtered == 2


def test_a_batch_is_halved_until_the_frame_that_breaks_it_stands_alone(pipeline, metrics):
    sizes = []

    class Counted(Brittle):
        def apply(self, batch, items):
            sizes.append(len(batch))
            return super().apply(batch, items)

    frames = [ready((Counted(),), session=session(), params={"is_broken": n == 5}) for n in range(8)]
    kinds = [head.kind for head, _ in run(pipeline, *frames)]
    assert kinds == [ResultKind.ERROR if n == 5 else ResultKind.FRAME for n in range(8)]
    assert sizes == [8, 4, 4, 2, 1, 1, 2]
    assert metrics.batches_split == 3


@pytest.mark.parametrize("exc", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_batch_that_does_not_fit_into_memory_is_halved_and_remembered(pipeline, exc):
    class Hungry(Invert):
        def apply(self, batch, items):
            if len(batch) > 3:
                raise exc
            return super().apply(batch, items)

    assert pipeline.most_frames is None
    frames = [ready((Hungry(),), session=session()) for _ in range(12)]
    assert {head.kind for head, _ in run(pipeline, *frames)} == {ResultKind.FRAME}
    assert pipeline.most_frames == 3


def test_one_frame_too_large_by_itself_makes_no_other_batch_smaller(pipeline):
    class Hungry(Brittle):
        def apply(self, batch, items):
            if any(item.params.is_broken for item in items):
                raise MemoryError
            return batch

    frames = [ready((Hungry(),), session=session(), params={"is_broken": n == 3}) for n in range(8)]
    kinds = [head.kind for head, _ in run(pipeline, *frames)]
    assert kinds.count(ResultKind.FRAME) == 7
    assert pipeline.most_frames is None


def test_only_a_single_frame_that_does_not_fit_is_a_reason_to_let_a_filter_go(metrics):
    short = []

    class Hungry(Brittle):
        def apply(self, batch, items):
            if len(batch) > 2 or any(item.params.is_broken for item in items):
                raise MemoryError
            return batch

    pipeline = Pipeline(
        torch.device("cpu"), "worker", metrics, Health(lambda: None), lambda: short.append(True)
    )
    run(pipeline, *(ready((Hungry(),), session=session()) for _ in range(4)))
    assert short == []
    run(pipeline, ready((Hungry(),), session=session(), params={"is_broken": True}))
    assert short == [True]
    run(pipeline, ready((Brittle(),), session=session(), params={"is_broken": True}))
    assert short == [True]


def test_after_a_while_a_batch_may_be_larger_again(pipeline, monkeypatch):
    from inference_service.engine import pipeline as module

    class Hungry(Invert):
        def apply(self, batch, items):
            if len(batch) > 2:
                raise MemoryError
            return batch

    monkeypatch.setattr(module, "MOST_FOR_S", 0.0)
    run(pipeline, *(ready((Hungry(),), session=session()) for _ in range(4)))
    assert pipeline.most_frames is None


def test_what_a_filter_tells_a_session_is_no_sign_of_a_broken_worker(pipeline, hopeless, monkeypatch, caplog):
    from inference_service.engine import health

    # What pytest keeps of the log must be UTF-8 where tests run side by side.
    caplog.set_level(logging.CRITICAL, logger="inference_service.engine.failures")

    class Polite(Invert):
        def apply(self, batch, items):
            raise FilterFailed("polite", "takes no pictures of this size \udcff")

    monkeypatch.setattr(health, "HOPELESS_AFTER_S", 0.0)
    for _ in range(2 * health.HOPELESS_FAILURES):
        ((head, _),) = run(pipeline, ready((Polite(),), session=session()))
    assert "takes no pictures of this size" in head.text
    assert not hopeless


def test_a_session_is_suspect_after_a_failure_for_a_while(pipeline, monkeypatch):
    from inference_service.engine import failures

    well, sick = session(), session()
    run(pipeline, ready((Brittle(),), session=well))
    run(pipeline, ready((Brittle(),), session=sick, params={"is_broken": True}))
    assert (pipeline.is_suspect(well), pipeline.is_suspect(sick)) == (False, True)
    monkeypatch.setattr(failures, "SUSPECT_FOR_S", 0.0)
    run(pipeline, ready((Brittle(),), session=sick, params={"is_broken": True}))
    assert not pipeline.is_suspect(sick)
    for _ in range(failures.MAX_SUSPECTS + 1):
        run(pipeline, ready((Brittle(),), session=session(), params={"is_broken": True}))
    assert len(pipeline._failures._suspects) == failures.MAX_SUSPECTS


def test_memory_of_a_filters_own_is_not_sent_while_it_writes_it_again(pipeline):
    class Own(Flipped):
        def __init__(self):
            self.memory = None
            self.level = 0

        def apply(self, batch, items):
            if self.memory is None:
                self.memory = torch.empty_like(batch)
            self.level += 10
            return self.memory.fill_(self.level)

    one = Own()
    first = pipeline.start([ready((one,))])
    second = pipeline.start([ready((one,))])
    for batch, level in ((first, 10), (second, 20)):
        batch.arrive()
        (result,) = batch.finish()
        assert set(wire.unpack_result(result.message)[1]) == {level}


def test_floating_point_is_rounded_and_clamped(pipeline):
    class Levels(Flipped):
        def apply(self, batch, items):
            out = torch.zeros(batch.shape)
            out[0, 0, :4] = torch.tensor([-3.0, 299.0, 1.4, 1.6])
            return out

    ((head, planes),) = run(pipeline, ready((Levels(),)))
    assert head.kind is ResultKind.FRAME
    assert list(planes[:5]) == [0, 255, 1, 2, 0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_hurts_its_own_session_alone(pipeline, metrics, value):
    class Sick(Counting):
        def apply(self, batch, items):
            out = super().apply(batch, items).float()
            out[1, 2, 3, 4] = value
            return out

    one, well, sick = Sick(), session(), session()
    frames = [ready((one, Invert()), session=who) for who in (well, sick)]
    for count in range(2):
        results = run(pipeline, *frames)
        assert [head.kind for head, _ in results] == [ResultKind.FRAME, ResultKind.ERROR]
        assert results[1][0].code == "filter_failed"
        assert results[1][1] == b""
        assert metrics.answers["filter_failed"] == count + 1
    # The state of the sick one began anew each time.
    ((_, of_well),) = run(pipeline, ready((Counting(), Invert()), session=well))
    assert metrics.batches_split == 0
    assert len(of_well) == len(noise())


def test_failures_in_a_row_without_a_success_are_hopeless(pipeline, hopeless, monkeypatch):
    from inference_service.engine import failures, health

    monkeypatch.setattr(health, "HOPELESS_AFTER_S", 0.0)
    monkeypatch.setattr(failures, "LOG_EVERY_S", 0.0)
    bad = ready((Brittle(),), session=session(), params={"is_broken": True})
    good = ready((Brittle(),), session=session())
    for _ in range(health.HOPELESS_FAILURES - 1):
        run(pipeline, bad)
    run(pipeline, good)
    for _ in range(health.HOPELESS_FAILURES - 1):
        run(pipeline, bad)
    assert not hopeless
    run(pipeline, bad, bad)
    assert hopeless == [True]


def test_the_stages_of_a_batch_are_timed(pipeline):
    batch = pipeline.start([ready((Invert(),))])
    batch.arrive()
    assert {name for name, ms in batch.stages_ms.items() if ms > 0} == {"to_rgb", "filter", "to_i420"}
    batch = pipeline.start([ready((Flipped(),))])
    batch.arrive()
    assert {name for name, ms in batch.stages_ms.items() if ms > 0} == {"upload", "filter"}
    batch = pipeline.start([ready((Passthrough(),))])
    batch.arrive()
    assert set(batch.stages_ms) == {"filter"}


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda batch: None, "NoneType"),
        (lambda batch: batch.int(), "type"),
        (lambda batch: batch[:0], "shape"),
        (lambda batch: torch.cat((batch, batch)), "shape"),
        (lambda batch: batch[..., :-2], "shape"),
        (lambda batch: batch.permute(0, 2, 3, 1), "shape"),
        (lambda batch: batch.to("meta"), "device"),
    ],
)
def test_a_result_that_is_no_batch_of_the_same_kind_is_a_failure(pipeline, wrong, what):
    class Wrong(Invert):
        name = "wrong"

        def apply(self, batch, items):
            return wrong(batch)

    ((head, _),) = run(pipeline, ready((Wrong(),)))
    assert (head.kind, head.code) == (ResultKind.ERROR, "filter_failed")
    assert what in head.text


def test_a_state_lives_from_batch_to_batch_and_ends_with_the_size(pipeline):
    one, other = session(), session()
    counting = Counting()

    def count(who, width=64):
        ((_, planes),) = run(pipeline, ready((counting,), session=who, width=width))
        return round((planes[0] - 16) / 219 * 255 / 10)

    assert [count(one), count(one), count(other), count(one)] == [1, 2, 1, 3]
    assert [count(one, width=80), count(one, width=80), count(one)] == [1, 2, 1]


def test_a_failure_begins_the_state_anew(pipeline):
    class Fragile(Counting):
        name = "fragile"

        def apply(self, batch, items):
            out = super().apply(batch, items)
            if items[0].state["count"] >= 2:
                raise RuntimeError
            return out

    one, who = Fragile(), session()
    kinds = [run(pipeline, ready((one,), session=who))[0][0].kind for _ in range(3)]
    assert kinds == [ResultKind.FRAME, ResultKind.ERROR, ResultKind.FRAME]


def test_a_filter_without_state_gets_a_fresh_one(pipeline):
    class Forgetful(Counting):
        name = "forgetful"
        keeps_state = False

    one, who = Forgetful(), session()
    first, second = (run(pipeline, ready((one,), session=who))[0][1] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("one", [BusyPassthrough(), BusyInvert()])
def test_a_batch_lasts_as_long_as_its_busiest_item_says_and_sleeps_once(pipeline, one):
    frames = [ready((one,), session=session(), params={"busy_ms": busy}) for busy in (0, 300, 200)]
    results = run(pipeline, *frames)
    for head, _ in results:
        assert 300 <= head.batch_ms < 500
        assert head.filter_ms < 200


def test_waiting_is_counted_from_arrival_to_the_batch(pipeline):
    import time
    from dataclasses import replace

    frame = ready((Passthrough(),))
    frame = replace(frame, received=replace(frame.received, arrived_ns=time.monotonic_ns() - 50_000_000))
    ((head, _),) = run(pipeline, frame)
    assert 50 <= head.wait_ms < 5000


def test_warming_up_raises_what_the_filter_raises(pipeline):
    class Cold(Invert):
        def apply(self, batch, items):
            assert batch.shape == (1, 3, 480, 640)
            assert batch.is_contiguous(memory_format=torch.channels_last)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pipeline.warm(Cold())
    pipeline.warm(Invert())


def test_passthrough_never_sees_a_picture(pipeline):
    shapes = []

    class Look(Passthrough):
        def apply(self, batch, items):
            shapes.append(tuple(batch.shape))
            return super().apply(batch, items)

    run(pipeline, *(ready((Look(),), session=session()) for _ in range(2)))
    assert shapes == [(2, 0, 0)]


@pytest.mark.gpu
@pytest.mark.parametrize("matrix", ColourMatrix)
@pytest.mark.parametrize("count", [1, 5])
def test_a_gpu_gives_the_picture_of_the_cpu_to_within_two(pipeline, metrics, matrix, count):
    on_gpu = Pipeline(torch.device("cuda", 0), "worker", metrics, Health(lambda: None))
    on_gpu.warm(Invert())
    chain = (Passthrough(), Invert(), Flipped())
    frames = [ready(chain, noise(seed=n), session=session(), colour_matrix=matrix) for n in range(count)]
    for (cpu, expected), (gpu, planes) in zip(run(pipeline, *frames), run(on_gpu, *frames), strict=True):
        assert (gpu.kind, gpu.session) == (ResultKind.FRAME, cpu.session)
        assert gpu.filter_ms > 0
        made, wanted = (np.frombuffer(one, np.uint8).astype(int) for one in (planes, expected))
        assert np.abs(made - wanted).max() <= 2


def test_on_a_gpu_no_batch_begins_while_a_graph_is_recorded(pipeline):
    pipeline._device = torch.device("cuda", 0)
    begun = threading.Event()

    def begin():
        pipeline.start([ready((Flipped(),))])
        begun.set()

    thread = threading.Thread(target=begin)
    with captures.TURNS.taken():
        thread.start()
        assert not begun.wait(0.05)
    assert begun.wait(20)
    thread.join()


def test_a_filter_that_spoils_its_first_picture_is_not_taken_for_warm(pipeline):
    class Sick(Recorder):
        def apply(self, batch, items):
            return batch.float() / 0.0

    pipeline.warm(Flipped())
    with pytest.raises(NotFinite, match="recorder"):
        pipeline.warm(Sick())


def test_a_gpu_that_is_broken_ends_the_worker_at_the_first_failure(pipeline, hopeless, monkeypatch):
    from inference_service.engine import failures

    monkeypatch.setattr(failures, "is_broken", lambda device, exc: isinstance(exc, ZeroDivisionError))
    run(pipeline, ready((Brittle(),), session=session(), params={"is_broken": True}))
    run(pipeline, ready((Brittle(),), session=session(), params={"is_broken": True}))
    assert hopeless == [True]


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("gains", "count"), [((False,), 1), ((True,), 3), ((False, False), 1), ((False, True), 3)]
)
@pytest.mark.parametrize("fault", [None, ValueError("no")])
def test_torch_has_one_thread_where_no_filter_gains_from_more(pipeline, three_threads, gains, count, fault):
    class Looks(Invert):
        def __init__(self, gains):
            self.gains = gains

        def gains_from_threads(self):
            return self.gains

        def apply(self, batch, items):
            seen.append(torch.get_num_threads())
            if fault is not None:
                raise fault
            return batch

    seen: list[int] = []
    run(pipeline, ready([Looks(one) for one in gains]))
    assert set(seen) == {count}
    assert torch.get_num_threads() == 3
