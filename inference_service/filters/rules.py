"""What a filter's class must have, and what it should have: told when it is imported.

What it must have ends in FilterNotUsable, and the filter does not run. What it should have is a remark.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from pydantic import BaseModel

from inference_service.errors import FilterNotUsable
from inference_service.filters.base import Filter

MAX_TITLE, MAX_DESCRIPTION = 256, 2048


def checked(name: str, cls: object) -> type[Filter]:
    """Return the class; raises FilterNotUsable where it is no filter of this name that a worker can use.

    No text of it holds a path, since pages are shown it.
    """
    if not isinstance(cls, type) or not issubclass(cls, Filter):
        raise FilterNotUsable(f"expected a subclass of Filter, not {_kind(cls)}")
    if getattr(cls, "name", None) != name:
        raise FilterNotUsable(
            f"the class calls itself {getattr(cls, 'name', None)!r}, the entry point {name!r}"
        )
    if inspect.isabstract(cls):
        raise FilterNotUsable(f"{cls.__name__} has no method apply(self, batch, items)")
    _check_words(cls)
    for what in ("Params", "Settings"):
        _check_model(cls, what)
    if unknown := set(cls.equal_params or ()) - set(cls.Params.model_fields):
        raise FilterNotUsable(f"equal_params names no parameter: {', '.join(sorted(unknown))}")
    if cls.works_on not in ("rgb", "i420"):
        raise FilterNotUsable(f"works_on is {cls.works_on!r}, expected 'rgb' or 'i420'")
    return cls


def remarks(cls: type[Filter]) -> Iterator[str]:
    """Yield what is missing though the filter runs without it: words for those who choose."""
    if not cls.description.strip():
        yield "has no description, which pages show beside the title"
    for name, field in cls.Params.model_fields.items():
        lacks = [what for what in ("title", "description") if not (getattr(field, what) or "").strip()]
        if lacks:
            yield f"has no {' and no '.join(lacks)} for the parameter {name}: Field(..., {lacks[0]}=...)"


def _check_words(cls: type[Filter]) -> None:
    title, description = getattr(cls, "title", None), cls.description
    if not isinstance(title, str) or not title.strip():
        raise FilterNotUsable(f'{cls.__name__} has no title, which pages show: title = "..."')
    if not isinstance(description, str):
        raise FilterNotUsable(f"the description is {_kind(description)}, expected text")
    if len(title) > MAX_TITLE or len(description) > MAX_DESCRIPTION:
        raise FilterNotUsable(
            f"expected a title of at most {MAX_TITLE} and a description of at most {MAX_DESCRIPTION} "
            "characters"
        )


def _check_model(cls: type[Filter], what: str) -> None:
    model = getattr(cls, what)
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        raise FilterNotUsable(f"{what} is {_kind(model)}, expected a class made from base.{what}")
    if required := [name for name, field in model.model_fields.items() if field.is_required()]:
        raise FilterNotUsable(
            f"{what} without a default: {', '.join(required)}. Each needs one, since a worker tries the "
            f"filter with {what}()"
        )


def _kind(value: object) -> str:
    return (
        f"the class {value.__name__}"
        if isinstance(value, type)
        else f"a value of type {type(value).__name__}"
    )
