"""What `doctor` finds: one thing that it has looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    """Calls work, but not all that could; or the operator should know it."""
    BAD = "bad"
    """Calls do not work, or will soon not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the report; `remedy` says what to do, where something is to be done."""

    what: str
    level: Level
    text: str
    remedy: str = ""


def ok(what: str, text: str) -> Finding:
    return Finding(what, Level.OK, text)


def warn(what: str, text: str, remedy: str = "") -> Finding:
    return Finding(what, Level.WARN, text, remedy)


def bad(what: str, text: str, remedy: str) -> Finding:
    return Finding(what, Level.BAD, text, remedy)
