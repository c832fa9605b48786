"""Print what the project and the named extras of pyproject.toml require, one requirement a line.

An image installs these before the project's own files are copied in, so that a change of code
does not install everything anew.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Return the project's dependencies and those of each extra; raises KeyError for an unknown extra."""
    project = tomllib.loads(pyproject.read_text())["project"]
    found: list[str] = list(project["dependencies"])
    for extra in extras:
        found += project["optional-dependencies"][extra]
    return found


if __name__ == "__main__":
    print(*requirements(Path("pyproject.toml"), sys.argv[1:]), sep="\n")
