"""docs/gallery.md tells of every filter, with its options as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.make.options import with_tables
from inference_service.filters.installed import BUILT_IN, installed

DOCS = Path(__file__).parents[1] / "docs"
GALLERY = (DOCS / "gallery.md").read_text()


def test_options_are_those_of_the_filters() -> None:
    assert with_tables(GALLERY) == GALLERY


@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {"passthrough"}))
def test_filter_has_a_section_with_its_options(name: str) -> None:
    assert f"\n## {name}\n" in GALLERY
    assert f"<!-- options: {name} -->" in GALLERY


def test_pictures_are_there() -> None:
    named = re.findall(r"\(images/([\w/.-]+)\)", GALLERY)
    assert named
    for name in named:
        assert (DOCS / "images" / name).is_file(), name


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_table_says_what_a_filter_keeps(name: str) -> None:
    cls = installed()[name].load()
    row = next(line for line in GALLERY.splitlines() if line.startswith("|") and f"`{name}`" in line)
    keeps_state, is_private = (cell.strip() == "yes" for cell in row.split("|")[3:5])
    assert (keeps_state, is_private) == (cls.keeps_state, cls.is_private)
