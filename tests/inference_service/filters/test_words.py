"""The pages have words in both languages for every built-in filter, and in English the filter's own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from inference_service.errors import Cause
from inference_service.filters import base
from inference_service.filters.base import KINDS
from inference_service.filters.installed import BUILT_IN, installed
from inference_service.filters.trouble import Code

TEXT = Path(__file__).parents[3] / "static" / "shared" / "text"
COLOUR_MAPS = "densepose.colour_map"
"""Its options are proper names, the same in every language."""


def dictionary(language: str) -> dict[str, str]:
    """Return what a page says by key."""
    found = re.findall(r'^  "([^"]+)":\s+("(?:[^"\\]|\\.)*"),$', (TEXT / f"{language}.js").read_text(), re.M)
    return {key: json.loads(words) for key, words in found}


ENGLISH, JAPANESE = dictionary("en"), dictionary("ja")


def resolved(schema: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in one:
        one = {**schema["$defs"][one["$ref"].rpartition("/")[2]], **one}
    return {**one, "items": resolved(schema, one["items"])} if "items" in one else one


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_filter_has_its_own_words_in_both_languages(name):
    cls = installed()[name].load()
    schema = cls.Params.model_json_schema()
    own = {"title": cls.title, "description": cls.description}
    options: set[str] = set()
    for parameter, declared in schema.get("properties", {}).items():
        own |= {f"{parameter}.{part}": declared[part] for part in ("title", "description")}
        if f"{name}.{parameter}" != COLOUR_MAPS:
            one = resolved(schema, declared)
            options |= set(one.get("enum", one.get("items", {}).get("enum", ())))
    assert {key: ENGLISH.get(f"filter.{name}.{key}") for key in own} == own
    assert [key for key in own if not JAPANESE.get(f"filter.{name}.{key}")] == []
    assert [option for option in sorted(options) if not JAPANESE.get(f"option.{option}")] == []


def test_both_languages_say_the_same_things():
    assert list(ENGLISH) == list(JAPANESE)
    assert len(ENGLISH) > 100
    for key, words in ENGLISH.items():
        assert set(re.findall(r"\{\w+\}", words)) == set(re.findall(r"\{\w+\}", JAPANESE[key])), key


def test_every_reason_and_what_it_comes_from_has_its_words():
    assert [code for code in Code if f"trouble.{code}" not in ENGLISH] == []
    assert [cause for cause in (*Cause, *KINDS) if f"cause.{cause}" not in JAPANESE] == []


def test_fallbacks_are_of_the_kinds_that_have_words():
    package = Path(base.__file__).parents[1]
    named = [
        kind
        for path in package.rglob("*.py")
        for kind in re.findall(r'\bFallback\(\s*"(\w+)"', path.read_text())
    ]
    assert len(named) > 5
    assert set(named) <= set(KINDS)


def test_mouse_is_named_in_japanese_as_the_animal_and_as_the_device() -> None:
    """One key serves `animal` and `detection`, and Japanese has a word for each."""
    words = JAPANESE["option.mouse"]
    assert "ねずみ" in words
    assert "マウス" in words
