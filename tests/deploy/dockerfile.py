"""Dockerfiles, read as far as the tests ask: stages, instructions, and what .dockerignore lets through."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIGNALING = ROOT / "deploy" / "signaling.Dockerfile"
INFERENCE = ROOT / "deploy" / "inference.Dockerfile"


@dataclass(slots=True)
class Stage:
    """One FROM and what follows it."""

    name: str
    base: str
    """An image, or the name of an earlier stage."""
    instructions: list[tuple[str, str]] = field(default_factory=list)
    """Name in capitals, arguments with continued lines joined."""

    def arguments(self, name: str) -> list[str]:
        """Return the arguments of every instruction of that name."""
        return [arguments for instruction, arguments in self.instructions if instruction == name]

    def copies(self) -> list[tuple[str, str]]:
        """Return (source, destination) of each file copied from the build's context."""
        found = []
        for arguments in self.arguments("COPY"):
            if not arguments.startswith("--from="):
                *sources, destination = shlex.split(arguments)
                found += [(source, destination) for source in sources]
        return found


def stages(path: Path) -> dict[str, Stage]:
    """Return a Dockerfile's stages by name, in order; one without a name is called by its number."""
    found: dict[str, Stage] = {}
    for line in _lines(path):
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            base, _, label = arguments.partition(" AS ")
            stage = Stage(label or str(len(found)), base)
            found[stage.name] = stage
        else:
            stage.instructions.append((name, arguments.strip()))
    return found


def lineage(found: dict[str, Stage], name: str) -> list[Stage]:
    """Return the stages that make up an image, the first one first."""
    stage = found[name]
    return [*lineage(found, stage.base), stage] if stage.base in found else [stage]


def reaches_the_build(source: str) -> bool:
    """.dockerignore lets a path of the repository through; its last matching line decides."""
    is_ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        wanted = pattern.removeprefix("!")
        parts = source.split("/")
        if any(fnmatch("/".join(parts[: count + 1]), wanted) for count in range(len(parts))):
            is_ignored = not pattern.startswith("!")
    return not is_ignored


def _lines(path: Path) -> list[str]:
    lines: list[str] = []
    continued = ""
    for raw in path.read_text().splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        continued += line.removesuffix("\\")
        if not line.endswith("\\"):
            lines.append(" ".join(continued.split()))
            continued = ""
    assert not continued, f"{path.name} ends in the middle of an instruction"
    return lines
