"""HTTP connections with bounds: how many there are, how long each may send a request, read, or be idle.

uvicorn has a limit for the last alone. Half requests, and answers that nobody reads, would be held until the
process has no descriptor left.
"""

from __future__ import annotations

import asyncio
import resource
from functools import cache
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from signaling_service.errors import MalformedRequest
from signaling_service.http.answers import error_response
from signaling_service.http.listening import BACKLOG

HEADERS_S = 10.0
BODY_S = 30.0
"""A request's headers, and its body, must be there within these times. A user's own picture has 1 MB."""
READ_S = 30.0
"""What this host holds of an answer must have left within this time; of a file that is 64 KB."""
KEEP_ALIVE_S = 75.0
"""A connection may be idle for so long between requests. Balancers and proxies keep one for up to a minute
(nginx and the clouds' do). With uvicorn's 5 s theirs would now and then be reset under a new request."""
TLS_S = 10.0
MOST = 1_000
DESCRIPTORS_BESIDE = 64
"""What a process without any session has open, and some more."""


class BoundedConnection(H11Protocol):
    """Closes a connection that sends half a request or does not read, and the oldest such where there are
    too many.
    """

    _phase = ""
    _timer: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None
    _since_s = 0.0
    _has_answered = False

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.timeout_keep_alive = KEEP_ALIVE_S  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for this one, or close it where everybody else is being answered."""
        super().connection_made(transport)
        # So that it is told of whatever waits to be sent, and when that has left. With 0, asyncio's TLS would
        # hold back the first byte, since nothing waits there too.
        transport.set_write_buffer_limits(high=1, low=0)
        self._since_s = self.loop.time()
        self._look()
        if len(self.connections) <= most_connections():
            return
        waiting = [one for one in self.connections if isinstance(one, BoundedConnection) and one._is_waiting]
        min(waiting, key=lambda one: one._since_s, default=self)._abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._has_answered = True
        self._since_s = self.loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reading is None:
            self._reading = self.loop.call_later(READ_S, self._abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter("")
        if self._reading is not None:
            self._reading.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as all errors are, and close; say nothing where another answer has begun."""
        if self.cycle is not None and not self.cycle.response_complete:
            # Its request has a fault further on. What answers it would find the connection in another state.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = error_response(MalformedRequest("expected a request of HTTP/1.1"))
            headers = [*answer.raw_headers, (b"connection", b"close")]
            head = h11.Response(status_code=answer.status_code, headers=headers, reason=b"Bad Request")
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: anybody can ask for another protocol, and is answered by this one."""

    @property
    def _is_waiting(self) -> bool:
        """Whether it is the client's turn: half a request or nothing has come since the last answer, or the
        answer is not read.
        """
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY) or self.flow.write_paused

    def _look(self) -> None:
        is_kept_alive = self.timeout_keep_alive_task is not None
        if self.conn.their_state is h11.SEND_BODY:
            self._enter("body", BODY_S)
        elif self.conn.their_state is h11.IDLE and not is_kept_alive:
            # The rest of a request that was refused before it was there leaves uvicorn's own timer off.
            is_between = self._has_answered and not self.conn.trailing_data[0]
            self._enter("idle" if is_between else "headers", KEEP_ALIVE_S if is_between else HEADERS_S)
        else:
            self._enter("")

    def _enter(self, phase: str, limit_s: float = 0.0) -> None:
        if phase == self._phase:
            return
        self._phase = phase
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(limit_s, self._abort) if phase else None

    def _abort(self) -> None:
        self.transport.abort()
        # At once, and not when the loop comes to it: who connects next counts those that are left.
        self.connections.discard(self)


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's own, with a shorter limit for a TLS handshake than its 60 s."""

    async def create_server(self, *args: Any, ssl: Any = None, **given: Any) -> asyncio.Server:
        """Listen as the base class does."""
        if ssl is not None:
            given.setdefault("ssl_handshake_timeout", TLS_S)
        return await super().create_server(*args, ssl=ssl, **given)


@cache
def most_connections() -> int:
    """Return how many there may be: half of the descriptors that are free, or `MOST`."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # So many are accepted before the first of them can be closed.
    return max(16, min(MOST, (soft - DESCRIPTORS_BESIDE - BACKLOG) // 2))


def raise_descriptor_limit() -> None:
    """Take as many descriptors as the system lets this user have; a call needs several."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
