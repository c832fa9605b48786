"""What holds for the parameters of every filter, so that a page can make controls of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from docs.make.options import resolved
from inference_service.filters.installed import BUILT_IN, installed
from signaling_service.workers.schema import first_fault


def parameters() -> Iterator[Any]:
    for name in BUILT_IN:
        schema = installed()[name].load().Params.model_json_schema()
        for parameter, described in schema.get("properties", {}).items():
            yield pytest.param(schema, described, id=f"{name}.{parameter}")


@pytest.mark.parametrize(("schema", "described"), parameters())
def test_parameter_has_a_title_a_description_a_default_and_a_range(
    schema: dict[str, Any], described: dict[str, Any]
) -> None:
    described = resolved(schema, described)
    assert described["title"].strip()
    assert described["description"].strip().endswith(".")
    assert "default" in described
    assert is_bounded(schema, described)


@pytest.mark.parametrize("name", BUILT_IN)
def test_filter_takes_its_own_defaults_sent_explicitly(name: str) -> None:
    params = installed()[name].load().Params
    defaults = json.loads(params().model_dump_json())
    assert first_fault(defaults, params.model_json_schema()) is None
    assert params.model_validate(defaults) == params()


def is_bounded(schema: dict[str, Any], described: dict[str, Any]) -> bool:
    described = resolved(schema, described)
    if "enum" in described or described["type"] == "boolean":
        return True
    if described["type"] in ("integer", "number"):
        least = {"minimum", "exclusiveMinimum"} & set(described)
        most = {"maximum", "exclusiveMaximum"} & set(described)
        return bool(least and most)
    if described["type"] == "string":
        return "maxLength" in described or "pattern" in described
    assert described["type"] == "array"
    return "maxItems" in described and is_bounded(schema, described["items"])


def test_a_range_without_an_end_is_seen() -> None:
    assert not is_bounded({}, {"type": "number", "minimum": 0})
    assert not is_bounded({}, {"type": "array", "items": {"type": "boolean"}})
    assert not is_bounded({}, {"type": "string"})
