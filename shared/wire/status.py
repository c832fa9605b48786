"""Status: what a worker says of itself and of its filters."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from dataclasses import field as dataclass_field
from enum import StrEnum
from typing import Any

from shared.errors import WireError
from shared.wire.checks import MILLISECONDS, Check, boolean, integer, json_object, number, one_of, read, text
from shared.wire.limits import MAX_STATUS_BYTES, MAX_TEXT, SESSION_BYTES, U63
from shared.wire.message import Buffer, pack, split
from shared.wire.totals import Totals, totals

STATUS_TOPIC = b"p2pcamera-status"
assert len(STATUS_TOPIC) == SESSION_BYTES


class FilterState(StrEnum):
    """How far a worker is with a filter."""

    LOADABLE = "loadable"
    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"


class LoopState(StrEnum):
    """What a worker's inference loop is doing."""

    IDLE = "idle"
    BATCH = "batch"
    LOADING = "loading"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterStatus:
    """One filter as a worker offers it."""

    name: str
    title: str
    state: FilterState
    keeps_state: bool
    schema: dict[str, Any]
    """JSON Schema of the parameters, an object."""
    description: str = ""
    is_private: bool = False
    """It hides what the camera sees: a session that has chosen it never shows a raw frame."""
    memory_bytes: int = 0
    """What it holds on the worker's device, as measured when it was loaded; 0 while it is not."""
    reason: str = ""
    """Why it does not run here, or not well, or not at once; empty where nothing is in its way."""
    reason_code: str = ""
    """A fixed word for it."""
    reason_cause: str = ""
    """A fixed word for what the reason comes from; of several, with commas."""
    reason_detail: str = ""
    """The part of `reason` that differs from case to case: a package, a file, what a server answered."""
    remedy: str = ""
    """What the operator can do."""
    size_bytes: int = 0
    """Of the files that it downloads, as far as it is known; 0 where there are none."""
    has_weights: bool = True
    """Those files are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusHeader:
    """What a worker says of itself every 250 ms."""

    worker: str
    """Random for each start of a process."""
    frames_endpoint: str
    device: str
    filters: tuple[FilterStatus, ...]
    busy: float
    """Share of the last second spent in batches, 0..1."""
    batch_size: float
    """Mean number of frames in the batches of the last second."""
    loop_state: LoopState
    loop_state_ms: float
    """How long the loop has been in this state."""
    loop_usual_ms: float
    """How long a batch usually takes; 0 when none has run."""
    draining: bool
    versions: dict[str, str] = dataclass_field(default_factory=dict)
    totals: Totals | None = None
    """None where an older worker tells none."""


def pack_status(status: StatusHeader) -> bytes:
    """Return part 2 of a status message; part 1 is `STATUS_TOPIC`."""
    values = asdict(status)
    if status.totals is None:
        del values["totals"]
    return pack(values, b"")


def unpack_status(message: Buffer) -> StatusHeader:
    """Return the status; raises WireError."""
    values, rest = split(message, MAX_STATUS_BYTES)
    if len(rest):
        raise WireError("size", f"{len(rest)} bytes behind a status")
    return read(StatusHeader, values, _CHECKS, {"totals"})


def _versions(value: Any) -> dict[str, str]:
    check = text(64)
    return {check(name): check(version) for name, version in json_object(value).items()}


def _filters(value: Any) -> tuple[FilterStatus, ...]:
    if type(value) not in (list, tuple) or len(value) > 256:
        raise ValueError("expected up to 256 filters")
    return tuple(read(FilterStatus, json_object(one), _FILTER_CHECKS, _LATER) for one in value)


_LATER = frozenset(
    {
        *("is_private", "memory_bytes"),
        *("reason", "reason_code", "reason_cause", "reason_detail", "remedy"),
        *("size_bytes", "has_weights"),
    }
)
_FILTER_CHECKS: dict[str, Check] = {
    "name": text(64, 1),
    "title": text(256),
    "state": one_of(FilterState),
    "keeps_state": boolean,
    "schema": json_object,
    "description": text(MAX_TEXT),
    "is_private": boolean,
    "memory_bytes": integer(0, U63),
    "reason": text(MAX_TEXT),
    "reason_code": text(64),
    "reason_cause": text(256),
    "reason_detail": text(MAX_TEXT),
    "remedy": text(MAX_TEXT),
    "size_bytes": integer(0, U63),
    "has_weights": boolean,
}
_CHECKS: dict[str, Check] = {
    "worker": text(64, 1),
    "frames_endpoint": text(256, 1),
    "device": text(128),
    "filters": _filters,
    "busy": number(0, 1),
    "batch_size": number(0, 65535),
    "loop_state": one_of(LoopState),
    "loop_state_ms": MILLISECONDS,
    "loop_usual_ms": MILLISECONDS,
    "draining": boolean,
    "versions": _versions,
    "totals": totals,
}
assert {f.name for f in fields(FilterStatus)} == set(_FILTER_CHECKS)
assert {f.name for f in fields(StatusHeader)} == set(_CHECKS)
