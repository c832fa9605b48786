"""For whom a STUN message is, read from its bytes without parsing the rest (RFC 8489 section 5).

0               2               4               8                          20
+---------------+---------------+---------------+---------------------------+------------
| 00, class and | length of the | magic cookie  | transaction id, 12 bytes  | attributes
| method        | attributes    | 2112a442      |                           |
+---------------+---------------+---------------+---------------------------+------------
"""

from __future__ import annotations

import struct

_HEADER = struct.Struct("!HHI")
_HEADER_BYTES = 20
_COOKIE = 0x2112A442
_CLASS = 0x0110
_ATTRIBUTE = struct.Struct("!HH")
_USERNAME = 0x0006
_MOST_ATTRIBUTES = 16
"""Before the user name; browsers put it first."""


def transaction_of(data: bytes) -> bytes | None:
    """Return the transaction that an answer belongs to; None for a request, and for what is no STUN."""
    message_type = _type_of(data)
    return None if message_type is None or not message_type & _CLASS else data[8:_HEADER_BYTES]


def called_name(data: bytes) -> bytes | None:
    """Return whom a check calls: the part of its user name that the receiver has chosen (RFC 8445 section
    7.2.2). None for an answer, for a request without a user name, and for what is no STUN.
    """
    message_type = _type_of(data)
    if message_type is None or message_type & _CLASS:
        return None
    at = _HEADER_BYTES
    for _ in range(_MOST_ATTRIBUTES):
        if at + _ATTRIBUTE.size > len(data):
            return None
        kind, length = _ATTRIBUTE.unpack_from(data, at)
        at += _ATTRIBUTE.size
        if kind == _USERNAME:
            return data[at : at + length].partition(b":")[0]
        at += (length + 3) & ~3
    return None


def _type_of(data: bytes) -> int | None:
    if len(data) < _HEADER_BYTES:
        return None
    message_type, length, cookie = _HEADER.unpack_from(data)
    is_stun = message_type < 1 << 14 and cookie == _COOKIE and length == len(data) - _HEADER_BYTES
    return int(message_type) if is_stun else None
