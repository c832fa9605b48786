"""Writes an SBOM of each service, as CycloneDX 1.6: `make sbom`.

cyclonedx-bom describes every package of an environment. Ours has more than a service needs, such as what
tests need. So each file keeps what the service's own requirements bring, and nothing else. Run by a Python
that has cyclonedx-bom, with the Python of the environment as its argument.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.requirements import requirements

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = {"signaling": ["signaling", "traces"], "inference": ["inference", "cpu", "models", "traces"]}
"""What the image of each service installs; `cpu` is in the worker's image for hosts without a GPU alone."""
OWN = "root-component"

Needs = dict[str, set[str]]
"""The packages that each package needs here; those of the service itself under `OWN`."""


class PackageMissing(Exception):
    """The environment lacks what a service requires."""


def needs(folders: Sequence[str], wanted: Iterable[str]) -> Needs:
    """Return what these requirements bring, from the packages in `folders`, as pip would choose it.

    A package's own extras count where they are asked for, and not because something else has brought the
    same packages. Raises PackageMissing.
    """
    there: dict[str, Distribution] = {}
    for one in distributions(path=list(folders)):
        there.setdefault(canonicalize_name(one.metadata["Name"]), one)
    found: Needs = {}
    asked: set[tuple[str, str]] = set()
    waiting = [(OWN, Requirement(text), "") for text in wanted]
    while waiting:
        by, requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in there:
            raise PackageMissing(requirement.name)
        found.setdefault(by, set()).add(name)
        found.setdefault(name, set())
        for more in ("", *requirement.extras):
            if (name, more) not in asked:
                asked.add((name, more))
                waiting += [(name, Requirement(text), more) for text in there[name].requires or []]
    return found


def narrowed(bom: Mapping[str, Any], service: str, found: Needs) -> dict[str, Any]:
    """Return the SBOM of one service: of an environment's only what is in `found`."""
    refs: dict[str, str] = {canonicalize_name(one["name"]): one["bom-ref"] for one in bom["components"]}
    kept = {refs[name] for name in found if name != OWN}
    own = {**bom["metadata"]["component"], "name": f"p2pcamera-{service}"}
    return {
        **bom,
        "metadata": {**bom["metadata"], "component": own},
        "components": [one for one in bom["components"] if one["bom-ref"] in kept],
        "dependencies": [
            {"ref": refs.get(name, OWN), "dependsOn": sorted(refs[other] for other in found[name])}
            for name in sorted(found)
        ],
    }


def main(environment: str) -> int:
    """Write the files below build/; returns the exit code."""
    tool = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--of", "JSON"]
    bom = json.loads(_output(*tool, "--pyproject", str(ROOT / "pyproject.toml"), environment))
    folders = json.loads(_output(environment, "-c", "import json, sys; print(json.dumps(sys.path[1:]))"))
    (ROOT / "build").mkdir(exist_ok=True)
    for service, extras in EXTRAS.items():
        try:
            made = narrowed(bom, service, needs(folders, requirements(ROOT / "pyproject.toml", extras)))
        except PackageMissing as exc:
            print(f"{exc} is not installed for {environment}", file=sys.stderr)
            return 1
        text = json.dumps(made, indent=2) + "\n"
        _check(text)
        file = ROOT / "build" / f"sbom-{service}.cdx.json"
        file.write_text(text)
        print(f"{file.relative_to(ROOT)}: {len(made['components'])} packages")
    return 0


def _output(*argv: str) -> str:
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def _check(text: str) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert fault is None, fault


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
