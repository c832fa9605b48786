"""What a page wishes of its session, and what it gets: filters, parameters, the policy for an outage."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from signaling_service.rtc.outage import Outage
from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.session.requests import Change
from signaling_service.workers.choice import Choice
from signaling_service.workers.lane import Lane
from signaling_service.workers.table import Workers, trouble_of

SERVED_S = 1.0
"""For so long after a filtered frame the present choice counts as served."""


class Wish:
    """Holds the present choice, and makes lane and returned track follow it. Event loop only."""

    def __init__(
        self,
        choice: Choice,
        outage: Outage,
        workers: Workers,
        lane: Lane,
        returned: ReturnedTrack,
        clock: Callable[[], float] = time.monotonic,
        allowed: Collection[str] | None = None,
    ) -> None:
        """Begin with a choice that has been checked; the lane connects with the first `follow_workers`.

        `allowed` are the filters that the page may choose; None: all.
        """
        self._allowed = allowed
        self.choice = choice
        self._outage = outage
        self._workers = workers
        self._lane = lane
        self._returned = returned
        self._clock = clock
        self._good: Choice | None = None
        """The last choice of which a frame was shown."""
        self._served_s = float("-inf")
        self._choose(choice)

    @property
    def is_private(self) -> bool:
        """The filters hide what the camera sees, so no raw frame may leave, whatever the page wishes."""
        return self._workers.is_private(self.choice.filters)

    @property
    def loading(self) -> str:
        """The first filter of the choice that no worker has loaded yet, else its last."""
        filters = self.choice.filters
        loaded = {name for name in filters if any(w.has_loaded([name]) for w in self._workers.live([name]))}
        return next((name for name in filters if name not in loaded), filters[-1])

    @property
    def trouble(self) -> dict[str, str] | None:
        """Why no worker can serve the present choice, where one of its filters has failed everywhere."""
        if self._workers.live(self.choice.filters):
            return None
        failed = self._workers.in_the_way(self.choice.filters)
        return None if failed is None else trouble_of(failed)

    @property
    def outage(self) -> Outage:
        """The policy that holds now: the page's wish, but `closed` with a private filter."""
        return self._returned.outage

    @property
    def is_served(self) -> bool:
        """A frame of the present choice was shown within the last second."""
        return self._clock() - self._served_s <= SERVED_S

    def check(self, change: Change) -> None:
        """Raise what Workers.check_choice raises of the filters and parameters that a change asks for."""
        if change.filter is not None or change.params is not None:
            self._workers.check_choice(*self._asked(change), self._allowed)

    async def change(self, change: Change) -> int | None:
        """Take another filter, parameters or outage policy; raises what `check` raises.

        Returns when no frame of the old choice can leave any more, with what `ReturnedTrack.settled` returns.
        """
        self.check(change)
        filters, params = self._asked(change)
        is_other = change.filter is not None or change.params is not None
        if change.outage is not None:
            self._outage = change.outage
        if not is_other:
            self._obey_outage()
            return None
        self._choose(Choice.of(filters, params, self.choice.generation + 1))
        self._connect_lane()
        return await self._returned.settled()

    def go_back(self) -> bool:
        """Leave a choice whose parameters a worker has refused; returns whether there is another one.

        The session goes back to the last choice that gave a frame. Where there is none, or where it showed
        what the present filters hide, it takes the present filters with their defaults.
        """
        now, last = self.choice, self._good
        if last is None or (self.is_private and not self._workers.is_private(last.filters)):
            last = Choice.of(now.filters, {}, 0)
        if (last.filters, last.params_id) == (now.filters, now.params_id):
            return False
        self._choose(replace(last, generation=now.generation + 1))
        self._connect_lane()
        return True

    def note_shown(self) -> None:
        """Note that a frame of the present choice is shown."""
        self._good, self._served_s = self.choice, self._clock()

    def follow_workers(self) -> None:
        """Look at the table of workers anew: who serves the choice, and whether it is private."""
        self._obey_outage()
        self._connect_lane()

    def _asked(self, change: Change) -> tuple[tuple[str, ...], dict[str, Any]]:
        filters = self.choice.filters if change.filter is None else tuple(change.filter)
        return filters, change.params or {}

    def _choose(self, choice: Choice) -> None:
        self.choice = choice
        self._served_s = float("-inf")
        self._obey_outage()
        self._returned.begin_generation(choice.generation, is_private=self.is_private)

    def _obey_outage(self) -> None:
        self._returned.set_outage(Outage.CLOSED if self.is_private else self._outage)

    def _connect_lane(self) -> None:
        filters = self.choice.filters
        self._lane.set_workers(
            self._workers.live(filters), filters=filters, keeps_state=self._workers.keeps_state(filters)
        )
