"""Frames, on their way to a worker."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from shared.errors import WireError
from shared.frame import ColourMatrix, ColourRange
from shared.wire.checks import ECHOED, Check, boolean, json_object, octets, read, text
from shared.wire.limits import (
    MAX_CHAIN,
    MAX_HEADER_BYTES,
    MAX_HEADER_WITH_PARAMS_BYTES,
    PARAMS_ID_BYTES,
    TRACE_BYTES,
)
from shared.wire.message import LENGTH, Buffer, as_map, check_planes, pack, split


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
    wants_data: bool = False
    """Whoever has the session listens for `ResultHeader.data`. Only for workers with DATA_VERSION."""
    trace: bytes = b""
    """Names the trace of a frame that is traced (shared/traces.py). Only for workers with TRACES_VERSION."""


def pack_frame(header: FrameHeader, planes: Buffer) -> bytes:
    """Return the message with a copy of `planes`, the packed I420 planes of the header's size."""
    return pack(as_map(header, _LATER), planes)


def frame_message(header: FrameHeader, planes_bytes: int) -> tuple[memoryview, memoryview]:
    """Return a message, and the part of it into which the caller writes so many bytes of planes."""
    packed = pack(as_map(header, _LATER), b"")
    # Not a bytearray, which would be filled with zeros first.
    message = np.empty(len(packed) + planes_bytes, np.uint8).data
    message[: len(packed)] = packed
    return message, message[len(packed) :]


def unpack_frame(message: Buffer) -> tuple[FrameHeader, memoryview]:
    """Return the header and a view of the planes, without a copy.

    Raises WireError for anything else than a well-formed frame of this protocol version.
    """
    values, planes = split(message, MAX_HEADER_WITH_PARAMS_BYTES)
    header = read(FrameHeader, values, _CHECKS, _LATER)
    header_bytes = len(message) - len(planes) - LENGTH.size
    if header.params is None and header_bytes > MAX_HEADER_BYTES:
        raise WireError("oversized", f"header of {header_bytes} bytes without parameters")
    check_planes(header.width, header.height, planes)
    return header, planes


def _params(value: Any) -> dict[str, Any] | None:
    return None if value is None else json_object(value)


def _names(value: Any) -> tuple[str, ...]:
    if type(value) is not list or not 1 <= len(value) <= MAX_CHAIN:
        raise ValueError(f"expected 1..{MAX_CHAIN} names")
    check = text(64, 1)
    return tuple(check(name) for name in value)


def _trace(value: Any) -> bytes:
    context: bytes = octets(TRACE_BYTES)(value)
    # W3C Trace Context: an id of zeros names nothing.
    if not any(context[:16]) or not any(context[16:]):
        raise ValueError("expected ids that are not all zeros")
    return context


_LATER = frozenset({"wants_data", "trace"})
_CHECKS: dict[str, Check] = {
    **ECHOED,
    "reply_to": text(256, 1),
    "filters": _names,
    "params_id": octets(PARAMS_ID_BYTES),
    "params": _params,
    "wants_data": boolean,
    "trace": _trace,
}
assert {f.name for f in fields(FrameHeader)} == set(_CHECKS)
