from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.wire import FilterState, LoopState
from signaling_service.errors import CannotRun, InvalidParams, NoWorker, PassedOn, UnknownFilter
from signaling_service.metrics import Metrics
from signaling_service.workers.collector import WorkerCollector
from signaling_service.workers.table import MAX_WORKERS, Workers
from tests.signaling_service.making import served, status


@pytest.fixture
def workers() -> Workers:
    return Workers(Metrics())


def ids(workers: Workers, *filters: str) -> list[str]:
    return [worker.id for worker in workers.live(filters)]


def test_a_status_makes_a_worker_live_for_its_filters(workers: Workers) -> None:
    workers.update(status("w1"), 100.0)
    assert ids(workers, "ink") == ["w1"]
    assert ids(workers, "ink", "invert") == ["w1"]
    assert ids(workers, "pose") == []


def test_a_worker_is_out_when_its_status_is_older_than_a_second(workers: Workers) -> None:
    workers.update(status("w1"), 100.0)
    workers.update(status("w2"), 100.9)
    assert ids(workers) == ["w1", "w2"]
    workers.update(status("w2"), 101.05)
    assert ids(workers) == ["w2"]


async def test_silence_is_noticed_without_another_status(workers: Workers) -> None:
    watching = asyncio.create_task(workers.run())
    changed = asyncio.Event()
    workers.update(status("w1"))
    workers.add_listener(changed.set)
    async with asyncio.timeout(5):
        await changed.wait()
    assert ids(workers) == []
    watching.cancel()


@pytest.mark.parametrize(
    ("values", "live"),
    [
        ({"draining": True}, False),
        ({"loop_state": LoopState.BATCH, "loop_state_ms": 900.0}, True),
        ({"loop_state": LoopState.BATCH, "loop_state_ms": 1100.0}, False),
        ({"loop_state": LoopState.BATCH, "loop_state_ms": 1100.0, "loop_usual_ms": 400.0}, True),
        ({"loop_state": LoopState.BATCH, "loop_state_ms": 1300.0, "loop_usual_ms": 400.0}, False),
        ({"loop_state": LoopState.LOADING, "loop_state_ms": 60_000.0}, True),
        ({"loop_state": LoopState.LOADING, "loop_state_ms": 700_000.0}, False),
        ({"loop_state": LoopState.IDLE, "loop_state_ms": 1e9}, True),
    ],
)
def test_a_worker_that_drains_or_hangs_is_out(workers: Workers, values: dict[str, Any], live: bool) -> None:
    workers.update(status("w1", **values), 100.0)
    assert bool(ids(workers)) is live


def test_a_hung_worker_comes_back_when_its_batch_ends(workers: Workers) -> None:
    workers.update(status("w1", loop_state=LoopState.BATCH, loop_state_ms=5000.0), 100.0)
    workers.update(status("w1"), 100.2)
    assert ids(workers) == ["w1"]


def test_listeners_hear_of_changes_and_of_nothing_else(workers: Workers) -> None:
    heard: list[list[str]] = []

    def listener() -> None:
        heard.append(ids(workers))

    workers.add_listener(listener)
    workers.update(status("w1"), 100.0)
    workers.update(status("w1", busy=0.9), 100.2)
    workers.update(status("w2"), 100.3)
    workers.update(status("w2", draining=True), 100.4)
    assert heard == [["w1"], ["w1", "w2"], ["w1"]]
    workers.remove_listener(listener)
    workers.update(status("w3"), 100.5)
    assert len(heard) == 3


def test_an_unknown_filter_differs_from_one_whose_workers_are_away(workers: Workers) -> None:
    with pytest.raises(NoWorker):
        workers.check_choice(["ink"], {})
    workers.update(status("w1", (served("ink"),)), 100.0)
    workers.update(status("w2", (served("pose"),)), 100.0)
    workers.check_choice(["ink"], {})
    with pytest.raises(UnknownFilter, match=r"'nope'.*served are: ink, pose"):
        workers.check_choice(["nope"], {})
    workers.update(status("w2", (served("pose"),), draining=True), 100.1)
    with pytest.raises(NoWorker):
        workers.check_choice(["pose"], {})
    with pytest.raises(UnknownFilter):
        workers.check_choice(["nope"], {})


def test_a_chain_needs_one_worker_that_serves_it_all(workers: Workers) -> None:
    workers.update(status("w1", (served("ink"),)), 100.0)
    workers.update(status("w2", (served("pose"),)), 100.0)
    with pytest.raises(NoWorker):
        workers.check_choice(["pose", "ink"], {})


def test_a_filter_that_failed_to_load_is_not_served(workers: Workers) -> None:
    workers.update(status("w1", (served("ink", state=FilterState.FAILED),)), 100.0)
    assert ids(workers, "ink") == []


@pytest.mark.parametrize(
    ("params", "field"),
    [({"strength": 2}, "strength"), ({"strength": "x"}, "strength"), ({"colour": 1}, "")],
)
def test_a_wrong_parameter_is_refused_by_its_name(
    workers: Workers, params: dict[str, Any], field: str
) -> None:
    workers.update(status("w1"), 100.0)
    workers.check_choice(["ink"], {"strength": 1})
    with pytest.raises(InvalidParams) as caught:
        workers.check_choice(["ink"], params)
    assert caught.value.field == field
    with pytest.raises(InvalidParams) as caught:
        workers.check_choice(["ink", "invert"], {"invert": params})
    assert caught.value.field.removeprefix("invert.") == field
    with pytest.raises(InvalidParams):
        workers.check_choice(["ink", "invert"], params)


@pytest.mark.parametrize(
    "schema", [{"type": 5}, {"$ref": "http://127.0.0.1:9/schema"}, {"$ref": "#/nowhere"}]
)
def test_a_broken_schema_is_left_to_the_worker(workers: Workers, schema: dict[str, Any]) -> None:
    workers.update(status("w1", (served("ink", schema=schema),)), 100.0)
    workers.check_choice(["ink"], {"anything": 1})


def test_served_filters_are_counted_over_workers(workers: Workers) -> None:
    workers.update(status("w1", (served("ink", state=FilterState.LOADABLE),)), 100.0)
    workers.update(status("w2", (served("ink"), served("pose"))), 100.0)
    found = {one.status.name: (one.workers, one.status.state) for one in workers.served_filters()}
    assert found == {"ink": (2, FilterState.LOADED), "pose": (1, FilterState.LOADED)}


def test_the_worker_that_is_nearest_to_a_filter_says_how_it_is(workers: Workers) -> None:
    failed = served("ink", state=FilterState.FAILED, reason="needs the package x", remedy="make models")
    workers.update(status("w1", (failed,)), 100.0)
    workers.update(status("w2", (served("ink", state=FilterState.LOADING),)), 100.0)
    workers.update(status("w3", (served("ink", state=FilterState.LOADABLE),)), 100.0)
    (shown,) = workers.served_filters()
    assert (shown.status.state, shown.status.reason) == (FilterState.LOADING, "")
    assert workers.in_the_way(["ink"]) is None


def test_a_filter_that_failed_everywhere_is_refused_with_its_reason_and_remedy(workers: Workers) -> None:
    failed = served(
        "pose",
        state=FilterState.FAILED,
        reason="cannot use the package torchvision",
        reason_code="bad_package",
        reason_cause="misfit",
        reason_detail="torchvision",
        remedy="make models",
    )
    workers.update(status("w1", (served("ink"), failed)), 100.0)
    for filters in (["pose"], ["ink", "pose"]):
        with pytest.raises(
            CannotRun, match=r"pose cannot use the package torchvision \(make models\)"
        ) as caught:
            workers.check_choice(filters, {})
        assert caught.value.as_json()["trouble"] == {
            "filter": "pose",
            "code": "bad_package",
            "text": "cannot use the package torchvision",
            "cause": "misfit",
            "detail": "torchvision",
            "remedy": "make models",
        }
        # By way of a media process, too.
        assert PassedOn(caught.value.as_map()).as_json() == caught.value.as_json()
    workers.update(status("w2", (served("pose"),)), 100.1)
    workers.check_choice(["pose"], {})


def test_made_up_workers_keep_no_real_one_out(workers: Workers) -> None:
    workers.update(status("working"), 100.0)
    workers.note_answer("working")
    for i in range(MAX_WORKERS + 5):
        workers.update(status(f"made-up-{i}"), 100.0)
    assert len(ids(workers)) == MAX_WORKERS
    workers.update(status("joins"), 100.0)
    assert len(ids(workers)) == MAX_WORKERS
    assert {"working", "joins"} <= set(ids(workers))


def test_a_status_does_not_forget_that_a_worker_has_answered(workers: Workers) -> None:
    workers.update(status("w1"), 100.0)
    workers.note_answer("w1")
    workers.note_answer("nobody")
    workers.update(status("w1"), 100.2)
    assert [worker.has_answered for worker in workers.live()] == [True]


def test_a_filter_stays_private_whatever_another_worker_says_of_it(workers: Workers) -> None:
    workers.update(status("w1", (served("mask", is_private=True), served("ink"))), 100.0)
    workers.update(status("w2", (served("mask", is_private=False, state=FilterState.FAILED),)), 100.0)
    assert workers.is_private(["mask"])
    assert workers.is_private(["ink", "mask"])
    assert not workers.is_private(["ink"])
    assert {one.status.name: one.is_private for one in workers.served_filters()} == {
        "ink": False,
        "mask": True,
    }


def test_a_worker_that_cannot_import_a_filter_does_not_change_what_is_known_of_it(workers: Workers) -> None:
    workers.update(status("w1", (served("mask", keeps_state=True),)), 100.0)
    workers.update(status("w2", (served("mask", state=FilterState.FAILED, schema={}),)), 100.0)
    assert workers.keeps_state(["mask"])
    with pytest.raises(InvalidParams):
        workers.check_choice(["mask"], {"strength": 2})


def test_a_filter_that_is_loaded_now_is_news(workers: Workers) -> None:
    heard: list[str] = []
    workers.update(status("w1", (served("ink", state=FilterState.LOADABLE),)), 100.0)
    workers.add_listener(lambda: heard.append("changed"))
    assert not workers.live(["ink"])[0].has_loaded(["ink"])
    workers.update(status("w1", (served("ink"),)), 100.1)
    assert heard == ["changed"]
    assert workers.live(["ink"])[0].has_loaded(["ink"])


def test_what_loaded_filters_hold_is_shown_while_their_worker_is_there(workers: Workers) -> None:
    def shown() -> dict[tuple[str, str], float]:
        families = {family.name: family for family in WorkerCollector(workers).collect()}
        family = families["p2pcamera_filter_memory_bytes"]
        return {(one.labels["worker"], one.labels["filter"]): one.value for one in family.samples}

    idle = served("pose", state=FilterState.LOADABLE)
    workers.update(status("w1", (served("ink", memory_bytes=7), served("face", memory_bytes=9), idle)), 100.0)
    workers.update(status("w2", (served("ink", memory_bytes=8),)), 100.8)
    assert shown() == {("w1", "ink"): 7, ("w1", "face"): 9, ("w2", "ink"): 8}
    let_go = served("face", state=FilterState.LOADABLE)
    workers.update(status("w1", (served("ink", memory_bytes=7), let_go, idle)), 100.9)
    assert shown() == {("w1", "ink"): 7, ("w2", "ink"): 8}
    workers.update(status("w1"), 102.0)
    assert not {key for key in shown() if key[0] == "w2"}
