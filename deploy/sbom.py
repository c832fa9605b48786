"""Writes an SBOM of each service, as CycloneDX 1.6: `make sbom`.

cyclonedx-bom describes every package of an environment. Ours has more than a service needs, such as what
tests need. So each file keeps what the service's own requirements reach, and nothing else. Run by a Python
that has cyclonedx-bom, with the Python of the environment as its argument.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deploy.requirements import requirements

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = {"signaling": ["signaling", "traces"], "inference": ["inference", "models", "traces"]}
"""What the image of each service installs."""
OWN = "root-component"


class PackageMissing(Exception):
    """The environment lacks what a service requires."""


def narrowed(bom: dict[str, Any], service: str, wanted: Iterable[str]) -> dict[str, Any]:
    """Return the SBOM of one service: the project, and what these requirements reach.

    Raises PackageMissing where a requirement that is for this system is not in the environment.
    """
    refs = {_name(one["name"]): one["bom-ref"] for one in bom["components"]}
    after = {one["ref"]: one.get("dependsOn", []) for one in bom["dependencies"]}
    direct = sorted({_ref(refs, requirement) for requirement in wanted})
    reached, waiting = {OWN}, list(direct)
    while waiting:
        if (ref := waiting.pop()) not in reached:
            reached.add(ref)
            waiting += after.get(ref, [])
    own = {**bom["metadata"]["component"], "name": f"p2pcamera-{service}"}
    return {
        **bom,
        "metadata": {**bom["metadata"], "component": own},
        "components": [one for one in bom["components"] if one["bom-ref"] in reached],
        "dependencies": [
            {**one, "dependsOn": direct} if one["ref"] == OWN else one
            for one in bom["dependencies"]
            if one["ref"] in reached
        ],
    }


def main(environment: str) -> int:
    """Write the files below build/; returns the exit code."""
    tool = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--of", "JSON"]
    argv = [*tool, "--pyproject", str(ROOT / "pyproject.toml"), environment]
    bom = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    (ROOT / "build").mkdir(exist_ok=True)
    for service, extras in EXTRAS.items():
        try:
            made = narrowed(bom, service, requirements(ROOT / "pyproject.toml", extras))
        except PackageMissing as exc:
            print(f"{exc} is not installed for {environment}", file=sys.stderr)
            return 1
        text = json.dumps(made, indent=2) + "\n"
        _check(text)
        file = ROOT / "build" / f"sbom-{service}.cdx.json"
        file.write_text(text)
        print(f"{file.relative_to(ROOT)}: {len(made['components'])} packages")
    return 0


def _check(text: str) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert fault is None, fault


def _ref(refs: dict[str, str], requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    try:
        return refs[_name(found[0])]
    except KeyError as exc:
        raise PackageMissing(found[0]) from exc


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
