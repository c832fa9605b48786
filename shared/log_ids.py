"""Whose a log line is: the session that a task works for, and the worker that it is about or comes from."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_session: ContextVar[str] = ContextVar("p2pcamera_session", default="")


@contextmanager
def of_session(name: str) -> Iterator[None]:
    """Give every line from within this block its session, and those of tasks that are made in it."""
    token = _session.set(name)
    try:
        yield
    finally:
        _session.reset(token)


class Ids(logging.Filter):
    """Puts `session`, `worker` and `ids` into each record; `extra={"session": ...}` of a line goes first."""

    worker = ""
    """The worker that this process is, once it has an id."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True: every line is written."""
        found = {
            "session": getattr(record, "session", "") or _session.get(),
            "worker": getattr(record, "worker", "") or self.worker,
        }
        record.__dict__ |= found
        said = ", ".join(f"{name} {id_}" for name, id_ in found.items() if id_)
        record.ids = f" [{said}]" if said else ""
        return True
