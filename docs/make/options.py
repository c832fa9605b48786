"""A filter's parameters as a table of a document, made from their JSON Schema."""

from __future__ import annotations

import re
from typing import Any

from harness.markdown import markdown
from inference_service.filters.base import Filter
from inference_service.filters.installed import installed

HEAD = ("parameter", "what", "values", "default")
MOST_WORDS = 12
"""That are named; a filter of many classes would else have a page of them."""
_PLACE = re.compile(r"(<!-- options: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(document: str) -> str:
    """Return a document with the present table at each `<!-- options: FILTER -->`, up to `<!-- end -->`."""
    points = installed()
    return _PLACE.sub(lambda place: f"{place[1]}{table(points[place[2]].load())}\n{place[3]}", document)


def table(cls: type[Filter]) -> str:
    """Return the table of a filter's parameters."""
    schema = cls.Params.model_json_schema()
    rows = [
        (f"`{name}`", one["description"], _values(schema, one), _default(one["default"]))
        for name, described in schema.get("properties", {}).items()
        for one in (resolved(schema, described),)
    ]
    return markdown(HEAD, rows) if rows else "No parameters."


def resolved(schema: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """Return a property with what it refers to."""
    if "$ref" not in described:
        return described
    return {**schema["$defs"][described["$ref"].rpartition("/")[2]], **described}


def _values(schema: dict[str, Any], described: dict[str, Any]) -> str:
    described = resolved(schema, described)
    if "enum" in described:
        return _words(described["enum"])
    kind = described["type"]
    if kind == "boolean":
        return "yes, no"
    if kind in ("integer", "number"):
        least = described.get("minimum", described.get("exclusiveMinimum"))
        most = described.get("maximum", described.get("exclusiveMaximum"))
        return f"{least:g} to {most:g}"
    if kind == "array":
        return f"any of {_values(schema, described['items'])}"
    if "contentMediaType" in described:
        return f"{described['contentMediaType']}, {described['contentEncoding']}"
    return "`#rrggbb`" if "pattern" in described else f"up to {described['maxLength']} characters"


def _words(values: list[str]) -> str:
    named = ", ".join(f"`{value}`" for value in values[:MOST_WORDS])
    more = len(values) - MOST_WORDS
    return f"{named} and {more} more" if more > 0 else named


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in ("", [], None) else f"`{value}`"
