"""Drains the PULL socket in a thread of its own into the mailbox.

Nothing else happens in that thread: what the kernel or libzmq holds while a batch runs grows old, what lies
in the mailbox is replaced.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from inference_service.engine.mailbox import Mailbox
from inference_service.metrics import Metrics
from shared import binding, sockets, wire
from shared.binding import Binding
from shared.errors import WireError
from shared.gate import Gate
from shared.link_keys import LinkKeys
from shared.wire import FrameHeader

logger = logging.getLogger(__name__)


class Receiver:
    """The worker's end of all lanes."""

    def __init__(
        self,
        mailbox: Mailbox,
        metrics: Metrics,
        on_frame: Callable[[FrameHeader], None],
        keys: LinkKeys | None = None,
    ) -> None:
        """`on_frame` is called in the receiving thread with each header, and must be quick.

        With `keys` only signaling services that have theirs can connect.
        """
        self._mailbox = mailbox
        self._metrics = metrics
        self._on_frame = on_frame
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._gate = Gate(self._context, keys)
        self._thread: threading.Thread | None = None
        self._binding: Binding | None = None

    def open(self, bind: str) -> str:
        """Bind and start to drain; return the endpoint with its true port. Raises BindError."""
        self._gate.open()
        socket = sockets.pull_frames(self._context, self._gate)
        try:
            self._binding = binding.bind(socket, bind)
        except BaseException:
            socket.close()
            raise
        self._thread = threading.Thread(target=self._drain, args=(socket,), name="receiver", daemon=True)
        self._thread.start()
        return self._binding.endpoint

    def close(self) -> None:
        """Stop to receive; safe to call twice."""
        self._gate.close()
        self._context.term()
        if self._thread is not None:
            self._thread.join()
        if self._binding is not None:
            self._binding.release()

    def _drain(self, socket: zmq.Socket[bytes]) -> None:
        while True:
            try:
                parts = socket.recv_multipart(copy=False)
            except zmq.ContextTerminated:
                socket.close()
                return
            except zmq.ZMQError:
                logger.exception("receiving failed")
                self._metrics.frames_dropped["socket"] += 1
                continue
            self._put(parts)

    def _put(self, parts: Sequence[Any]) -> None:
        arrived_ns = time.monotonic_ns()
        try:
            if len(parts) != 1:
                raise WireError("malformed", f"{len(parts)} parts, a frame has one")
            header, planes = wire.unpack_frame(parts[0].buffer)
            self._on_frame(header)
        except WireError as exc:
            self._metrics.frames_dropped[exc.reason] += 1
            return
        except Exception:
            # Whatever a peer sends, the thread that all sessions depend on goes on.
            if not self._metrics.frames_dropped["unexpected"]:
                logger.exception("a frame message could not be read")
            self._metrics.frames_dropped["unexpected"] += 1
            return
        self._mailbox.put(header, planes, arrived_ns)
