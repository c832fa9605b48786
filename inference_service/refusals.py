"""How an operator hears what is wrong with the settings."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import NoReturn

from inference_service import exit_codes

PREFIX = "INFERENCE_"


def fault(field: str, message: str) -> str:
    """Name a setting the way an operator gives it, and say what is wrong with it."""
    return f"--{field.replace('_', '-')} / {PREFIX}{field.upper()}: {message}"


def refuse(faults: Iterable[str]) -> NoReturn:
    """Print the faults, a line each, and exit with 2."""
    for line in faults:
        sys.stderr.write(f"{line}\n")
    raise SystemExit(exit_codes.REFUSED)
