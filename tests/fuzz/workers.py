"""What workers tell besides pictures: who they are, where they want frames, which filters they have."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from inference_service.link.peers import Peers
from shared import endpoints, wire
from shared.errors import EndpointError, WireError
from signaling_service.errors import SignalingError
from signaling_service.metrics import Metrics
from signaling_service.strict_json import without_endless
from signaling_service.workers.senders import Peer, Senders
from signaling_service.workers.table import Workers
from tests.fuzz.media import loop

_RESULTS = ("ipc:///run/results.ipc", "tcp://10.0.0.1:5000")
_PARAMS: tuple[dict[str, Any], ...] = ({}, {"strength": 0.5}, {"a": [1, {"b": None}], "strength": "x"})


def wire_status(data: bytes) -> None:
    """A worker's status; what is taken reads the same when it is packed once more, and is of use."""
    with contextlib.suppress(WireError):
        status = wire.unpack_status(data)
        assert repr(wire.unpack_status(wire.pack_status(status))) == repr(status)
        loop().run_until_complete(_enter(status))


async def _enter(status: wire.StatusHeader) -> None:
    for results in _RESULTS:
        Senders(endpoints.parse(results)).why_refused(status, Peer("1", "10.0.0.2"), 1.0)
    workers = Workers(Metrics())
    workers.update(status, 1.0)
    for served in workers.served_filters():
        json.dumps(without_endless(served.status.schema), allow_nan=False)
    for one in status.filters:
        for params in _PARAMS:
            with contextlib.suppress(SignalingError):
                workers.check_choice([one.name], params)
    # A name that is looked up is nobody's business here.
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


def endpoint(data: bytes) -> None:
    """An endpoint that a worker or a frame names."""
    text = data.decode(errors="replace")
    with contextlib.suppress(EndpointError):
        parsed = endpoints.parse(text)
        assert endpoints.parse(str(parsed)) == parsed
    peers = Peers([endpoints.parse(one) for one in _RESULTS])
    if peers.saw(text, 1):
        assert len(peers.wanted(1)) <= len(_RESULTS) + 1
