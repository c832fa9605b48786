"""How much of the event loop's thread one page may take, from the system's buffer on.

All calls of a process share that thread. What a page sends has to be read, looked at, decrypted and parsed,
and each of these can be made to cost more than the sending of it. So a page has one budget for all of it,
which is asked before its datagrams are read. What is not read waits in the system's buffer, and is dropped
there when that is full. That takes nothing of this thread's time.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import aioice.ice

from signaling_service.cores import waited_s

SHARE = 0.125
"""Of a core, for handling what one page sends. A camera of 640x480 takes a fiftieth of a core.

Where other programs want this thread's core too, it is this part of what the thread gets. Beside eight of
them a fixed part of a core would be all that there is."""
BURST_S = 0.05
"""Of such time. It was saved while nothing came, as when this process stood still."""
ADD_EVERY_S = 0.02


class HandlingTime:
    """A budget of this thread's CPU time; event loop only."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.thread_time,
        waited_clock: Callable[[], float] = waited_s,
    ) -> None:
        """`waited_clock` tells for how long this thread could run and had no core."""
        self._clock, self._cpu_clock, self._waited_clock = clock, cpu_clock, waited_clock
        self._left_s = BURST_S
        self._at_s, self._waited_s = clock(), waited_clock()
        """When the budget was last added to."""
        self._looked_s: float | None = None
        """On the CPU's clock, while something is handled."""

    def begin(self) -> bool:
        """Tell whether something may be handled now; all is charged from here to `end`."""
        self._looked_s = self._cpu_clock()
        now_s = self._clock()
        if now_s - self._at_s >= ADD_EVERY_S:
            waited_s = self._waited_clock()
            had_s = now_s - self._at_s - (waited_s - self._waited_s)
            self._left_s = min(BURST_S, self._left_s + SHARE * max(0.0, had_s))
            self._at_s, self._waited_s = now_s, waited_s
        return self._left_s > 0

    def goes_on(self) -> bool:
        """Take what it has cost so far off the budget; tell whether something is left."""
        now_s = self._cpu_clock()
        if self._looked_s is not None:
            self._left_s -= now_s - self._looked_s
            self._looked_s = now_s
        return self._left_s > 0

    def end(self) -> None:
        """Take what it has cost off the budget, which may so become less than nothing."""
        self.goes_on()
        self._looked_s = None

    @property
    def pause_s(self) -> float:
        """For how long nothing may be handled, as things stand."""
        return max(ADD_EVERY_S, -self._left_s / SHARE)


class PausingReader:
    """Has a socket read while its page has time left, and leaves it alone until there is more."""

    def __init__(self, of: socket.socket, read: Callable[[HandlingTime], None], budget: HandlingTime) -> None:
        """`read` asks the budget again while it reads. It may close this reader."""
        self._socket, self._read, self._budget = of, read, budget
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pause: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Read from now on."""
        self._loop = asyncio.get_running_loop()
        self._resume()

    def close(self) -> None:
        """Read no more; before the socket is closed, and safe to call twice."""
        if self._loop is None:
            return
        if self._pause is None:
            self._loop.remove_reader(self._socket)
        else:
            self._pause.cancel()
        self._loop = self._pause = None

    def _resume(self) -> None:
        assert self._loop is not None
        self._pause = None
        self._loop.add_reader(self._socket, self._run)

    def _run(self) -> None:
        assert self._loop is not None
        if self._budget.begin():
            try:
                self._read(self._budget)
            finally:
                self._budget.end()
        else:
            self._loop.remove_reader(self._socket)
            self._pause = self._loop.call_later(self._budget.pause_s, self._resume)


def time_of(connection: aioice.ice.Connection) -> HandlingTime:
    """Return the budget of the page at the other end, which all its sockets share."""
    if (budget := getattr(connection, "handling_time", None)) is None:
        budget = connection.handling_time = HandlingTime()  # type: ignore[attr-defined]
    return budget
