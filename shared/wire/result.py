"""Results, on their way back to the session."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from shared.errors import WireError
from shared.frame import ColourMatrix, ColourRange
from shared.wire.checks import ECHOED, MILLISECONDS, Check, number, one_of, read, text
from shared.wire.data import MAX_DATA_BYTES
from shared.wire.limits import MAX_HEADER_BYTES, MAX_TEXT
from shared.wire.message import Buffer, as_map, check_planes, pack, split


class ResultKind(StrEnum):
    """What a result message brings."""

    FRAME = "frame"
    ERROR = "error"
    PROGRESS = "progress"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultHeader:
    """What became of a frame; `session` to `captured_ns` are the frame's own, sent back."""

    kind: ResultKind
    session: bytes
    sequence: int
    generation: int
    pts: int
    captured_ns: int
    worker: str
    width: int = 0
    height: int = 0
    colour_range: ColourRange = ColourRange.LIMITED
    colour_matrix: ColourMatrix = ColourMatrix.BT601
    wait_ms: float = 0.0
    """From the message's arrival at the worker to the start of its batch."""
    batch_ms: float = 0.0
    """From the start of the batch to its end, conversions included."""
    filter_ms: float = 0.0
    """Within the filter's `apply`."""
    code: str = ""
    """Of kind `error`: a fixed word. Of kind `missing`: empty."""
    text: str = ""
    """Of kind `error`: for the user. Of kind `progress`: what is being loaded."""
    fraction: float = 0.0
    """Of kind `progress`: 0..1."""
    field: str = ""
    """Of kind `error`: the parameter that was refused, empty where it was none."""
    data: bytes = b""
    """Of kind `frame`, where the frame asked for it: what filters tell of the picture (data.py)."""


def pack_result(header: ResultHeader, planes: Buffer = b"") -> bytes:
    """Return part 2 of a result message; part 1 is `header.session`."""
    return pack(as_map(header, {"data"}), planes)


def unpack_result(message: Buffer) -> tuple[ResultHeader, memoryview]:
    """Return the header and a view of the planes (empty unless the kind is `frame`); raises WireError."""
    values, planes = split(message, MAX_HEADER_BYTES)
    header = read(ResultHeader, values, _CHECKS, _LATER)
    if header.kind is ResultKind.FRAME:
        check_planes(header.width, header.height, planes)
    elif len(planes):
        raise WireError("size", f"{len(planes)} bytes behind a result of kind {header.kind}")
    return header, planes


def _data(value: Any) -> bytes:
    if type(value) is not bytes or len(value) > MAX_DATA_BYTES:
        raise ValueError(f"expected at most {MAX_DATA_BYTES} bytes")
    return value


_LATER = frozenset({"field", "data"})
_CHECKS: dict[str, Check] = {
    **ECHOED,
    "kind": one_of(ResultKind),
    "worker": text(64, 1),
    "wait_ms": MILLISECONDS,
    "batch_ms": MILLISECONDS,
    "filter_ms": MILLISECONDS,
    "code": text(64),
    "text": text(MAX_TEXT),
    "fraction": number(0, 1),
    "field": text(256),
    "data": _data,
}
assert {f.name for f in fields(ResultHeader)} == set(_CHECKS)
