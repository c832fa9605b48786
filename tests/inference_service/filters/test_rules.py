from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from inference_service.errors import FilterNotUsable
from inference_service.filters import base
from inference_service.filters.installed import BUILT_IN, installed
from inference_service.filters.rules import checked, remarks
from tests.inference_service.doubles import Recorder


def made(**attributes: Any) -> type[base.Filter]:
    return type("Made", (Recorder,), {"name": "made", "title": "Made", **attributes})


class Required(base.Params):
    strength: float
    tint: str = "red"


class Wordless(base.Params):
    strength: float = Field(1.0, title="Strength", description="How far.")
    tint: str = Field("red", title="Tint")
    other: int = 3


class Untitled(base.Filter):
    name = "made"

    def apply(self, batch, items):
        return batch


class Idle(base.Filter):
    name, title = "made", "Made"


@pytest.mark.parametrize(
    ("cls", "told"),
    [
        (Untitled, "Untitled has no title"),
        (made(title="  "), "Made has no title"),
        (made(title="x" * 257), "a title of at most 256"),
        (made(description=None), "the description is a value of type NoneType"),
        (Idle, "Idle has no method apply"),
        (made(Params=Required), "Params without a default: strength."),
        (made(Settings=Required), "Settings without a default: strength."),
        (made(Params={"strength": 1}), "Params is a value of type dict"),
        (made(Params=int), "Params is the class int"),
        (made(works_on="yuv"), "works_on is 'yuv'"),
        (made(equal_params=frozenset({"no"})), "equal_params names no parameter: no"),
        (made(name="other"), "calls itself 'other', the entry point 'made'"),
        (pytest, "expected a subclass of Filter, not a value of type module"),
        (BaseModel, "expected a subclass of Filter, not the class BaseModel"),
    ],
)
def test_what_a_filter_must_have_is_named(cls, told):
    with pytest.raises(FilterNotUsable) as raised:
        checked("made", cls)
    assert told in str(raised.value)
    assert "/" not in str(raised.value)


def test_words_that_pages_show_are_missed():
    one = checked("made", made(Params=Wordless, description="", equal_params=None))
    assert list(remarks(one)) == [
        "has no description, which pages show beside the title",
        "has no description for the parameter tint: Field(..., description=...)",
        "has no title and no description for the parameter other: Field(..., title=...)",
    ]


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_filters_of_the_project_lack_nothing(name):
    assert list(remarks(checked(name, installed()[name].load()))) == []
