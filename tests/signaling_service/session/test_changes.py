"""In which order a change hides, shows and publishes; without a connection."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from signaling_service.access.caller import Caller
from signaling_service.errors import MalformedRequest, StreamTaken, UnknownFilter
from signaling_service.metrics import Metrics
from signaling_service.session.changes import Changes
from signaling_service.session.requests import Change
from signaling_service.streams.publication import Publication
from signaling_service.streams.streams import Streams

CALLER = Caller("127.0.0.1")


class Noted:
    """A wish, the streams, and a stream, which note what is done to them."""

    name, is_private, viewer_count, publisher = "show", True, 0, None

    def __init__(self, refusal: Exception | None = None) -> None:
        self.done: list[str] = []
        self.refusal = refusal
        self.may_change = asyncio.Event()
        self.may_change.set()

    def is_here(self, name: str) -> bool:
        return True

    def check_publish(self, name: str, subject: str) -> None:
        pass

    def to_publish(self, name: str, subject: str) -> Noted:
        return self

    def check(self, change: Change) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def change(self, change: Change) -> int | None:
        await self.may_change.wait()
        self.done.append("changed")
        return None

    def kept(self) -> AbstractContextManager[None]:
        return nullcontext()

    def prepare(self, publication: Publication) -> None:
        self.done.append("prepared")

    def take(self, publication: Publication) -> None:
        self.done.append("begun")

    def cut(self, publication: Publication) -> None:
        self.done.append("cut")

    def release(self, publication: Publication) -> None:
        self.done.append("ended")


def of(noted: Any, *, is_connected: bool = True) -> Changes:
    return Changes(noted, Publication(), noted, CALLER, lambda: is_connected)


async def test_a_private_choice_is_made_before_others_see_it_and_hides_what_they_could_see() -> None:
    noted = Noted()
    changes = of(noted)
    await changes.make(Change(filter=["hide"], publish="show"))
    assert noted.done == ["changed", "prepared", "begun", "cut"]
    # The same once more begins nothing anew.
    await changes.make(Change(publish="show"))
    assert noted.done[4:] == ["changed"]


async def test_nobody_sees_a_choice_that_comes_with_the_wish_to_publish_no_longer() -> None:
    noted = Noted()
    changes = of(noted)
    await changes.make(Change(publish="show"))
    noted.done.clear()
    await changes.make(Change(filter=["passthrough"], publish=False))
    assert noted.done == ["ended", "changed"]


async def test_a_session_that_is_not_connected_yet_begins_later() -> None:
    noted = Noted()
    await of(noted, is_connected=False).make(Change(publish="show"))
    assert noted.done == ["changed", "prepared"]


@pytest.mark.parametrize("publish", ["show", False])
async def test_a_refused_filter_leaves_publishing_as_it_is(publish: str | bool) -> None:
    noted = Noted(UnknownFilter(["ink"], ["other"]))
    with pytest.raises(UnknownFilter):
        await of(noted).make(Change(filter=["other"], publish=publish))
    assert noted.done == []


async def test_of_two_changes_at_a_time_the_later_one_says_who_is_to_see_it() -> None:
    noted = Noted()
    changes = of(noted)
    noted.may_change.clear()
    first = asyncio.create_task(changes.make(Change(filter=["hide"], publish="show")))
    await asyncio.sleep(0)
    second = asyncio.create_task(changes.make(Change(publish=False)))
    await asyncio.sleep(0)
    noted.may_change.set()
    await asyncio.gather(first, second)
    assert noted.done == ["changed", "changed"]


async def test_a_name_is_held_while_a_change_waits_and_let_go_where_a_later_one_hides_it() -> None:
    streams: Any = Streams(None, None, None, Metrics(), 1)  # type: ignore[arg-type]
    noted: Any = Noted()
    publication = Publication()
    changes = Changes(noted, publication, streams, CALLER, lambda: True)
    noted.may_change.clear()
    waiting = asyncio.create_task(changes.make(Change(filter=["hide"], publish="show")))
    await asyncio.sleep(0)
    # Another session of this caller would be the last one to let go of it.
    other = Publication()
    other.prepare(streams.to_publish("show", CALLER.subject), "")
    other.end()
    with pytest.raises(StreamTaken):
        streams.to_publish("show", "somebody else")
    noted.may_change.set()
    await waiting
    assert publication.name == "show"
    noted.may_change.clear()
    waiting = asyncio.create_task(changes.make(Change(filter=["hide"], publish="other")))
    hiding = asyncio.create_task(changes.make(Change(publish=False)))
    await asyncio.sleep(0)
    noted.may_change.set()
    await asyncio.gather(waiting, hiding)
    assert publication.name == ""
    assert list(streams._streams) == ["show"]
    streams.close()


async def test_an_empty_name_is_refused_and_hides_nothing() -> None:
    noted = Noted()
    changes = of(noted)
    await changes.make(Change(publish="show"))
    noted.done.clear()
    with pytest.raises(MalformedRequest):
        await changes.make(Change(publish=""))
    assert noted.done == []
