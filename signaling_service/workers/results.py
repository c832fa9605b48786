"""The SUB socket, drained on the event loop: status to the table of workers, results to sessions."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import zmq

from shared import binding, endpoints, sockets
from shared.binding import Binding
from shared.endpoints import Endpoint
from shared.errors import BindError, P2PCameraError, WireError
from shared.gate import Gate
from shared.link_keys import LinkKeys
from shared.wire import STATUS_TOPIC, ResultHeader, ResultKind, StatusHeader, unpack_result, unpack_status
from signaling_service.metrics import Metrics
from signaling_service.workers.senders import Peer, Senders

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 256
"""Messages taken before the loop's other work has its turn: four times what may wait in the socket."""
NO_PLANES = memoryview(b"")
ASIDE_PORTS = 100
"""So many behind the first port a service takes results that has made way for its successor."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker answered; `planes` views the message's own memory.

    They are empty unless it is a frame. They are also empty for a frame that a newer one has overtaken: its
    times still tell the lane about the worker.
    """

    header: ResultHeader
    planes: memoryview


class ResultsNotBound(P2PCameraError):
    """The endpoint for results cannot be bound; the service cannot start."""


class ResultListener:
    """Binds the SUB, subscribes for sessions, hands over the newest result of each. Event loop only.

    All that has come is taken before any of it is handed over, so a loop that was held up shows no old frame.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        bind: str,
        metrics: Metrics,
        on_status: Callable[[StatusHeader], None],
        keys: LinkKeys | None = None,
    ) -> None:
        """With `keys` only workers that have theirs can connect; without, only ipc should be bound."""
        self.reply_to = ""
        """Endpoint that frames name for their results, once bound."""
        self._context = context
        self._bind = bind
        self._metrics = metrics
        self._on_status = on_status
        self._gate = Gate(context, keys)
        self._senders = Senders(endpoints.parse(bind))
        self._sinks: dict[bytes, Callable[[Result], None]] = {}
        self._results: zmq.Socket[bytes] | None = None
        self._binding: Binding | None = None
        self._aside: Binding | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._descriptor = -1

    def bind(self) -> None:
        """Bind the endpoint; raises ResultsNotBound, with the reason."""
        if self._results is not None:
            return
        self._gate.open()
        results = sockets.sub_results(self._context, self._gate)
        try:
            self._binding = binding.bind(results, self._bind)
        except BindError as exc:
            results.close()
            raise ResultsNotBound(f"results: {exc}") from exc
        results.subscribe(STATUS_TOPIC)
        self.reply_to = _reachable(self._bind, self._binding.endpoint)
        self._results = results

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to drain, on `loop`."""
        self.bind()
        assert self._results is not None
        self._loop = loop
        self._descriptor = int(self._results.getsockopt(zmq.FD))
        loop.add_reader(self._descriptor, self._drain)
        self._drain_soon()

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        if self._loop is not None:
            self._loop.remove_reader(self._descriptor)
            self._loop = None
        if self._results is not None:
            self._results.close()
            self._results = None
        self._gate.close()
        for one in (self._binding, self._aside):
            if one is not None:
                one.release()
        self._binding = self._aside = None

    def step_aside(self) -> None:
        """Take results at a second endpoint too; raises ResultsNotBound.

        Workers connect to it when they see a frame that names it (`reply_to`).
        """
        assert self._results is not None
        wanted = str(aside(endpoints.parse(self._bind)))
        try:
            self._aside = binding.bind(self._results, wanted)
        except BindError as exc:
            raise ResultsNotBound(f"results: {exc}") from exc
        self.reply_to = _reachable(wanted, self._aside.endpoint)

    def make_way(self) -> bool:
        """Free the first endpoint for a successor; no where no worker has come to the second one."""
        assert self._results is not None
        assert self._binding is not None
        if self._aside is None or not self._senders.come_again:
            return False
        self._results.unbind(self._binding.endpoint)
        self._binding.release()
        self._binding, self._aside = self._aside, None
        self._senders.begin_anew()
        self._drain_soon()
        return True

    def subscribe(self, session: bytes, sink: Callable[[Result], None]) -> None:
        """Deliver results of `session` to `sink`."""
        self._sinks[session] = sink
        if self._results is not None:
            self._results.subscribe(session)
            self._drain_soon()

    def unsubscribe(self, session: bytes) -> None:
        """Deliver nothing more of it."""
        self._sinks.pop(session, None)
        if self._results is not None:
            self._results.unsubscribe(session)
            self._drain_soon()

    def _drain_soon(self) -> None:
        # The descriptor tells of changes, not of a state: what some other call took in, it tells no more.
        if self._loop is not None:
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        newest: dict[bytes, Result] = {}
        others: list[Result | StatusHeader] = []
        for _ in range(MOST_AT_ONCE):
            try:
                message = self._next()
            except zmq.Again:
                break
            except WireError as exc:
                self._metrics.wire_errors.labels(exc.reason).inc()
                logger.debug("message dropped: %s", exc)
                continue
            if isinstance(message, StatusHeader) or message.header.kind is not ResultKind.FRAME:
                others.append(message)
            elif older := _put_newer(newest, message):
                others.append(Result(older.header, NO_PLANES))
        else:
            self._drain_soon()
        # Last, since the descriptor is silent until everything is taken, whatever fails here.
        for message in (*others, *newest.values()):
            if isinstance(message, StatusHeader):
                self._on_status(message)
            elif sink := self._sinks.get(message.header.session):
                sink(message)

    def _next(self) -> Result | StatusHeader:
        """Return the next message; raises zmq.Again where none waits, WireError where it is malformed."""
        results = self._results
        if results is None:
            raise zmq.Again
        topic = results.recv(zmq.NOBLOCK)
        parts: list[zmq.Frame] = []
        while results.getsockopt(zmq.RCVMORE):
            parts.append(results.recv(zmq.NOBLOCK, copy=False))
        if len(parts) != 1:
            raise WireError("malformed", f"{1 + len(parts)} parts, expected 2")
        message = parts[0].buffer
        if topic == STATUS_TOPIC:
            status = unpack_status(message)
            peer = Peer(str(parts[0].get("User-Id")), str(parts[0].get("Peer-Address")))
            if reason := self._senders.why_refused(status, peer, time.monotonic()):
                raise WireError(reason, f"worker {status.worker!r} from {peer.address!r}")
            return status
        header, planes = unpack_result(message)
        if header.session != topic:
            raise WireError("malformed", "topic and session differ")
        return Result(header, planes)


def aside(results: Endpoint) -> Endpoint:
    """Return where a service takes results that makes way: in the same folder, or on the same host."""
    if results.transport == "ipc":
        path = PurePosixPath(results.host)
        # Services in several containers share the folder, and may have the same process id.
        return replace(results, host=str(path.with_name(f"{path.stem}-{secrets.token_hex(3)}{path.suffix}")))
    return replace(results, port=0 if results.is_loopback_only else results.port + ASIDE_PORTS)


def _put_newer(newest: dict[bytes, Result], result: Result) -> Result | None:
    """Keep the newer one of each session; returns the older, if there are two."""
    session = result.header.session
    kept = newest.get(session)
    if kept is not None and _is_newer(kept.header, result.header):
        return result
    newest[session] = result
    return kept


def _is_newer(one: ResultHeader, other: ResultHeader) -> bool:
    return (one.generation, one.sequence) > (other.generation, other.sequence)


def _reachable(wanted: str, bound: str) -> str:
    """Return what workers are told: `wanted`, with the port that was found for it and an address for `*`."""
    endpoint = endpoints.parse(wanted)
    if endpoint.transport == "ipc":
        return wanted
    # Only another host's worker minds the address.
    host = _own_address() if endpoint.host in ("*", "0.0.0.0", "::") else endpoint.host  # noqa: S104
    return str(replace(endpoint, host=host, port=endpoints.parse(bound).port))


def _own_address() -> str:
    try:
        return str(socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)[0][4][0])
    except OSError:
        return "127.0.0.1"
