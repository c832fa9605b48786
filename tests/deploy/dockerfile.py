"""What the Dockerfiles make, stage by stage."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[2]
SIGNALING = ROOT / "deploy" / "signaling.Dockerfile"
INFERENCE = ROOT / "deploy" / "inference.Dockerfile"
TURN = ROOT / "deploy" / "turn.Dockerfile"


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
    with path.open("rb") as file:
        for one in DockerfileParser(fileobj=file).structure:
            arguments = " ".join(one["value"].split())
            if one["instruction"] == "FROM":
                base, _, label = arguments.partition(" AS ")
                stage = Stage(label or str(len(found)), base)
                found[stage.name] = stage
            elif one["instruction"] != "COMMENT":
                stage.instructions.append((one["instruction"], arguments))
    return found


def lineage(found: dict[str, Stage], name: str) -> list[Stage]:
    """Return the stages that make up an image, the first one first."""
    stage = found[name]
    return [*lineage(found, stage.base), stage] if stage.base in found else [stage]
