"""One filter of a worker: what is known of it, and how far it is."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from typing import Any

from inference_service.errors import FilterNotUsable
from inference_service.filters.base import Fallback, Filter, Piece
from inference_service.filters.trouble import Trouble
from shared.wire import MAX_TEXT, FilterState, FilterStatus

MAX_SCHEMA_BYTES = 32 * 1024
"""A status message carries the schemas of all filters, four times a second."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the loading of a filter is."""

    text: str
    fraction: float


NOT_ASKED = Progress("waiting to be loaded", 0.0)


@dataclass(slots=True)
class Entry:
    """The loader's thread writes; whoever reads more than one field, or writes, has the registry's lock."""

    point: EntryPoint
    status: FilterStatus | None = None
    """None until the class is imported."""
    cls: type[Filter] | None = None
    idle: Filter | None = None
    """One that knows its settings and loads nothing: it says what it needs. None as for `cls`."""
    loaded: Filter | None = None
    progress: Progress = NOT_ASKED
    trouble: Trouble | None = None
    """What is in its way; where that makes it fail, its status says so."""
    failures: int = 0
    """In a row, of those that may pass."""
    is_preset: bool = False
    """The operator wants it loaded from the start, whoever uses it."""
    is_asked: bool = False
    """Somebody wants it loaded, and it will be, or is, or could not be."""
    asks_from_s: float = float("-inf")
    """It is not tried again before; monotonic clock."""
    used_s: float = float("-inf")
    """When a frame last wanted it."""
    running: int = 0
    """Batches under way that it is part of."""
    held_bytes: int = 0
    """What it held of the device's memory when it was loaded last; 0 where it never was."""
    recordings: Generator[Piece] | None = None
    """What of its preparation is left while it serves; the loader's thread only."""
    less: dict[str, Any] = field(default_factory=dict)
    """Settings that it takes instead of the operator's, since those have failed."""
    told: int = 0
    """How many of the loaded filter's fallbacks have been told; the loader's thread only."""
    lacks: tuple[Fallback, ...] = ()
    """What to say of `less`."""
    is_lowered: bool = False
    """It is about to be loaded anew, with numbers that reach further."""

    @property
    def has_failed(self) -> bool:
        """It cannot be used, as things are."""
        return self.status is not None and self.status.state is FilterState.FAILED


def with_trouble(status: FilterStatus, trouble: Trouble | None) -> FilterStatus:
    """Return a status that tells of this obstacle, or of none."""
    if trouble is None:
        return replace(status, reason="", reason_code="", reason_cause="", reason_detail="", remedy="")
    return replace(
        status,
        reason=_sent(trouble.text),
        reason_code=trouble.code.value,
        reason_cause=trouble.cause,
        reason_detail=_sent(trouble.detail),
        remedy=_sent(trouble.remedy),
    )


def _sent(text: str) -> str:
    # Half a surrogate pair, as file names that are no UTF-8 have, cannot be packed.
    return text[:MAX_TEXT].encode("utf-8", "replace").decode()


def status_of(cls: type[Filter]) -> FilterStatus:
    """Return what a worker says of a filter that it has not loaded; raises FilterNotUsable."""
    schema = cls.Params.model_json_schema()
    if len(json.dumps(schema)) > MAX_SCHEMA_BYTES:
        raise FilterNotUsable(f"the schema of its parameters is over {MAX_SCHEMA_BYTES} bytes")
    return FilterStatus(
        name=cls.name,
        title=cls.title,
        description=cls.description,
        state=FilterState.LOADABLE,
        keeps_state=cls.keeps_state,
        is_private=cls.is_private,
        schema=schema,
    )
