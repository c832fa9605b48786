"""What both services say of an operator's settings: each fault by the names of its setting, a line each."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from shared.errors import P2PCameraError


@dataclass(frozen=True, slots=True)
class Naming:
    """How the settings of one service are named."""

    prefix: str
    """Of its variables."""

    def named(self, field: str, fault: str) -> str:
        """Return a fault with the two names of its setting: the flag, and the variable."""
        return f"--{field.replace('_', '-')} / {self.prefix}{field.upper()}: {fault}"

    def told(self, error: Mapping[str, Any]) -> str:
        """Return the line for an error of pydantic's; one of several fields has named its settings itself."""
        message = str(error["msg"]).removeprefix("Value error, ")
        return self.named(str(error["loc"][0]), message) if error["loc"] else message


@contextmanager
def told_as_value() -> Iterator[None]:
    """Turn an error of this project into the ValueError that a validator raises, with the same words."""
    try:
        yield
    except P2PCameraError as exc:
        raise ValueError(str(exc)) from exc


def refuse(faults: Iterable[str]) -> NoReturn:
    """Print the faults, a line each, and exit with 2."""
    for line in faults:
        sys.stderr.write(f"{line}\n")
    raise SystemExit(2)


def split(text: str) -> list[str]:
    """Return the parts of a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]
