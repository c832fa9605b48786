"""What callers may ask of a session, checked where it enters: HTTP bodies, queries, control messages."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.wire import MAX_CHAIN, MAX_HEADER_BYTES, MAX_HEADER_WITH_PARAMS_BYTES, params_size_bytes
from signaling_service.errors import MalformedRequest
from signaling_service.rtc.outage import Outage
from signaling_service.strict_json import read_json


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


FilterNames = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=64)]],
    Field(min_length=1, max_length=MAX_CHAIN),
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
]


MAX_PARAMS_BYTES = MAX_HEADER_WITH_PARAMS_BYTES - MAX_HEADER_BYTES
"""What a frame's header has room for, beside the rest of it."""


MAX_DEPTH = 32
"""Of lists and objects in parameters; beyond some hundred, what packs them and checks them gives up."""
MAX_VALUES = 4096
"""In all lists and objects together: each is checked by schemas, while every call of the process waits."""


def _check_extent(params: dict[str, Any]) -> None:
    """Raise ValueError for more or deeper values than are taken."""
    count = 0
    waiting: list[tuple[Any, int]] = [(params, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth == MAX_DEPTH:
            raise ValueError(f"parameters may be nested {MAX_DEPTH} deep")
        inner = value.values() if isinstance(value, dict) else value
        count += len(inner)
        if count > MAX_VALUES:
            raise ValueError(f"parameters may have {MAX_VALUES} values together")
        waiting += [(one, depth + 1) for one in inner if isinstance(one, (dict, list))]


def _that_travel(params: dict[str, Any]) -> dict[str, Any]:
    _check_extent(params)
    try:
        size_bytes = params_size_bytes(params)
    except (OverflowError, ValueError, RecursionError) as exc:
        raise ValueError("holds a number or a nesting beyond what is taken") from exc
    if size_bytes > MAX_PARAMS_BYTES:
        raise ValueError(f"parameters may have {MAX_PARAMS_BYTES} bytes together, not {size_bytes}")
    return params


Params = Annotated[dict[str, Any], AfterValidator(_that_travel)]

Model = TypeVar("Model", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Change(_Body):
    """Body of `PATCH /sessions/{id}`.

    What is left out stays, but a filter named without parameters has its defaults.
    """

    filter: FilterNames | None = None
    params: Params | None = None
    outage: Outage | None = None
    publish: str | bool | None = None
    """The name under which others may watch, true for one that cannot be guessed, false for nobody."""
    publisher: str = Field("", max_length=64)
    """What the publisher calls itself, in all of its sessions."""


class Offer(Change):
    """Body of `POST /offer`; `filter`, `params` and `outage` may come in the query instead."""

    takes_over: bool = True
    """Whether it publishes in the place of another publisher; false for one that takes up its own again."""
    sdp: str = Field(min_length=1)
    type: Literal["offer"]
    reconnect: bool = False
    """It takes up a call again whose connection was lost; only counted."""


class FilterMessage(Change):
    """The control channel's `{"type": "filter", "name": ..., "params": ...}`."""

    type: Literal["filter"]
    name: FilterNames | None = None


def change_from_query(filter_: str | None, params: str | None, outage: str | None) -> Change:
    """Read `?filter=a,b&params={...}&outage=open`; raises MalformedRequest."""
    values: dict[str, Any] = {}
    if filter_ is not None:
        values["filter"] = [name.strip() for name in filter_.split(",")]
    if params is not None:
        try:
            values["params"] = read_json(params)
        except (ValueError, RecursionError) as exc:
            raise MalformedRequest("query 'params': expected a JSON object, URL-encoded") from exc
    if outage is not None:
        values["outage"] = outage
    return parsed(Change, values)


def parsed(model: type[Model], values: Any) -> Model:
    """Check values against a model; raises MalformedRequest that names the first wrong field."""
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        raise MalformedRequest(explain(exc.errors()[0])) from exc


def explain(error: Any) -> str:
    """Say in one line what was expected where, from one of pydantic's errors."""
    place = ".".join(str(part) for part in error["loc"] if part not in ("body", "query"))
    return f"{place}: {error['msg']}" if place else str(error["msg"])
