"""What every session of a service uses and none owns."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import zmq
from aiortc import RTCConfiguration

from shared.link_keys import LinkKeys
from shared.traces import Traces
from signaling_service.metrics import Metrics
from signaling_service.rtc.answering import Terms
from signaling_service.rtc.card import Card
from signaling_service.streams.streams import Streams
from signaling_service.workers.results import ResultListener
from signaling_service.workers.table import Workers


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The parts of a service that its sessions share."""

    context: zmq.Context[zmq.Socket[bytes]]
    keys: LinkKeys | None
    workers: Workers
    listener: ResultListener
    metrics: Metrics
    card: Card
    terms: Terms
    streams: Streams
    max_fps: float
    """Frames a second of one camera that go to workers."""
    allowed: Collection[str] | None
    """Filters that callers may use; None: all."""
    traces: Traces | None
    """None: no frame is traced."""
    trace_every: int
    """One frame in so many of each session is."""
    rtc: Callable[[], RTCConfiguration]
    """Makes one for each session, since the credentials of a TURN server may end."""
