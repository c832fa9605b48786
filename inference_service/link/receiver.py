"""Drains the PULL socket in a thread of its own into the mailbox.

Nothing else happens in that thread: what the kernel or libzmq holds while a batch runs grows old, what lies
in the mailbox is replaced.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import zmq

from inference_service.engine.mailbox import Mailbox
from inference_service.metrics import Metrics
from shared import sockets, wire
from shared.errors import WireError
from shared.wire import FrameHeader

logger = logging.getLogger(__name__)


class Receiver:
    """The worker's end of all lanes."""

    def __init__(self, mailbox: Mailbox, metrics: Metrics, on_frame: Callable[[FrameHeader], None]) -> None:
        """`on_frame` is called in the receiving thread with each header, and must be quick."""
        self._mailbox = mailbox
        self._metrics = metrics
        self._on_frame = on_frame
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._thread: threading.Thread | None = None
        self._file: _File | None = None

    def open(self, bind: str) -> str:
        """Bind and start to drain; return the endpoint with its true port. Raises zmq.ZMQError."""
        socket = sockets.pull_frames(self._context)
        try:
            socket.bind(bind)
        except zmq.ZMQError:
            socket.close()
            raise
        endpoint = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._file = _File.of(endpoint)
        self._thread = threading.Thread(target=self._drain, args=(socket,), name="receiver", daemon=True)
        self._thread.start()
        return endpoint

    def close(self) -> None:
        """Stop to receive; safe to call twice."""
        self._context.term()
        if self._thread is not None:
            self._thread.join()
        if self._file is not None:
            self._file.remove()

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


@dataclass(frozen=True, slots=True)
class _File:
    """The file of an ipc endpoint, which libzmq leaves behind."""

    path: Path
    inode: int

    @classmethod
    def of(cls, endpoint: str) -> Self | None:
        if not endpoint.startswith("ipc://"):
            return None
        path = Path(endpoint.removeprefix("ipc://"))
        try:
            return cls(path, path.stat().st_ino)
        except OSError:  # An abstract socket (ipc://@name) has no file.
            return None

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            # Another worker may have bound the same path meanwhile.
            if self.path.stat().st_ino == self.inode:
                self.path.unlink()
