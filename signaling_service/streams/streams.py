"""The streams of one media process by name, and who may publish and watch them."""

from __future__ import annotations

import re
import secrets
from concurrent.futures import Executor

from signaling_service.access.caller import Caller
from signaling_service.errors import (
    MalformedRequest,
    StreamForbidden,
    StreamTaken,
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


def name_for(wanted: str | bool, caller: Caller) -> str:
    """Return the name under which a caller publishes, made here where it says true alone.

    Raises MalformedRequest or StreamForbidden.
    """
    name = wanted if isinstance(wanted, str) else secrets.token_urlsafe(_MADE_BYTES)
    if _NAME.fullmatch(name) is None:
        raise MalformedRequest("a stream's name has 1 to 64 letters, digits, - or _")
    if not caller.grant.may_publish(name):
        raise StreamForbidden("publish", name)
    return name


class Streams:
    """Event loop only."""

    def __init__(
        self, bitrates: BitrateProfile, executor: Executor, card: Card, metrics: Metrics, max_viewers: int
    ) -> None:
        """`max_viewers` of one stream at a time."""
        self._bitrates = bitrates
        self._executor = executor
        self._card = card
        self._metrics = metrics
        self._max_viewers = max_viewers
        self._streams: dict[str, Stream] = {}

    def check_publish(self, name: str, subject: str) -> None:
        """Raise StreamTaken where another one than this subject publishes under a name."""
        stream = self._streams.get(name)
        if stream is not None and stream.subject != subject:
            raise StreamTaken(name)

    def to_publish(self, name: str, subject: str) -> Stream:
        """Return the stream of a name, made if need be; raises StreamTaken."""
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
        everywhere = sum(one.viewer_count for one in self._streams.values())
        for taken, limit in ((stream.viewer_count, 1), (everywhere, ALL_STREAMS)):
            if taken >= limit * self._max_viewers:
                raise TooManyViewers(limit * self._max_viewers)
        return stream

    def close(self) -> None:
        for stream in list(self._streams.values()):
            stream.end()

    def _forget(self, stream: Stream) -> None:
        self._streams.pop(stream.name, None)
        self._metrics.streams.set(len(self._streams))
