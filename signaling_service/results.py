"""The SUB socket, drained by a thread of its own: status to the table of workers, results to sessions."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import zmq

from shared import endpoints, sockets
from shared.errors import P2PCameraError, WireError
from shared.wire import STATUS_TOPIC, ResultHeader, ResultKind, StatusHeader, unpack_result, unpack_status
from signaling_service.metrics import Metrics

logger = logging.getLogger(__name__)

MAX_NOTICES = 256
"""Errors, progress and status that may wait for the event loop; the oldest give way."""
NO_PLANES = memoryview(b"")


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker answered; `planes` views the message's own memory.

    They are empty unless it is a frame, and also of a frame that a newer one overtook on its way here: its
    times still tell the lane about the worker.
    """

    header: ResultHeader
    planes: memoryview


class ResultsNotBound(P2PCameraError):
    """The endpoint for results cannot be bound; the service cannot start."""


class ResultListener:
    """Binds the SUB, subscribes for sessions, hands over the newest result of each.

    The thread never waits for the event loop: of frames it keeps the newest per session, of everything else
    the last `MAX_NOTICES`, and asks the loop once to fetch what there is.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        bind: str,
        metrics: Metrics,
        on_status: Callable[[StatusHeader], None],
    ) -> None:
        self.reply_to = ""
        """Endpoint that frames name for their results, once bound."""
        self._context = context
        self._bind = bind
        self._metrics = metrics
        self._on_status = on_status
        self._sinks: dict[bytes, Callable[[Result], None]] = {}
        self._lock = threading.Lock()
        self._newest: dict[bytes, Result] = {}
        self._notices: deque[Result | StatusHeader] = deque(maxlen=MAX_NOTICES)
        self._is_asked = False
        self._results: zmq.Socket[bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._orders: zmq.Socket[bytes] | None = None
        self._orders_endpoint = f"inproc://listener-{id(self)}"

    def bind(self) -> None:
        """Bind the endpoint; raises ResultsNotBound, with the reason."""
        if self._results is not None:
            return
        results = sockets.sub_results(self._context)
        try:
            results.bind(self._bind)
        except zmq.ZMQError as exc:
            results.close()
            raise ResultsNotBound(f"cannot bind {self._bind} for results: {exc.strerror}") from exc
        results.subscribe(STATUS_TOPIC)
        self.reply_to = _reachable(self._bind, results.get_string(zmq.LAST_ENDPOINT))
        self._results = results

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to drain; results are delivered on `loop`."""
        self.bind()
        self._loop = loop
        self._orders = self._context.socket(zmq.PAIR)
        self._orders.bind(self._orders_endpoint)
        self._thread = threading.Thread(target=self._drain, name="results", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and its socket; safe to call twice."""
        if self._orders is not None and self._thread is not None:
            self._orders.send(b"")
            self._thread.join()
            self._orders.close()
            self._orders = self._thread = None
        elif self._results is not None:
            self._results.close()
        self._results = None

    def subscribe(self, session: bytes, sink: Callable[[Result], None]) -> None:
        """Deliver results of `session` to `sink`, on the event loop."""
        self._sinks[session] = sink
        self._order(b"+" + session)

    def unsubscribe(self, session: bytes) -> None:
        self._sinks.pop(session, None)
        self._order(b"-" + session)

    def _order(self, order: bytes) -> None:
        if self._orders is not None:
            self._orders.send(order)

    # On the event loop

    def _deliver(self) -> None:
        with self._lock:
            newest, self._newest = self._newest, {}
            notices = list(self._notices)
            self._notices.clear()
            self._is_asked = False
        for notice in notices:
            if isinstance(notice, StatusHeader):
                self._on_status(notice)
            else:
                self._sink(notice)
        for result in newest.values():
            self._sink(result)

    def _sink(self, result: Result) -> None:
        if sink := self._sinks.get(result.header.session):
            sink(result)

    # On the thread

    def _drain(self) -> None:
        results = self._results
        assert results is not None
        orders = self._context.socket(zmq.PAIR)
        orders.connect(self._orders_endpoint)
        poller = zmq.Poller()
        poller.register(results, zmq.POLLIN)
        poller.register(orders, zmq.POLLIN)
        try:
            while True:
                ready = dict(poller.poll())
                if orders in ready and not self._obey(orders, results):
                    return
                if results in ready:
                    self._take_all(results)
        finally:
            orders.close()
            results.close()

    def _obey(self, orders: zmq.Socket[bytes], results: zmq.Socket[bytes]) -> bool:
        order = orders.recv()
        if order.startswith(b"+"):
            results.subscribe(order[1:])
        elif order.startswith(b"-"):
            results.unsubscribe(order[1:])
        return bool(order)

    def _take_all(self, results: zmq.Socket[bytes]) -> None:
        try:
            while True:
                self._take(results.recv_multipart(zmq.NOBLOCK, copy=False))
        except zmq.Again:
            pass

    def _take(self, parts: list[zmq.Frame]) -> None:
        try:
            if len(parts) != 2:
                raise WireError("malformed", f"{len(parts)} parts, expected 2")
            topic = parts[0].bytes
            if topic == STATUS_TOPIC:
                self._keep(unpack_status(parts[1].buffer))
                return
            header, planes = unpack_result(parts[1].buffer)
            if header.session != topic:
                raise WireError("malformed", "topic and session differ")
            self._keep(Result(header, planes))
        except WireError as exc:
            self._metrics.wire_errors.labels(exc.reason).inc()
            logger.debug("message dropped: %s", exc)

    def _keep(self, message: Result | StatusHeader) -> None:
        assert self._loop is not None
        with self._lock:
            if isinstance(message, Result) and message.header.kind is ResultKind.FRAME:
                waiting = self._newest.get(message.header.session)
                newer, older = message, waiting
                if waiting is not None and _is_newer(waiting.header, message.header):
                    newer, older = waiting, message
                self._newest[message.header.session] = newer
                if older is not None:
                    self._notices.append(Result(older.header, NO_PLANES))
            else:
                self._notices.append(message)
            if self._is_asked:
                return
            self._is_asked = True
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            logger.debug("the event loop is closed")


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
