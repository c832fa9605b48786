"""The streams of one media process by name, and who may publish and watch them."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from concurrent.futures import Executor

from signaling_service.access.caller import Caller
from signaling_service.errors import (
    MalformedRequest,
    StreamElsewhere,
    StreamForbidden,
    StreamTaken,
    TakenOver,
    TooManyViewers,
    UnknownStream,
)
from signaling_service.media.bitrate import BitrateProfile
from signaling_service.metrics import Metrics
from signaling_service.rtc.card import Card
from signaling_service.streams.stream import Stream

ALL_STREAMS = 4
"""So many times the viewers of one stream may watch all of them together."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MADE_BYTES = 12
"""Of a name that nobody chose: it cannot be guessed."""


def place_of(name: str, processes: int) -> int:
    """Return the media process of a name: publishers and viewers meet there, also after restarts."""
    digest = hashlib.blake2b(name.encode(errors="replace"), digest_size=2).digest()
    return int.from_bytes(digest) % processes


def name_for(wanted: str | bool, caller: Caller, is_here: Callable[[str], bool] = lambda name: True) -> str:
    """Return the name under which a caller publishes, made here where it says true alone.

    One that is made is such that `is_here`. Raises MalformedRequest or StreamForbidden.
    """
    name = wanted if isinstance(wanted, str) else secrets.token_urlsafe(_MADE_BYTES)
    while name is not wanted and not is_here(name):
        name = secrets.token_urlsafe(_MADE_BYTES)
    if _NAME.fullmatch(name) is None:
        raise MalformedRequest("a stream's name has 1 to 64 letters, digits, - or _")
    if not caller.grant.may_publish(name):
        raise StreamForbidden("publish", name)
    return name


class Streams:
    """Event loop only."""

    def __init__(
        self,
        bitrates: BitrateProfile,
        executor: Executor,
        card: Card,
        metrics: Metrics,
        max_viewers: int,
        place: int = 0,
        processes: int = 1,
    ) -> None:
        """`max_viewers` of one stream at a time; `place` of this media process among so many."""
        self._bitrates = bitrates
        self._executor = executor
        self._card = card
        self._metrics = metrics
        self._max_viewers = max_viewers
        self._place = place
        self._processes = processes
        self._streams: dict[str, Stream] = {}

    def is_here(self, name: str) -> bool:
        """Tell whether a name belongs to this media process."""
        return place_of(name, self._processes) == self._place

    def check_publish(self, name: str, subject: str, publisher: str | None = None) -> None:
        """Raise StreamTaken where another subject publishes under a name, StreamElsewhere where none can.

        With a publisher, also TakenOver where another one of the same subject does.
        """
        if not self.is_here(name):
            raise StreamElsewhere(name)
        stream = self._streams.get(name)
        if stream is not None and stream.subject != subject:
            raise StreamTaken(name)
        if stream is not None and publisher is not None and stream.publisher not in (None, publisher):
            raise TakenOver

    def to_publish(self, name: str, subject: str) -> Stream:
        """Return the stream of a name, made if need be; raises what `check_publish` raises."""
        self.check_publish(name, subject)
        stream = self._streams.get(name)
        if stream is None:
            stream = Stream(name, subject, self._bitrates, self._executor, self._card, self._forget)
            self._streams[name] = stream
            self._metrics.streams.set(len(self._streams))
        return stream

    def to_watch(self, name: str, caller: Caller) -> Stream:
        """Return a stream that has a place; raises UnknownStream, StreamForbidden or TooManyViewers."""
        if not caller.grant.may_watch(name):
            raise StreamForbidden("watch", name[:64])
        stream = self._streams.get(name)
        if stream is None:
            raise UnknownStream(name)
        self.check_place(stream)
        return stream

    def check_place(self, stream: Stream) -> None:
        """Raise TooManyViewers where as many are connected as may be; offers that wait have no place yet."""
        everywhere = sum(one.viewer_count for one in self._streams.values())
        for taken, limit in ((stream.viewer_count, 1), (everywhere, ALL_STREAMS)):
            if taken >= limit * self._max_viewers:
                raise TooManyViewers(limit * self._max_viewers)

    def close(self) -> None:
        for stream in list(self._streams.values()):
            stream.end()

    def _forget(self, stream: Stream) -> None:
        self._streams.pop(stream.name, None)
        self._metrics.streams.set(len(self._streams))
