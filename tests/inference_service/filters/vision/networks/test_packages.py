"""A package that is missing is named, with the way to install it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from inference_service.errors import MissingPackage
from inference_service.filters.vision.networks.packages import require


def test_missing_package_is_named_with_the_way_to_install_it() -> None:
    with pytest.raises(MissingPackage, match=r"segmentation needs the package nowhere_to_be_found: pip"):
        require("segmentation", "json", "nowhere_to_be_found")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nowhere_to_be_found", "the package nowhere_to_be_found is missing"),
        ("raise RuntimeError('operator does not exist')", "does not fit the installed torch"),
    ],
)
def test_package_that_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    (tmp_path / "broken_package.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_package", raising=False)
    with pytest.raises(MissingPackage, match=says):
        require("segmentation", "broken_package")
