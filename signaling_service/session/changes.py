"""A change of a running session: what it shows, and to whom."""

from __future__ import annotations

from collections.abc import Callable

from signaling_service.access.caller import Caller
from signaling_service.session.requests import Change
from signaling_service.session.wish import Wish
from signaling_service.streams.publication import Publication
from signaling_service.streams.streams import Streams, name_for


class Changes:
    """Makes changes of one session. Event loop only."""

    def __init__(
        self,
        wish: Wish,
        publication: Publication,
        streams: Streams,
        caller: Caller,
        is_connected: Callable[[], bool],
    ) -> None:
        """`caller` has opened the session, which publishes once it is connected."""
        self._wish = wish
        self._publication = publication
        self._streams = streams
        self._caller = caller
        self._is_connected = is_connected
        self._decisions = 0
        """Who is to see it: a change that has waited does nothing against a later one."""

    async def make(self, change: Change, caller: Caller | None = None) -> int | None:
        """Take another filter, parameters or policy, publish or publish no longer.

        Without a caller the one that has opened the session asks. Returns as Wish.change does. Raises what
        Wish.check, name_for and Streams.check_publish raise, and then nothing has changed.
        """
        streams, subject, name = self._streams, self._caller.subject, ""
        if change.publish or change.publish == "":
            wanted = self._publication.name or True if change.publish is True else change.publish
            name = name_for(wanted, caller or self._caller, streams.is_here)
            streams.check_publish(name, subject)
        self._wish.check(change)
        if change.publish is not None:
            self._decisions += 1
        decision = self._decisions
        # Nobody sees a choice that comes together with the wish to hide it.
        if change.publish is False:
            self._publication.end()
        first_rtp_timestamp = await self._wish.change(change)
        is_last = decision == self._decisions and not self._publication.is_closed
        if name and is_last and name != self._publication.name:
            self._publication.prepare(streams.to_publish(name, subject), change.publisher)
            self.begin_publishing()
        return first_rtp_timestamp

    def begin_publishing(self) -> None:
        """Publish, if the session is to and is connected."""
        if self._is_connected():
            self._publication.begin(is_private=self._wish.is_private)
