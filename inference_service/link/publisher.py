"""One thread that alone touches the PUB socket: results as soon as they are there, status every 250 ms."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import zmq

from inference_service.engine.answers import Result
from inference_service.link.peers import LookUp, Peers
from inference_service.metrics import Metrics
from shared import sockets, wire
from shared.endpoints import Endpoint
from shared.link_keys import LinkKeys
from shared.wire import STATUS_TOPIC, FrameHeader, StatusHeader

logger = logging.getLogger(__name__)

STATUS_EVERY_S = 0.25
METRICS_EVERY_S = 10.0
MAX_OUTBOX = 512
LAST_WORDS_MS = 300
"""How long the last results and the last status may take to leave when the publisher closes."""


class Publisher:
    """Results and status to all signaling services."""

    def __init__(
        self,
        signaling: Sequence[Endpoint],
        status: Callable[[], StatusHeader],
        metrics: Metrics,
        keys: LinkKeys | None = None,
    ) -> None:
        """`status` is called in the publisher's thread and must be quick.

        With `keys` only signaling services that have theirs are told anything.
        """
        self._keys = keys
        self._peers = Peers(signaling)
        self._look_up = LookUp(self._peers, self.announce)
        self._status = status
        self._metrics = metrics
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._changed = threading.Condition()
        self._outbox: deque[Result] = deque(maxlen=MAX_OUTBOX)
        self._status_due_s = 0.0
        self._is_ending = False
        self._refusal_logged = False

    def open(self) -> None:
        """Connect, and publish the first status."""
        self._thread.start()
        self._look_up.open()

    def close(self) -> None:
        """Publish what is left and a last status, then close; safe to call twice."""
        self._look_up.close()
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._context.term()

    def publish(self, results: Iterable[Result]) -> None:
        """Send these soon; never blocks. The oldest are discarded where the thread does not keep up."""
        with self._changed:
            for result in results:
                if len(self._outbox) == MAX_OUTBOX:
                    self._metrics.results_discarded += 1
                self._outbox.append(result)
            self._changed.notify_all()

    def announce(self) -> None:
        """Publish a status now, and connect to peers that have become known."""
        with self._changed:
            self._status_due_s = 0.0
            self._changed.notify_all()

    def saw(self, header: FrameHeader) -> None:
        """Connect to where this frame's result is awaited, if that is allowed. Called for every frame."""
        is_new = self._peers.saw(header.reply_to, time.monotonic_ns())
        if is_new:
            self.announce()
        elif is_new is None:
            self._metrics.replies_refused += 1
            if not self._refusal_logged:
                self._refusal_logged = True
                logger.warning(
                    "session %s: no connection to %.80r, which is not at a host given by --signaling",
                    header.session.hex(),
                    header.reply_to,
                )

    def _run(self) -> None:
        socket = sockets.pub_results(self._context, self._keys)
        connected: set[str] = set()
        metrics_due_s = time.monotonic() + METRICS_EVERY_S
        metrics_line = ""
        ended = False
        while not ended:
            results, ended = self._wait()
            now_s = time.monotonic()
            is_status_due = ended or now_s >= self._status_due_s
            if is_status_due:
                # First of all: who asks for a status again meanwhile gets another one.
                self._status_due_s = now_s + STATUS_EVERY_S
                connected = _reconnect(socket, connected, self._peers.wanted(time.monotonic_ns()))
            for result in results:
                socket.send_multipart([result.topic, result.message], copy=False)
            self._metrics.results_published += len(results)
            if is_status_due:
                self._send_status(socket)
            if now_s >= metrics_due_s:
                metrics_due_s = now_s + METRICS_EVERY_S
                if metrics_line != (metrics_line := self._metrics.line()):
                    logger.info("totals: %s", metrics_line)
        socket.close(linger=LAST_WORDS_MS)

    def _wait(self) -> tuple[list[Result], bool]:
        with self._changed:
            while not self._outbox and not self._is_ending:
                left_s = self._status_due_s - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            results = list(self._outbox)
            self._outbox.clear()
            return results, self._is_ending

    def _send_status(self, socket: zmq.Socket[bytes]) -> None:
        try:
            message = wire.pack_status(self._status())
        except Exception:
            # Without status the worker would be lost to everyone; the next one may be good again.
            logger.exception("the status could not be packed")
            return
        socket.send_multipart([STATUS_TOPIC, message])


def _reconnect(socket: zmq.Socket[bytes], connected: set[str], wanted: set[str]) -> set[str]:
    for endpoint in connected - wanted:
        socket.disconnect(endpoint)
    now_connected = connected & wanted
    for endpoint in wanted - connected:
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as exc:
            logger.warning("results cannot be sent to %s: %s", endpoint, exc.strerror)
            continue
        now_connected.add(endpoint)
    return now_connected
