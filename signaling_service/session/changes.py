"""A change of a running session: what it shows, and to whom."""

from __future__ import annotations

from collections.abc import Callable

from signaling_service.access.caller import Caller
from signaling_service.session.requests import Change
from signaling_service.session.wish import Wish
from signaling_service.streams.publication import Publication
from signaling_service.streams.stream import Stream
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
        if name:
            # Taken before the wait: what has changed cannot be refused any more.
            stream = streams.to_publish(name, subject)
            with stream.kept():
                return await self._change(change, stream)
        # Nobody sees a choice that comes together with the wish to hide it.
        if change.publish is False:
            self._publication.end()
        return await self._wish.change(change)

    async def _change(self, change: Change, stream: Stream) -> int | None:
        """Take the rest of a change, and publish by this stream, unless a later change has said otherwise."""
        decision = self._decisions
        first_rtp_timestamp = await self._wish.change(change)
        is_last = decision == self._decisions and not self._publication.is_closed
        if is_last and stream.name != self._publication.name:
            self._publication.prepare(stream, change.publisher)
            self.begin_publishing()
        return first_rtp_timestamp

    def begin_publishing(self) -> None:
        """Publish, if the session is to and is connected."""
        if self._is_connected():
            self._publication.begin(is_private=self._wish.is_private)
