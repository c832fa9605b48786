"""Log lines that hold what others have sent: each stays one line.

A parameter's name with a line break in it could forge the next line, and one with an escape sequence change
what a terminal shows. Lines of one kind are bounded in number, so that a flood of requests fills no disk.
"""

from __future__ import annotations

import codecs
import logging
import re
import time

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


def configure(level: str, prefix: str = "") -> None:
    """Log to standard error from `level` on; `prefix` tells one process from another."""
    handler = logging.StreamHandler()
    handler.addFilter(Bounded())
    handler.setFormatter(OneLine(f"%(asctime)s %(levelname)s {prefix}%(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _escaped(match: re.Match[str]) -> str:
    return _escape(match[0])[0].decode()
