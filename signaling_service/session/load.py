"""What its sessions cost a process, measured all the time, and how many more would fit.

Two things run out: the cores, since decoding and encoding release the GIL, and the event loop, which is one
thread. Past either, latency does not rise, it grows without end. What else runs on this host shows as
lateness, how long after its time the loop wakes up, and as waiting: how long it could run and had no core.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from signaling_service.cores import waited_s

WINDOW_S = 3.0
LOOK_EVERY_S = 0.1
FULL = 0.95
"""Of a core or of the loop; at 640x480 and 30 fps p95 of the latency begins to rise here."""
LATE_S = 0.1
"""Where a tenth of the wake-ups are later than this, one more session would only take from the others.
Half of it happens on a machine that is merely busy with something else."""
CALM = 0.85
"""Of the loop: it takes sessions again when it has run or waited for no more than this part of the time, and
a tenth of its wake-ups at most are later than half of LATE_S. Between this and FULL it stays as it was."""
CORES_AT_FIRST = 0.15
LOOP_AT_FIRST = 0.04
"""What a session is taken to cost until it has been measured: 640x480 at 30 fps, both directions."""
LEAST = 0.5
"""Of these: a session whose camera is muted costs next to nothing, and may be unmuted any time."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One look at the clocks; `cpu_s` of all threads, `loop_s` and `waited_s` of the event loop's.

    `waited_s` is the time for which it could run and had no core, 0 where the system does not tell.
    """

    at_s: float
    cpu_s: float
    loop_s: float
    late_s: float
    sessions: int
    waited_s: float = 0.0


class Load:
    """Looks at the clocks of this process; event loop only."""

    def __init__(self, cores: float) -> None:
        """`cores`: how many of them this process may use up."""
        self._cores = cores
        self._looked: deque[Looked] = deque(maxlen=round(WINDOW_S / LOOK_EVERY_S) + 1)
        self._is_crowded = False

    async def run(self, connected: Callable[[], int]) -> None:
        """Look until cancelled; `connected` tells how many sessions are at work."""
        due_s = time.monotonic()
        while True:
            due_s = max(due_s + LOOK_EVERY_S, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())
            now_s = time.monotonic()
            clocks_s = time.process_time(), time.thread_time()
            self.note(Looked(now_s, *clocks_s, now_s - due_s, connected(), waited_s()))

    def note(self, looked: Looked) -> None:
        """Take one look; each is later than the one before."""
        self._looked.append(looked)
        taken = self._busy_loop + self.waiting
        if self.late_s > LATE_S or taken > FULL:
            self._is_crowded = True
        elif self.late_s <= LATE_S / 2 and taken <= CALM:
            self._is_crowded = False

    @property
    def busy_cores(self) -> float:
        """Cores that were in use on average."""
        return self._busy(lambda looked: looked.cpu_s)

    @property
    def late_s(self) -> float:
        """A tenth of the wake-ups were later than this."""
        late = sorted(looked.late_s for looked in self._looked)
        return late[int(0.9 * len(late))] if late else 0.0

    @property
    def waiting(self) -> float:
        """Part of the time for which the loop could run and had no core."""
        return self._busy(lambda looked: looked.waited_s)

    def room(self, sessions: int) -> int:
        """Return how many more fit beside `sessions` of which some are too new to be measured.

        An idle process always takes one: what it costs here can only be found out.
        """
        least = 1 if sessions == 0 else 0
        if self._is_crowded:
            return least
        cores = _fitting(self._cores, self.busy_cores, CORES_AT_FIRST, sessions, self._measured)
        # What others take of the loop's core is not there for a session.
        loop = _fitting(1.0 - self.waiting, self._busy_loop, LOOP_AT_FIRST, sessions, self._measured)
        return max(least, min(cores, loop))

    @property
    def _busy_loop(self) -> float:
        return self._busy(lambda looked: looked.loop_s)

    @property
    def _measured(self) -> int:
        """Sessions that were at work all the time."""
        return min((looked.sessions for looked in self._looked), default=0)

    def _busy(self, clock: Callable[[Looked], float]) -> float:
        if len(self._looked) < 2:
            return 0.0
        first, last = self._looked[0], self._looked[-1]
        return (clock(last) - clock(first)) / (last.at_s - first.at_s)


def _fitting(capacity: float, busy: float, cost_at_first: float, sessions: int, measured: int) -> int:
    cost = max(busy / measured, LEAST * cost_at_first) if measured else cost_at_first
    unmeasured = max(sessions - measured, 0)
    # What the window shows of those that are too new lies in `busy` already: counted twice, to be safe.
    return max(0, int((FULL * capacity - busy - unmeasured * cost) / cost + 1e-9))
