"""What the documents for operators must not leave out."""

from __future__ import annotations

import re

import pytest

from inference_service.filters.installed import BUILT_IN
from tests.deploy.compose import BASE, ROOT, load, load_cpu_variant

DEPLOYMENT = (ROOT / "docs" / "deployment.md").read_text()
LICENCES = (ROOT / "docs" / "licences.md").read_text()


@pytest.mark.parametrize("service", ["signaling", "inference", "turn"])
def test_every_variable_that_compose_hands_on_is_described(service: str) -> None:
    environment = load(BASE)["services"][service]["environment"]
    handed_on = [name for name, value in environment.items() if value is None]
    assert handed_on
    assert [name for name in handed_on if f"`{name}`" not in DEPLOYMENT] == []


def test_images_to_build_on_are_those_that_compose_builds() -> None:
    built = [load(BASE)["services"]["inference"], load_cpu_variant()["services"]["inference"]]
    defaults = {re.sub(r"\$\{\w+:-(\w+)\}", r"\1", each["image"]) for each in built}
    named = {
        image
        for path in sorted((ROOT / "docs").glob("*.md"))
        for image in re.findall(r"p2pcamera-inference:[\w.-]+", path.read_text())
    }
    assert named == defaults


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_filter_has_its_licences_named(name: str) -> None:
    assert re.search(rf"^\|[^|]*`{name}`[^|]*\|[^|]*Apache-2\.0", LICENCES, re.MULTILINE)


def test_licences_are_those_of_the_versions_that_are_pinned() -> None:
    named = re.findall(r"([a-z0-9-]+)(?: \(PyAV\))? (\d+\.\d+[\d.]*\d)(?=[,: |])", LICENCES)
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    checked = {name: stated for name, stated in named if name in pinned}
    assert checked.keys() >= {"av", "aiortc", "aioice", "pyzmq", "torch", "opencv-python-headless", "numpy"}
    assert checked == {name: pinned[name] for name in checked}
