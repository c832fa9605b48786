"""What `--help` says of values and defaults, in words and not in Python's notation."""

from __future__ import annotations

import argparse
import ast
import re
from typing import Any

VALUES = {
    "str": "TEXT",
    "int": "N",
    "float": "N",
    "Path": "PATH",
    "tuple[str,...]": "A,B,...",
    "tuple[JSON,...]": "A,B,...|JSON",
    "dict[str,dict[str,Any]]": "JSON",
}
DEFAULT = "(default"


def in_words(parser: argparse.ArgumentParser) -> None:
    """Rewrite the help of every flag; a default that the description has told is not told again."""
    for action in parser._actions:
        if isinstance(action.metavar, str):
            action.metavar = VALUES.get(action.metavar, re.sub(r"tuple\[.*\]", "A,B,...", action.metavar))
        told, is_added, default = (action.help or "").rpartition(DEFAULT)
        if is_added:
            # As pydantic adds it: `(default: VALUE)`, or `(default factory: NAME)`, which says nothing.
            words = f"{DEFAULT}: {_in_words(default.removeprefix(': ').removesuffix(')'))})"
            action.help = told.rstrip() if DEFAULT in told else told + words


def _in_words(default: str) -> str:
    try:
        value: Any = ast.literal_eval(default)
    except (SyntaxError, ValueError):
        value = default
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        value = ",".join(value)
    return str(value) if value or value == 0 else "none"
