from __future__ import annotations

import socket
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import zmq

from inference_service.config import Settings
from inference_service.device.choice import Device
from inference_service.errors import HttpPortNotTaken
from inference_service.link import publisher
from inference_service.worker import Worker
from shared import link_keys, wire
from shared.wire import FilterState, LoopState, ResultKind
from tests.inference_service.doubles import (
    DEADLINE_S,
    Brittle,
    Counting,
    Flipped,
    Gate,
    Recorder,
    gated,
    noise,
    points,
    session,
    signaling,
    until,
)
from tests.shared.spans import Kept, parent, told


@pytest.fixture
def service():
    with signaling() as one:
        yield one


@contextmanager
def worker(
    service,
    *classes,
    filters="passthrough,invert",
    on_failure=lambda: None,
    on_hang=lambda: None,
    traces=None,
    **settings,
):
    made = Worker(
        Settings(filters=filters, signaling=service.endpoint, device="cpu", **settings),
        Device(torch.device("cpu"), "cpu"),
        points(*classes),
        on_failure,
        on_hang,
        traces=traces,
    )
    made.open()
    try:
        yield made
    finally:
        made.drain()


def is_loaded(*names):
    return lambda status: {f.name for f in status.filters if f.state is FilterState.LOADED} >= set(names)


def test_passthrough_comes_back_bit_for_bit(service):
    with worker(service):
        status = service.status(is_loaded("passthrough"))
        for seed, size in enumerate([(640, 480), (64, 48), (1280, 720)]):
            planes = noise(size, seed)
            head, back = service.ask(status, planes, width=size[0], height=size[1])
            assert head.kind is ResultKind.FRAME
            assert back == planes


def test_a_frame_that_is_traced_has_spans_below_the_one_that_it_names(service):
    kept = Kept()
    with worker(service, Brittle, filters="invert,brittle", traces=kept):
        status = service.status(is_loaded("invert", "brittle"))
        assert status.versions["traces"] == "1"
        service.ask(status)
        context, broken = bytes(range(1, 25)), bytes(range(2, 26))
        service.ask(status, trace=context, filters=("invert",))
        service.ask(status, trace=broken, filters=("brittle",), params={"is_broken": True})
        until(lambda: len(kept.spans) == 6)
    good, bad = (kept.spans[:3], kept.spans[3:])
    for spans, carried in ((good, context), (bad, broken)):
        wait, batch, whole = spans
        assert [span.name for span in spans] == ["wait", "batch", "worker"]
        assert {span.context.trace_id.to_bytes(16, "big") for span in spans} == {carried[:16]}
        assert parent(whole).to_bytes(8, "big") == carried[16:]
        assert parent(wait) == parent(batch) == whole.context.span_id
        times_ns = [time or 0 for time in (whole.start_time, *(span.end_time for span in spans))]
        assert times_ns[0] > 0
        assert times_ns == sorted(times_ns)
    assert told(good[1], "filter_ms") > 0
    assert told(good[2], "filters") == "invert"


def test_a_worker_without_traces_neither_offers_nor_makes_any(service):
    with worker(service):
        status = service.status(is_loaded("passthrough"))
        assert "traces" not in status.versions
        assert service.ask(status, trace=bytes(range(1, 25)))[0].kind is ResultKind.FRAME


def test_the_status_says_what_the_design_says(service):
    with worker(service) as one:
        status = service.status(is_loaded("passthrough", "invert"))
        assert status.worker == one.id
        assert status.frames_endpoint.startswith("ipc:///")
        assert status.device == "cpu"
        assert {f.name for f in status.filters} >= {"ink", "passthrough", "invert"}
        (invert,) = (f for f in status.filters if f.name == "invert")
        assert invert.title == "Invert"
        assert invert.schema["properties"]["busy_ms"]["type"] == "number"
        assert (status.busy, status.batch_size, status.draining) == (0, 0, False)
        assert {"p2pcamera", "protocol", "data", "python", "torch"} == set(status.versions)
        idle = service.status(lambda s: s.loop_state is LoopState.IDLE)
        assert idle.loop_usual_ms == 0


def test_two_workers_have_ids_of_their_own(service):
    with worker(service) as one, worker(service) as two:
        assert one.id != two.id
        assert service.status(lambda s: s.worker == one.id)
        assert service.status(lambda s: s.worker == two.id)


def test_the_status_follows_a_batch(service):
    with worker(service):
        status = service.status(is_loaded("passthrough"))
        for _ in range(3):
            service.send(status, params={"busy_ms": 600})
            service.results(1)
        service.send(status, params={"busy_ms": 600})
        in_batch = service.status(lambda s: s.loop_state is LoopState.BATCH and s.loop_state_ms > 200)
        assert in_batch.busy > 0.5
        assert in_batch.batch_size == 1
        assert in_batch.loop_usual_ms == pytest.approx(600, abs=300)
        assert in_batch.loop_state_ms < 1500


def test_all_sessions_share_the_next_batch(service):
    with worker(service, Gate, filters="gate") as one:
        status = service.status(is_loaded("gate"))
        gate = Gate.made
        gate.batches.clear()
        sessions = [session() for _ in range(12)]
        service.send(status, session=sessions[0], filters=("gate",))
        assert gate.begun.acquire(timeout=20)
        for _ in range(3):
            for who in sessions:
                service.send(status, session=who, filters=("gate",))
        until(lambda: one.metrics.frames_received >= 13)
        gate.go.release(20)
        until(lambda: len(gate.batches) >= 2)
        assert gate.batches[0] == [sessions[0]]
        assert sorted(gate.batches[1]) == sorted(sessions)


def test_newest_frame_is_filtered_when_the_loop_is_free(service):
    with worker(service, Gate, filters="gate") as one:
        status = service.status(is_loaded("gate"))
        gate = Gate.made
        who = session()
        first = service.send(status, session=who, filters=("gate",))
        assert gate.begun.acquire(timeout=20)
        for number in range(1, 6):
            last = service.send(status, session=who, filters=("gate",))
            until(lambda count=number: one.metrics.frames_received == 1 + count)  # type: ignore[misc]
        gate.go.release(10)
        got = [head.sequence for head, _ in service.results(2)]
        assert got == [first.sequence, last.sequence]
        assert one.metrics.frames_replaced == 4


def test_max_batch_is_kept(service):
    with worker(service, Gate, filters="gate", max_batch=2) as one:
        status = service.status(is_loaded("gate"))
        gate = Gate.made
        gate.batches.clear()
        service.send(status, session=session(), filters=("gate",))
        assert gate.begun.acquire(timeout=20)
        for _ in range(5):
            service.send(status, session=session(), filters=("gate",))
        until(lambda: one.metrics.frames_received == 6)
        gate.go.release(20)
        service.results(6)
        assert [len(batch) for batch in gate.batches] == [1, 2, 2, 1]


def test_parameters_travel_once(service):
    with worker(service) as one:
        status = service.status(is_loaded("invert"))
        params = {"busy_ms": 1}
        named = {"filters": ("invert",), "params": None, "params_id": wire.params_id(params)}
        head, _ = service.ask(status, **named)
        assert head.kind is ResultKind.MISSING
        head, _ = service.ask(status, filters=("invert",), params=params)
        assert head.kind is ResultKind.FRAME
        head, _ = service.ask(status, session=session(), **named)
        assert head.kind is ResultKind.FRAME
        assert one.metrics.answers["missing"] == 1


def test_parameters_of_a_frame_that_was_replaced_are_known_all_the_same(service):
    with worker(service, Gate, filters="gate,invert") as one:
        status = service.status(is_loaded("gate", "invert"))
        service.send(status, session=session(), filters=("gate",))
        assert Gate.made.begun.acquire(timeout=20)
        who, params = session(), {"busy_ms": 2}
        service.send(status, session=who, filters=("invert",), params=params)
        until(lambda: one.metrics.frames_received == 2)
        service.send(status, session=who, filters=("invert",), params=None, params_id=wire.params_id(params))
        until(lambda: one.metrics.frames_replaced == 1)
        Gate.made.go.release()
        ((head, _),) = service.results(1, lambda r: r.session == who)
        assert head.kind is ResultKind.FRAME


def test_bad_parameters_and_unknown_filters_are_answered(service):
    with worker(service) as one:
        status = service.status(is_loaded("invert"))
        head, planes = service.ask(status, filters=("invert",), params={"busy_ms": 9999})
        assert (head.kind, head.code, planes) == (ResultKind.ERROR, "bad_params", b"")
        assert "busy_ms" in head.text
        head, _ = service.ask(status, filters=("nope",))
        assert (head.kind, head.code) == (ResultKind.ERROR, "unknown_filter")
        assert "nope" in head.text
        assert one.metrics.answers == {"bad_params": 1, "unknown_filter": 1}


def test_a_chain_is_applied_by_one_worker(service):
    with worker(service, Flipped, filters="passthrough,invert,flipped"):
        status = service.status(is_loaded("passthrough", "invert", "flipped"))
        planes = noise(seed=9)
        head, back = service.ask(
            status,
            planes,
            filters=("flipped", "passthrough", "flipped"),
            params={"passthrough": {"busy_ms": 30}},
        )
        assert head.batch_ms >= 30
        assert back == planes


def test_first_use_is_answered_by_progress_and_others_go_on(service):
    slow = gated()
    with worker(service, slow) as one:
        status = service.status(is_loaded("passthrough"))
        waiting, other = session(), session()
        head, _ = service.ask(status, session=waiting, filters=("gated",))
        assert head.kind is ResultKind.PROGRESS
        assert slow.begun.wait(20)
        # Not the first status that comes: one that is on its way may tell of the filters before.
        is_loading = ("gated", FilterState.LOADING)
        loading = service.status(lambda s: is_loading in ((f.name, f.state) for f in s.filters))
        assert loading.loop_state is LoopState.LOADING
        started_s = time.monotonic()
        before = one.metrics.answers["progress"]
        while (told := one.metrics.answers["progress"] - before) < 3:
            assert time.monotonic() < started_s + DEADLINE_S
            service.send(status, session=waiting, filters=("gated",))
            head, _ = service.ask(status, session=other)
            assert head.kind is ResultKind.FRAME
        # At most four a second, however many frames ask.
        assert told <= (time.monotonic() - started_s) * 4 + 1
        slow.go.set()
        service.status(is_loaded("gated"))
        head, planes = service.ask(status, session=waiting, filters=("gated",))
        assert head.kind is ResultKind.FRAME
        assert len(planes) == len(noise())


def test_progress_says_what_is_being_done(service):
    slow = gated()
    with worker(service, slow):
        status = service.status(is_loaded("passthrough"))
        service.ask(status, session=session(), filters=("gated",))
        assert slow.begun.wait(20)
        head, _ = service.ask(status, session=session(), filters=("gated",))
        assert head.text == "loading gated"
        assert 0 < head.fraction < 1
        slow.go.set()


def test_a_broken_session_hurts_only_itself(service):
    with worker(service, Brittle, Gate, filters="brittle,gate") as one:
        status = service.status(is_loaded("brittle", "gate"))
        service.send(status, session=session(), filters=("gate",))
        assert Gate.made.begun.acquire(timeout=20)
        sessions = [session() for _ in range(4)]
        for number, who in enumerate(sessions):
            service.send(status, session=who, filters=("brittle",), params={"is_broken": number == 2})
        until(lambda: one.metrics.frames_received == 5)
        Gate.made.go.release()
        kinds = {head.session: head.kind for head, _ in service.results(4, lambda r: r.session in sessions)}
        assert [kinds[who] for who in sessions] == [
            ResultKind.FRAME,
            ResultKind.FRAME,
            ResultKind.ERROR,
            ResultKind.FRAME,
        ]
        head, _ = service.ask(status, filters=("brittle",))
        assert head.kind is ResultKind.FRAME


def test_a_filter_that_cannot_be_loaded_is_told_to_its_users(service):
    class Refuses(Recorder):
        name = "refuses"

        def load(self, device):
            raise OSError("/secret")

    with worker(service, Refuses, filters="passthrough,refuses"):
        status = service.status(
            lambda s: any(f.name == "refuses" and f.state is FilterState.FAILED for f in s.filters)
        )
        head, _ = service.ask(status, filters=("refuses",))
        assert (head.kind, head.code) == (ResultKind.ERROR, "filter_failed")
        assert "secret" not in head.text
        head, _ = service.ask(status)
        assert head.kind is ResultKind.FRAME


def test_malformed_messages_do_not_stop_the_good_ones(service):
    with worker(service) as one:
        status = service.status(is_loaded("passthrough"))
        service.send_raw(status, b"nonsense", session())
        until(lambda: one.metrics.frames_dropped.total() == 1)
        head, _ = service.ask(status)
        assert head.kind is ResultKind.FRAME


def test_state_stays_with_its_session(service):
    with worker(service, Counting, filters="counting"):
        status = service.status(is_loaded("counting"))
        one, other = session(), session()

        def luma(who):
            return service.ask(status, session=who, filters=("counting",))[1][0]

        first, second = luma(one), luma(one)
        assert first < second
        assert luma(other) == first


def test_a_result_goes_where_the_frame_asks_on_the_same_host(service):
    beside = service.endpoint.replace("results", "results-0")
    with signaling(beside) as media, worker(service) as one:
        status = service.status(is_loaded("passthrough"))
        head = service.send(status, reply_to=media.endpoint)
        media.status(lambda s: s.worker == one.id)
        head = service.send(status, reply_to=media.endpoint)
        got = media.results(1, lambda r: r.sequence == head.sequence)
        assert got[0][0].kind is ResultKind.FRAME


def test_draining_is_said_at_once_and_the_batch_is_finished(service, monkeypatch):
    with worker(service) as one:
        status = service.status(is_loaded("passthrough"))
        service.send(status, params={"busy_ms": 1500})
        service.status(lambda s: s.loop_state is LoopState.BATCH)
        # From the next one on no status comes by itself.
        monkeypatch.setattr(publisher, "STATUS_EVERY_S", 3600.0)
        service.status()
        drained = threading.Thread(target=one.drain)
        drained.start()
        said = service.next()
        assert not isinstance(said, tuple), "the batch ended before the draining was said"
        assert said.draining
        assert said.loop_state is LoopState.BATCH
        ((head, _),) = service.results(1)
        assert head.kind is ResultKind.FRAME
        drained.join(10)
        assert not drained.is_alive()


def test_a_frame_that_waits_is_dropped_when_its_session_asks_for_what_cannot_be_had(service):
    with worker(service, Gate, filters="gate,invert") as one:
        status = service.status(is_loaded("gate", "invert"))
        gate, who = Gate.made, session()
        service.send(status, session=session(), filters=("gate",))
        assert gate.begun.acquire(timeout=20)
        service.send(status, session=session(), filters=("gate",))
        until(lambda: one.metrics.frames_received == 2)
        service.send(status, session=who, filters=("invert",))
        until(lambda: one.metrics.frames_received == 3)
        gate.go.release()
        # The loop has taken both, and `who` waits behind the batch that has just begun.
        assert gate.begun.acquire(timeout=20)
        service.send(status, session=who, filters=("nope",), generation=1)
        until(lambda: one.metrics.frames_received == 4)
        gate.go.release()
        ((head, _),) = service.results(1, lambda r: r.session == who)
        assert (head.kind, head.generation) == (ResultKind.ERROR, 1)
        service.send(status, session=who, filters=("invert",), generation=2)
        ((head, _),) = service.results(1, lambda r: r.session == who)
        assert (head.kind, head.generation) == (ResultKind.FRAME, 2)


def test_an_idle_worker_drains_quickly(service):
    with worker(service) as one:
        service.status(is_loaded("passthrough"))
        started_s = time.monotonic()
        one.drain()
        assert time.monotonic() - started_s < 3


def test_a_worker_that_is_loading_can_drain(service):
    slow = gated()
    with worker(service, slow, filters="gated") as one:
        assert slow.begun.wait(20)
        one.drain()
        slow.go.set()


def test_a_fault_of_the_loop_itself_is_told_to_the_owner(service):
    failed = threading.Event()
    with worker(service, on_failure=failed.set) as one:
        status = service.status(is_loaded("passthrough"))
        one._engine._batcher.next = lambda: 1 / 0
        service.send(status)
        assert failed.wait(20)


@pytest.mark.parametrize("bind", [None, "frames-*.ipc"])
def test_a_worker_has_a_socket_of_its_own_beside_that_of_the_signaling_service(service, bind):
    folder = Path(service.endpoint.removeprefix("ipc://")).parent
    # What a killed worker left.
    killed = [folder / f"{(bind or 'worker-*.ipc').replace('*', 'dead')}{suffix}" for suffix in ("", ".lock")]
    with zmq.Context() as context, context.socket(zmq.PULL) as gone:
        gone.bind(f"ipc://{killed[0]}")
    killed[1].touch()
    own = {} if bind is None else {"frames_bind": f"ipc://{folder}/{bind}"}
    with worker(service, **own) as one:
        status = service.status(is_loaded("passthrough"))
        assert status.frames_endpoint == f"ipc://{folder}/{(bind or 'worker-*.ipc').replace('*', one.id)}"
        head, _ = service.ask(status)
        assert head.kind is ResultKind.FRAME
        assert not [path for path in killed if path.exists()]
    assert {path.name for path in folder.iterdir()} == {"results.ipc"}


def test_between_hosts_frames_go_round_by_keys(tmp_path):
    link_keys.make(tmp_path)
    settings = {"link_keys": tmp_path, "frames_bind": "tcp://127.0.0.1:*"}
    with (
        signaling("tcp://127.0.0.1:*", link_keys.load(tmp_path, "service")) as service,
        worker(service, **settings),
    ):
        head, _ = service.ask(service.status(is_loaded("passthrough")))
        assert head.kind is ResultKind.FRAME


@pytest.mark.parametrize(
    ("bind", "advertise", "expected"),
    [
        ("tcp://127.0.0.1:*", None, "tcp://127.0.0.1:"),
        ("tcp://*:*", "tcp://worker.example:*", "tcp://worker.example:"),
        ("tcp://127.0.0.1:*", "tcp://localhost:7000", "tcp://localhost:7000"),
    ],
)
def test_the_advertised_endpoint(tmp_path, bind, advertise, expected):
    link_keys.make(tmp_path)
    with (
        signaling("tcp://127.0.0.1:*", link_keys.load(tmp_path, "service")) as service,
        worker(service, frames_bind=bind, frames_advertise=advertise, link_keys=tmp_path),
    ):
        endpoint = service.status().frames_endpoint
        assert endpoint.startswith(expected)
        assert 0 < int(endpoint.rpartition(":")[2]) < 65536


def test_a_worker_tells_its_totals_over_http_and_in_its_status(service):
    with worker(service, http_port=0) as one:
        status = service.status(is_loaded("invert"))
        assert service.ask(status, noise(), filters=("invert",))[0].kind is ResultKind.FRAME
        assert service.ask(status, noise(), filters=("invert",), params={"no": 1})[0].code == "bad_params"
        told = service.status(lambda s: s.totals is not None and s.totals.errors).totals
        assert (told.received, told.filtered, told.batches, told.errors) == (2, 1, 1, {"bad_params": 1})
        assert {"wait", "batch", "filter", "to_rgb", "to_i420"} <= set(told.stages)
        assert sum(told.stages["wait"].counts) == 1
        with urllib.request.urlopen(
            f"http://127.0.0.1:{one.http_port}/metrics", timeout=DEADLINE_S
        ) as answer:
            text = answer.read().decode()
        assert f'p2pcamera_worker_frames_filtered_total{{worker="{one.id}"}} 1\n' in text
        assert f'p2pcamera_worker_errors_total{{worker="{one.id}",code="bad_params"}} 1\n' in text


def test_a_worker_whose_http_port_is_taken_starts_nothing(service):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        made = Worker(
            Settings(signaling=service.endpoint, device="cpu", http_port=taken.getsockname()[1]),
            Device(torch.device("cpu"), "cpu"),
            points(),
            lambda: None,
            lambda: None,
        )
        with pytest.raises(HttpPortNotTaken, match="Address already in use"):
            made.open()
        assert not Path(made.frames_endpoint.removeprefix("ipc://")).exists()
