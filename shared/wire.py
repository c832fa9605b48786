"""Frame, result and status messages: packed and checked here, and nowhere else.

Frame, PUSH -> PULL, one part (a conflating socket carries no second one):

    +----------------+----------------+-----------+-----------+-----------+
    | u32 big-endian | msgpack map    | Y plane   | U plane   | V plane   |
    | header length  | (FrameHeader)  | W * H     | W * H / 4 | W * H / 4 |
    +----------------+----------------+-----------+-----------+-----------+

Result, PUB -> SUB, two parts; the topic is the session id, always 16 bytes, since SUB matches by prefix:

    part 1: +----------+    part 2: +----------------+----------------+--------------------------+
            | 16 bytes |            | u32 big-endian | msgpack map    | Y, U, V of kind `frame`, |
            +----------+            | header length  | (ResultHeader) | else nothing             |
                                    +----------------+----------------+--------------------------+

Status, PUB -> SUB, the same with the topic `STATUS_TOPIC` and a StatusHeader, nothing behind it.

Every map carries `v`, the protocol version. Text is UTF-8. Times are nanoseconds of the sender's monotonic
clock, so they mean something to their sender alone, or durations in milliseconds.

A field that was added since version 1 began may be missing, and then has its default (`_LATER`), so a
service that knows it takes what older ones send. The other way round it is refused as unknown: update
signaling services first.

Parameters are JSON values. `params_id` is their hash; parameters of more than `INLINE_PARAMS_BYTES` travel
only when the worker has answered `missing`, and the worker keeps them by `params_id`.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from dataclasses import field as dataclass_field
from enum import StrEnum
from typing import Any, TypeVar

import msgpack
import numpy as np

from shared.errors import WireError
from shared.frame import (
    MAX_PLANES_BYTES,
    ColourMatrix,
    ColourRange,
    i420_size_bytes,
    is_usable_size,
)

PROTOCOL_VERSION = 1
SESSION_BYTES = 16
PARAMS_ID_BYTES = 16
STATUS_TOPIC = b"p2pcamera-status"
assert len(STATUS_TOPIC) == SESSION_BYTES

MAX_HEADER_BYTES = 16 * 1024
MAX_HEADER_WITH_PARAMS_BYTES = 1024 * 1024
INLINE_PARAMS_BYTES = 4 * 1024
MAX_STATUS_BYTES = 1024 * 1024
MAX_MESSAGE_BYTES = 4 + MAX_HEADER_WITH_PARAMS_BYTES + MAX_PLANES_BYTES
MAX_CHAIN = 8
MAX_TEXT = 2048

Buffer = bytes | bytearray | memoryview
_LENGTH = struct.Struct(">I")
_U63 = 2**63 - 1


class ResultKind(StrEnum):
    """What a result message brings."""

    FRAME = "frame"
    ERROR = "error"
    PROGRESS = "progress"
    MISSING = "missing"


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
class FrameHeader:
    """One camera frame on its way to a worker."""

    session: bytes
    reply_to: str
    """Endpoint of the SUB that waits for the result."""
    sequence: int
    """Counts the frames of one session from 0."""
    generation: int
    """Raised by every change of filter or parameters."""
    pts: int
    """In units of 1/90000 s."""
    captured_ns: int
    """Sender's monotonic clock when the frame left the decoder."""
    width: int
    height: int
    filters: tuple[str, ...]
    """Applied in this order."""
    params_id: bytes
    params: dict[str, Any] | None
    """Of a single filter: name -> value. Of a chain: filter -> name -> value. None: by `params_id` alone."""
    colour_range: ColourRange = ColourRange.LIMITED
    colour_matrix: ColourMatrix = ColourMatrix.BT601


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
    reason_detail: str = ""
    """The part of `reason` that differs from case to case: a package, what a server answered."""
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


def params_id(params: Mapping[str, Any]) -> bytes:
    """Hash of parameters: BLAKE2b of their JSON with sorted keys, 16 bytes."""
    text = json.dumps(params, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=PARAMS_ID_BYTES).digest()


def params_size_bytes(params: Mapping[str, Any]) -> int:
    """Size of parameters as they would travel."""
    return len(msgpack.packb(params))


def pack_frame(header: FrameHeader, planes: Buffer) -> bytes:
    """Return the message with a copy of `planes`, the packed I420 planes of the header's size."""
    return _pack(header, planes)


def frame_message(header: FrameHeader, planes_bytes: int) -> tuple[memoryview, memoryview]:
    """Return a message, and the part of it into which the caller writes so many bytes of planes."""
    packed = _pack(header, b"")
    # Not a bytearray, which would be filled with zeros first.
    message = np.empty(len(packed) + planes_bytes, np.uint8).data
    message[: len(packed)] = packed
    return message, message[len(packed) :]


def unpack_frame(message: Buffer) -> tuple[FrameHeader, memoryview]:
    """Return the header and a view of the planes, without a copy.

    Raises WireError for anything else than a well-formed frame of this protocol version.
    """
    values, planes = _split(message, MAX_HEADER_WITH_PARAMS_BYTES)
    header = _read(FrameHeader, values, _FRAME_CHECKS)
    header_bytes = len(message) - len(planes) - _LENGTH.size
    if header.params is None and header_bytes > MAX_HEADER_BYTES:
        raise WireError("oversized", f"header of {header_bytes} bytes without parameters")
    _check_planes(header.width, header.height, planes)
    return header, planes


def pack_result(header: ResultHeader, planes: Buffer = b"") -> bytes:
    """Return part 2 of a result message; part 1 is `header.session`."""
    return _pack(header, planes)


def unpack_result(message: Buffer) -> tuple[ResultHeader, memoryview]:
    """Return the header and a view of the planes (empty unless the kind is `frame`); raises WireError."""
    values, planes = _split(message, MAX_HEADER_BYTES)
    header = _read(ResultHeader, values, _RESULT_CHECKS)
    if header.kind is ResultKind.FRAME:
        _check_planes(header.width, header.height, planes)
    elif len(planes):
        raise WireError("size", f"{len(planes)} bytes behind a result of kind {header.kind}")
    return header, planes


def pack_status(status: StatusHeader) -> bytes:
    """Return part 2 of a status message; part 1 is `STATUS_TOPIC`."""
    return _pack(status, b"")


def unpack_status(message: Buffer) -> StatusHeader:
    """Return the status; raises WireError."""
    values, rest = _split(message, MAX_STATUS_BYTES)
    if len(rest):
        raise WireError("size", f"{len(rest)} bytes behind a status")
    return _read(StatusHeader, values, _STATUS_CHECKS)


# Packing


def _pack(header: FrameHeader | ResultHeader | StatusHeader, planes: Buffer) -> bytes:
    packed = msgpack.packb({"v": PROTOCOL_VERSION, **_as_map(header)})
    return b"".join((_LENGTH.pack(len(packed)), packed, planes))


def _as_map(header: FrameHeader | ResultHeader | StatusHeader) -> dict[str, Any]:
    if isinstance(header, StatusHeader):
        return asdict(header)
    return {name: getattr(header, name) for name in header.__slots__}


# Checking


def _split(message: Buffer, max_header_bytes: int) -> tuple[dict[str, Any], memoryview]:
    view = memoryview(message)
    if len(view) < _LENGTH.size:
        raise WireError("truncated", f"{len(view)} bytes, shorter than the length field")
    if len(view) > MAX_MESSAGE_BYTES:
        raise WireError("oversized", f"message of {len(view)} bytes")
    (length,) = _LENGTH.unpack_from(view)
    if length > max_header_bytes:
        raise WireError("oversized", f"header of {length} bytes, at most {max_header_bytes}")
    start = _LENGTH.size + length
    if len(view) < start:
        raise WireError("truncated", f"{len(view)} bytes, header alone needs {start}")
    try:
        values = msgpack.unpackb(view[_LENGTH.size : start])
    except (ValueError, msgpack.UnpackException, RecursionError) as exc:
        raise WireError("malformed", f"header is not msgpack ({type(exc).__name__})") from exc
    if not isinstance(values, dict):
        raise WireError("malformed", f"header is {type(values).__name__}, expected a map")
    version = values.pop("v", None)
    if type(version) is not int or version != PROTOCOL_VERSION:
        raise WireError("version", f"expected protocol version {PROTOCOL_VERSION}")
    return values, view[start:]


def _check_planes(width: int, height: int, planes: memoryview) -> None:
    if not is_usable_size(width, height):
        raise WireError("size", f"{width}x{height}")
    expected = i420_size_bytes(width, height)
    if len(planes) != expected:
        raise WireError("size", f"{len(planes)} bytes of planes, {width}x{height} has {expected}")


T = TypeVar("T")
Check = Callable[[Any], Any]
"""Returns the value as the field's type, or raises ValueError, KeyError or TypeError."""


def _read(cls: type[T], values: Mapping[Any, Any], checks: Mapping[str, Check]) -> T:
    if unknown := [name for name in values if name not in checks]:
        raise WireError("malformed", f"unknown field {str(unknown[0])[:64]!r}")
    checked: dict[str, Any] = {}
    for name, check in checks.items():
        if name in _LATER and name not in values:
            continue
        try:
            checked[name] = check(values[name])
        except KeyError as exc:
            raise WireError("malformed", f"field {name!r} is missing") from exc
        except (ValueError, TypeError) as exc:
            raise WireError("malformed", f"field {name!r}: {exc}") from exc
    return cls(**checked)


def _integer(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"expected an integer in {low}..{high}")
        return value

    return check


def _number(low: float, high: float) -> Check:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"expected a number in {low:g}..{high:g}")
        return float(value)

    return check


def _text(max_length: int, min_length: int = 0) -> Check:
    def check(value: Any) -> str:
        if type(value) is not str or not min_length <= len(value) <= max_length:
            raise ValueError(f"expected text of {min_length}..{max_length} characters")
        return value

    return check


def _octets(length: int) -> Check:
    def check(value: Any) -> bytes:
        if type(value) is not bytes or len(value) != length:
            raise ValueError(f"expected {length} bytes")
        return value

    return check


def _one_of(kind: type[StrEnum]) -> Check:
    def check(value: Any) -> StrEnum:
        if type(value) is not str:
            raise ValueError("expected text")
        return kind(value)

    return check


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("expected a boolean")
    return value


def _json_object(value: Any) -> dict[str, Any]:
    if type(value) is not dict or not all(type(name) is str for name in value):
        raise ValueError("expected a map with text keys")
    return value


def _params(value: Any) -> dict[str, Any] | None:
    return None if value is None else _json_object(value)


def _names(value: Any) -> tuple[str, ...]:
    if type(value) is not list or not 1 <= len(value) <= MAX_CHAIN:
        raise ValueError(f"expected 1..{MAX_CHAIN} names")
    check = _text(64, 1)
    return tuple(check(name) for name in value)


def _versions(value: Any) -> dict[str, str]:
    check = _text(64)
    return {check(name): check(version) for name, version in _json_object(value).items()}


def _filters(value: Any) -> tuple[FilterStatus, ...]:
    if type(value) not in (list, tuple) or len(value) > 256:
        raise ValueError("expected up to 256 filters")
    return tuple(_read(FilterStatus, _json_object(one), _FILTER_CHECKS) for one in value)


_LATER = frozenset(
    {
        *("field", "is_private", "memory_bytes"),
        *("reason", "reason_code", "reason_detail", "remedy", "size_bytes", "has_weights"),
    }
)
_SIDE = _integer(0, 65535)
_MILLISECONDS = _number(0, 1e12)
_ECHOED: dict[str, Check] = {
    "session": _octets(SESSION_BYTES),
    "sequence": _integer(0, _U63),
    "generation": _integer(0, _U63),
    "pts": _integer(-_U63, _U63),
    "captured_ns": _integer(0, _U63),
    "width": _SIDE,
    "height": _SIDE,
    "colour_range": _one_of(ColourRange),
    "colour_matrix": _one_of(ColourMatrix),
}
_FRAME_CHECKS: dict[str, Check] = {
    **_ECHOED,
    "reply_to": _text(256, 1),
    "filters": _names,
    "params_id": _octets(PARAMS_ID_BYTES),
    "params": _params,
}
_RESULT_CHECKS: dict[str, Check] = {
    **_ECHOED,
    "kind": _one_of(ResultKind),
    "worker": _text(64, 1),
    "wait_ms": _MILLISECONDS,
    "batch_ms": _MILLISECONDS,
    "filter_ms": _MILLISECONDS,
    "code": _text(64),
    "text": _text(MAX_TEXT),
    "fraction": _number(0, 1),
    "field": _text(256),
}
_FILTER_CHECKS: dict[str, Check] = {
    "name": _text(64, 1),
    "title": _text(256),
    "state": _one_of(FilterState),
    "keeps_state": _boolean,
    "schema": _json_object,
    "description": _text(MAX_TEXT),
    "is_private": _boolean,
    "memory_bytes": _integer(0, _U63),
    "reason": _text(MAX_TEXT),
    "reason_code": _text(64),
    "reason_detail": _text(MAX_TEXT),
    "remedy": _text(MAX_TEXT),
    "size_bytes": _integer(0, _U63),
    "has_weights": _boolean,
}
_STATUS_CHECKS: dict[str, Check] = {
    "worker": _text(64, 1),
    "frames_endpoint": _text(256, 1),
    "device": _text(128),
    "filters": _filters,
    "busy": _number(0, 1),
    "batch_size": _number(0, 65535),
    "loop_state": _one_of(LoopState),
    "loop_state_ms": _MILLISECONDS,
    "loop_usual_ms": _MILLISECONDS,
    "draining": _boolean,
    "versions": _versions,
}
for _cls, _checks in (
    (FrameHeader, _FRAME_CHECKS),
    (ResultHeader, _RESULT_CHECKS),
    (FilterStatus, _FILTER_CHECKS),
    (StatusHeader, _STATUS_CHECKS),
):
    assert {f.name for f in fields(_cls)} == set(_checks)
