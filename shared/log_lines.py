"""Log lines that hold what others have sent: each stays one line.

A parameter's name with a line break in it could forge the next line, and one with an escape sequence change
what a terminal shows.
"""

from __future__ import annotations

import logging
import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Of ASCII, Latin-1 and Unicode, with those that turn the direction of writing."""


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
    handler.setFormatter(OneLine(f"%(asctime)s %(levelname)s {prefix}%(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
