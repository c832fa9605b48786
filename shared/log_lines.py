"""Log lines that hold what others have sent: each stays one line.

A parameter's name with a line break in it could forge the next line, and one with an escape sequence change
what a terminal shows. Lines of one kind are bounded in number, so that a flood of requests fills no disk.
"""

from __future__ import annotations

import codecs
import json
import logging
import re
import time
from datetime import UTC, datetime
from typing import Literal

from shared.log_ids import Ids

LogFormat = Literal["text", "json"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Of ASCII, Latin-1 and Unicode, with those that turn the direction of writing."""


# Python loads it on first use, which fails where the line is that no file can be opened any more.
_escape = codecs.getencoder("unicode_escape")

BURST = 20
WINDOW_S = 10.0
"""So many lines of one kind are written in this time."""
_MAX_KINDS = 1_000


class Bounded(logging.Filter):
    """Leaves out lines of one kind that come too often, and has the next one say how many were left out.

    A kind is a place in the code with the beginning of its text before values are filled in.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        kind = (record.pathname, record.lineno, str(record.msg)[:20])
        now_s = time.monotonic()
        since_s, count = self._kinds.get(kind, (now_s, 0))
        if now_s - since_s >= WINDOW_S:
            if count > BURST:
                record.msg = f"{record.getMessage()} ({count - BURST} lines like this were left out before)"
                record.args = None
            since_s, count = now_s, 0
        if kind not in self._kinds and len(self._kinds) >= _MAX_KINDS:
            self._kinds.clear()
        self._kinds[kind] = since_s, count + 1
        return count < BURST


class OneLine(logging.Formatter):
    """Escapes control characters in the message; a traceback keeps its lines, each of them indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class names it
        """Return the line, without a traceback."""
        return _CONTROL.sub(_escaped, super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802 - the same
        """Return a traceback that cannot look like lines of the log."""
        text = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join("    " + _CONTROL.sub(_escaped, line) for line in text.split("\n"))


class OneObject(logging.Formatter):
    """Writes a line as one JSON object, in ASCII; a field without a value is left out."""

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the object; `time` is RFC 3339 in UTC."""
        time_ = datetime.fromtimestamp(record.created, UTC)
        found = {
            "time": time_.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": self._process,
            "session": getattr(record, "session", ""),
            "worker": getattr(record, "worker", ""),
            "message": record.getMessage(),
            "traceback": self.formatException(record.exc_info) if record.exc_info else "",
        }
        return json.dumps({name: value for name, value in found.items() if value})


def configure(level: str, format_: LogFormat = "text", process: str = "") -> Ids:
    """Log to standard error from `level` on; `process` tells one of several from another.

    Returns what gives each line its ids.
    """
    handler, ids = logging.StreamHandler(), Ids()
    handler.addFilter(Bounded())
    handler.addFilter(ids)
    prefix = f"{process} " if process else ""
    text = f"%(asctime)s %(levelname)s {prefix}%(name)s%(ids)s: %(message)s"
    handler.setFormatter(OneObject(process) if format_ == "json" else OneLine(text))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    return ids


def _escaped(match: re.Match[str]) -> str:
    return _escape(match[0])[0].decode()
