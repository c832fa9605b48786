"""What every message is: a length, a msgpack map with the version, and what lies behind it."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from typing import Any

import msgpack

from shared.errors import WireError
from shared.frame import i420_size_bytes, is_usable_size
from shared.wire.limits import MAX_MESSAGE_BYTES, PROTOCOL_VERSION

Buffer = bytes | bytearray | memoryview
LENGTH = struct.Struct(">I")


def pack(values: Mapping[str, Any], planes: Buffer) -> bytes:
    """Return a message of these fields, with a copy of `planes` behind them."""
    packed = msgpack.packb({"v": PROTOCOL_VERSION, **values})
    return b"".join((LENGTH.pack(len(packed)), packed, planes))


def as_map(header: Any, if_set: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of a flat header; those of `if_set` only where they are true."""
    fields = {name: getattr(header, name) for name in header.__slots__}
    return {name: value for name, value in fields.items() if value or name not in if_set}


def split(message: Buffer, max_header_bytes: int) -> tuple[dict[str, Any], memoryview]:
    """Return the fields without the version, and a view of what lies behind them; raises WireError."""
    view = memoryview(message)
    if len(view) < LENGTH.size:
        raise WireError("truncated", f"{len(view)} bytes, shorter than the length field")
    if len(view) > MAX_MESSAGE_BYTES:
        raise WireError("oversized", f"message of {len(view)} bytes")
    (length,) = LENGTH.unpack_from(view)
    if length > max_header_bytes:
        raise WireError("oversized", f"header of {length} bytes, at most {max_header_bytes}")
    start = LENGTH.size + length
    if len(view) < start:
        raise WireError("truncated", f"{len(view)} bytes, header alone needs {start}")
    try:
        values = msgpack.unpackb(view[LENGTH.size : start])
    except (ValueError, msgpack.UnpackException, RecursionError) as exc:
        raise WireError("malformed", f"header is not msgpack ({type(exc).__name__})") from exc
    if not isinstance(values, dict):
        raise WireError("malformed", f"header is {type(values).__name__}, expected a map")
    version = values.pop("v", None)
    if type(version) is not int or version != PROTOCOL_VERSION:
        raise WireError("version", f"expected protocol version {PROTOCOL_VERSION}")
    return values, view[start:]


def check_planes(width: int, height: int, planes: memoryview) -> None:
    """Raise WireError unless these are I420 planes of this size."""
    if not is_usable_size(width, height):
        raise WireError("size", f"{width}x{height}")
    expected = i420_size_bytes(width, height)
    if len(planes) != expected:
        raise WireError("size", f"{len(planes)} bytes of planes, {width}x{height} has {expected}")
