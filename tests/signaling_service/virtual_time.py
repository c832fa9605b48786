"""An event loop whose clock jumps: what would wait for seconds is done at once, in the right order."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Jumping(selectors.DefaultSelector):
    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is due, and what is waited for cannot come")
        self.now_s += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Jumping()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end on a clock of its own that begins at 0 s; for work without sockets and threads."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(work)
