"""How an operator starts the interpreter that runs here, for commands in messages."""

from __future__ import annotations

import sys
from pathlib import Path


def own_python() -> str:
    """Return its path below the working folder, as `make run` has one there; else `python`.

    Pages are shown it, so it never is the path of another folder.
    """
    program = Path(sys.executable)
    try:
        folder = Path.cwd()
    except OSError:
        return "python"
    is_below = folder != folder.parent and program.is_relative_to(folder)
    return str(program.relative_to(folder)) if is_below else "python"
