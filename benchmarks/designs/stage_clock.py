"""Counts the CPU and wall time of named stages, in any thread, nested ones taken out of their callers.

Reading a thread's CPU clock costs about a microsecond, so a frame that crosses some thirty boundaries is
measured at a cost of some hundredths of a millisecond; nothing of this is in the services themselves.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

Value = TypeVar("Value")


@dataclass(slots=True)
class Total:
    """All that one stage has taken so far."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    count: int = 0


@dataclass(slots=True)
class _Open:
    stage: str
    cpu_s: float
    wall_s: float
    inner_cpu_s: float = 0.0
    inner_wall_s: float = 0.0


@dataclass(slots=True)
class Stages:
    """The counters of a process."""

    totals: dict[str, Total] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _local: threading.local = field(default_factory=threading.local)

    def timed(self, stage: str, function: Callable[..., Value]) -> Callable[..., Value]:
        """Return `function`, measured."""

        @functools.wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Value:
            self._begin(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self._end(1)

        return measured

    def timed_async(
        self, stage: str, function: Callable[..., Awaitable[Value]]
    ) -> Callable[..., Awaitable[Value]]:
        """Return a coroutine function, measured while it runs and not while it waits."""

        @functools.wraps(function)
        async def measured(*args: Any, **kwargs: Any) -> Value:
            return await _Slices(self, stage, function(*args, **kwargs))

        return measured

    def add_wait(self, stage: str, wall_s: float) -> None:
        """Count time that passed without CPU."""
        with self._lock:
            total = self.totals.setdefault(stage, Total())
            total.wall_s += wall_s
            total.count += 1

    def _begin(self, stage: str) -> None:
        self._stack().append(_Open(stage, time.thread_time(), time.monotonic()))

    def _end(self, count: int) -> None:
        stack = self._stack()
        one = stack.pop()
        cpu_s, wall_s = time.thread_time() - one.cpu_s, time.monotonic() - one.wall_s
        if stack:
            stack[-1].inner_cpu_s += cpu_s
            stack[-1].inner_wall_s += wall_s
        with self._lock:
            total = self.totals.setdefault(one.stage, Total())
            total.cpu_s += cpu_s - one.inner_cpu_s
            total.wall_s += wall_s - one.inner_wall_s
            total.count += count

    def _stack(self) -> list[_Open]:
        try:
            stack: list[_Open] = self._local.stack
        except AttributeError:
            stack = self._local.stack = []
        return stack


class _Slices(Awaitable[Value]):
    """Measures an awaitable from each resumption to the next suspension."""

    def __init__(self, stages: Stages, stage: str, inner: Awaitable[Value]) -> None:
        self._stages, self._stage, self._inner = stages, stage, inner

    def __await__(self) -> Generator[Any, Any, Value]:
        steps = self._inner.__await__()
        resume: Callable[[], Any] = functools.partial(next, steps)
        while True:
            self._stages._begin(self._stage)
            is_over = 1
            try:
                waits_for = resume()
                is_over = 0
            except StopIteration as end:
                value: Value = end.value
                return value
            finally:
                self._stages._end(is_over)
            try:
                sent = yield waits_for
                resume = (
                    functools.partial(next, steps) if sent is None else functools.partial(steps.send, sent)
                )
            except BaseException as exc:
                resume = functools.partial(steps.throw, exc)
