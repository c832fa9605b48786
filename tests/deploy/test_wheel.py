"""What a wheel of this project has in it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from signaling_service.http.static_files import STATIC
from tests.deploy.compose import ROOT


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return set(zipfile.ZipFile(built).namelist())


def test_the_pages_lie_in_a_wheel_where_the_service_looks_for_them(names: set[str]) -> None:
    assert STATIC == ROOT / "static"
    pages = {str(path.relative_to(ROOT)) for path in STATIC.rglob("*") if path.is_file()}
    assert {"static/index.html", "static/p2pcamera.js", "static/demo/text/ja.js"} <= pages <= names
    assert "signaling_service/http/static_files.py" in names


def test_nothing_else_than_the_packages_and_the_pages_is_in_a_wheel(names: set[str]) -> None:
    tops = {Path(name).parts[0] for name in names if ".dist-info" not in name}
    assert tops == {"shared", "signaling_service", "inference_service", "static"}
