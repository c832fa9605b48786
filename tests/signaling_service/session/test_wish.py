from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from signaling_service.errors import InvalidParams, UnknownFilter
from signaling_service.metrics import Metrics
from signaling_service.rtc.card import Card
from signaling_service.rtc.outage import Outage
from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.session.requests import Change
from signaling_service.session.wish import Wish
from signaling_service.workers.choice import Choice
from signaling_service.workers.lane import Lane
from signaling_service.workers.table import Workers
from tests.signaling_service.making import SESSION, served, status

BOTH = (served("ink"), served("mask", is_private=True))
TRIED = {"strength": 0.5}


class World:
    """One wish with a real table of workers, lane and track; time is made up."""

    def __init__(
        self, context: zmq.Context[Any], filters: list[str], params: dict[str, Any], outage: Outage
    ) -> None:
        self.now_s = 100.0
        self.workers = Workers(Metrics())
        self.workers.update(status("w1", BOTH))
        self.workers.update(status("w2", (served("invert"),)))
        self.lane = Lane(context, SESSION, "tcp://127.0.0.1:9")
        self.returned = ReturnedTrack(Metrics(), Card(), Outage.CLOSED)
        choice = Choice.of(filters, params, 0)
        self.wish = Wish(choice, outage, self.workers, self.lane, self.returned, clock=lambda: self.now_s)
        self.wish.follow_workers()

    async def choose(self, *filters: str, **params: Any) -> None:
        await self.wish.change(Change(filter=list(filters), params=params))

    @property
    def chosen(self) -> tuple[tuple[str, ...], dict[str, Any], int]:
        return self.wish.choice.filters, self.wish.choice.params, self.wish.choice.generation


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    with zmq.Context() as context:
        yield context
        context.destroy(linger=0)


@pytest.fixture
async def world(context: zmq.Context[Any]) -> World:
    return World(context, ["ink"], {}, Outage.OPEN)


async def test_another_filter_begins_a_generation_at_the_workers_that_serve_it(world: World) -> None:
    assert world.lane.workers == ["w1"]
    await world.choose("invert")
    assert world.chosen == (("invert",), {}, 1)
    assert world.lane.workers == ["w2"]


async def test_parameters_alone_keep_the_filter_and_a_filter_alone_has_its_defaults(world: World) -> None:
    await world.wish.change(Change(params=TRIED))
    assert world.chosen == (("ink",), TRIED, 1)
    await world.wish.change(Change(filter=["ink"]))
    assert world.chosen == (("ink",), {}, 2)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (Change(filter=["none"], outage=Outage.CLOSED), UnknownFilter),
        (Change(params={"strength": 7}, outage=Outage.CLOSED), InvalidParams),
    ],
)
async def test_a_refused_change_changes_nothing(world: World, change: Change, error: type[Exception]) -> None:
    with pytest.raises(error):
        await world.wish.change(change)
    assert world.chosen == (("ink",), {}, 0)
    assert world.wish.outage is Outage.OPEN


async def test_the_policy_alone_begins_no_generation(world: World) -> None:
    await world.wish.change(Change(outage=Outage.CLOSED))
    assert world.wish.outage is Outage.CLOSED
    assert world.chosen == (("ink",), {}, 0)


async def test_a_private_filter_is_closed_and_the_next_one_has_the_pages_wish_again(world: World) -> None:
    await world.choose("mask")
    assert (world.wish.is_private, world.wish.outage) == (True, Outage.CLOSED)
    await world.wish.change(Change(outage=Outage.OPEN))
    assert world.wish.outage is Outage.CLOSED
    await world.choose("ink")
    assert (world.wish.is_private, world.wish.outage) == (False, Outage.OPEN)


async def test_a_filter_that_turns_out_to_be_private_is_closed(world: World) -> None:
    world.workers.update(status("w3", (served("ink", is_private=True),)))
    world.wish.follow_workers()
    assert (world.wish.is_private, world.wish.outage) == (True, Outage.CLOSED)
    assert sorted(world.lane.workers) == ["w1", "w3"]


async def test_refused_parameters_give_way_to_the_last_choice_that_was_shown(world: World) -> None:
    world.wish.note_shown()
    await world.choose("invert", **TRIED)
    assert world.wish.go_back()
    assert world.chosen == (("ink",), {}, 2)
    assert world.lane.workers == ["w1"]


async def test_where_nothing_was_shown_the_filters_defaults_are_taken_once(context: zmq.Context[Any]) -> None:
    world = World(context, ["ink"], TRIED, Outage.CLOSED)
    assert world.wish.go_back()
    assert world.chosen == (("ink",), {}, 1)
    assert not world.wish.go_back()
    assert world.chosen == (("ink",), {}, 1)


async def test_a_private_choice_never_goes_back_to_an_open_picture(world: World) -> None:
    world.wish.note_shown()
    await world.choose("mask", **TRIED)
    assert world.wish.go_back()
    assert world.chosen == (("mask",), {}, 2)


async def test_a_choice_is_served_for_a_second_after_its_last_frame(world: World) -> None:
    # By a list, since mypy takes an attribute that was asserted once for unchanged.
    served = [world.wish.is_served]
    world.wish.note_shown()
    for passed_s in (0.9, 0.2):
        world.now_s += passed_s
        served.append(world.wish.is_served)
    assert served == [False, True, False]
    world.wish.note_shown()
    await world.choose("ink", **TRIED)
    assert not world.wish.is_served
