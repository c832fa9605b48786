from __future__ import annotations

import re
from typing import Any

import pytest

from deploy.sbom import EXTRAS, PackageMissing, narrowed
from tests.deploy.compose import ROOT


def component(name: str) -> dict[str, Any]:
    return {"bom-ref": f"{name}==1", "name": name, "version": "1", "type": "library"}


BOM: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "metadata": {"component": {"bom-ref": "root-component", "name": "p2pcamera"}},
    "components": [component(name) for name in ("aiortc", "pylibsrtp", "cffi", "PyYAML", "pytest")],
    "dependencies": [
        {"ref": "root-component", "dependsOn": ["aiortc==1", "PyYAML==1", "pytest==1"]},
        {"ref": "aiortc==1", "dependsOn": ["pylibsrtp==1"]},
        # Packages may need each other.
        {"ref": "pylibsrtp==1", "dependsOn": ["cffi==1", "aiortc==1"]},
        {"ref": "cffi==1"},
        {"ref": "PyYAML==1"},
        {"ref": "pytest==1", "dependsOn": ["PyYAML==1"]},
    ],
}


def test_an_sbom_has_what_the_service_s_requirements_reach_and_nothing_else() -> None:
    made = narrowed(BOM, "signaling", ["aiortc>=1; python_version > '3'"])
    assert [one["name"] for one in made["components"]] == ["aiortc", "pylibsrtp", "cffi"]
    by_ref = {one["ref"]: one.get("dependsOn", []) for one in made["dependencies"]}
    assert by_ref["root-component"] == ["aiortc==1"]
    assert set(by_ref) == {"root-component", "aiortc==1", "pylibsrtp==1", "cffi==1"}
    assert made["metadata"]["component"]["name"] == "p2pcamera-signaling"
    assert narrowed(BOM, "signaling", ["pyyaml[x]>=6"])["components"] == [component("PyYAML")]


def test_a_requirement_that_is_not_installed_is_named() -> None:
    with pytest.raises(PackageMissing, match="torch"):
        narrowed(BOM, "inference", ["torch>=2"])


def test_the_sbom_is_of_what_the_images_install() -> None:
    for service, extras in EXTRAS.items():
        text = (ROOT / "deploy" / f"{service}.Dockerfile").read_text()
        assert {tuple(found.split()) for found in re.findall(r"requirements\.py ([\w ]+) >", text)} == {
            tuple(extras)
        }
