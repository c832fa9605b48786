"""What `python -m inference_service COMMAND` does beside running a worker; each has a `main` of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from inference_service import exit_codes

COMMANDS = {
    "list": ("listing", "the filters that can be had here"),
    "bench": ("bench", "how many cameras a filter carries on this machine"),
    "run": ("run", "a filter on a video file"),
    "new": ("new", "a package to start from: a filter of your own, its tests, a README"),
    "dev": ("dev", "both services with a filter that you are writing, loaded anew when you save it"),
    "download": ("download", "the weights of filters, ahead of their first use"),
}


def main(argv: Sequence[str]) -> int:
    """Run the command that is named first with the rest; return its exit code, 2 for one that is unknown."""
    name, *rest = argv
    if name not in COMMANDS:
        sys.stderr.write(f"{name}: no such command; without one this is a worker. The commands:\n")
        for command, (_, what) in COMMANDS.items():
            sys.stderr.write(f"  {command:<9} {what}\n")
        return exit_codes.REFUSED
    module, _ = COMMANDS[name]
    code: int = import_module(f"{__name__}.{module}").main(rest)
    return code
