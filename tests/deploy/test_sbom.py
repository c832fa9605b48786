from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from deploy.sbom import EXTRAS, OWN, PackageMissing, narrowed, needs
from tests.deploy.compose import ROOT

PACKAGES = {
    "aiortc": ["pylibsrtp", "pytest; extra == 'dev'"],
    # Packages may need each other.
    "pylibsrtp": ["cffi", "aiortc", "colorama; sys_platform == 'nowhere'"],
    "cffi": [],
    "PyYAML": [],
    "uvicorn": ["PyYAML; extra == 'standard'"],
    "pytest": ["PyYAML"],
}


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """An environment with these packages."""
    for name, required in PACKAGES.items():
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        lines = [f"Name: {name}", "Version: 1", *(f"Requires-Dist: {text}" for text in required)]
        (info / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")
    return [str(tmp_path)]


def bom() -> dict[str, Any]:
    """What the tool says of that environment: each package needs all that its extras name."""
    return {
        "bomFormat": "CycloneDX",
        "metadata": {"component": {"bom-ref": OWN, "name": "p2pcamera"}},
        "components": [{"bom-ref": f"{name}==1", "name": name, "type": "library"} for name in PACKAGES],
        "dependencies": [{"ref": "aiortc==1", "dependsOn": ["pylibsrtp==1", "pytest==1"]}],
    }


def test_an_sbom_has_what_the_service_s_requirements_bring_and_nothing_else(folders: list[str]) -> None:
    found = needs(folders, ["aiortc>=1; python_version > '3'", "colorama; sys_platform == 'nowhere'"])
    made = narrowed(bom(), "signaling", found)
    assert [one["name"] for one in made["components"]] == ["aiortc", "pylibsrtp", "cffi"]
    assert {one["ref"]: one["dependsOn"] for one in made["dependencies"]} == {
        OWN: ["aiortc==1"],
        "aiortc==1": ["pylibsrtp==1"],
        "pylibsrtp==1": ["aiortc==1", "cffi==1"],
        "cffi==1": [],
    }
    assert made["metadata"]["component"]["name"] == "p2pcamera-signaling"


def test_extras_count_where_they_are_asked_for(folders: list[str]) -> None:
    assert needs(folders, ["uvicorn"])["uvicorn"] == set()
    assert needs(folders, ["uvicorn", "uvicorn[standard]>=0"])["uvicorn"] == {"pyyaml"}


def test_a_requirement_that_is_not_installed_is_named(folders: list[str]) -> None:
    with pytest.raises(PackageMissing, match="torch"):
        needs(folders, ["torch>=2"])


def test_the_sbom_is_of_what_the_images_install() -> None:
    for service, extras in EXTRAS.items():
        text = (ROOT / "deploy" / f"{service}.Dockerfile").read_text()
        installed = [found.split() for found in re.findall(r"requirements\.py ([\w ]+) >", text)]
        assert {extra for found in installed for extra in found} == set(extras)
