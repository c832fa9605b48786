"""The header of an RTP packet (RFC 3550 section 5.1) of a stream that is known, read in one go.

A camera sends ten packets and more a frame, all of one form. What is of another form is not read here, and
aiortc's parser, which takes everything, has its word.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_HEAD = struct.Struct("!BBHLL")
_EXTENSIONS = struct.Struct("!HH")
_PLAIN, _EXTENDED = 0x80, 0x90
"""Version 2 without padding and contributing sources; without and with extensions."""
_ONE_BYTE = 0xBEDE
"""How extensions are written, RFC 8285 section 4.2."""


class Form(NamedTuple):
    """What all packets of a stream have in common."""

    ssrc: int
    payload_type: int
    send_time_id: int | None
    """Of the extension abs-send-time, where there is one."""
    transport_number_id: int | None
    """Of transport-wide feedback's."""


class Head(NamedTuple):
    """What is in a header besides; the first two names are aiortc's, whose statistics read them."""

    sequence_number: int
    timestamp: int
    marker: bool
    send_time: int | None
    transport_number: int | None
    payload_at: int


def head_of(data: bytes, form: Form) -> Head | None:
    """Return the header of a packet of this form; None for any other, and for what cannot be read."""
    if len(data) < _HEAD.size:
        return None
    first, kind, number, timestamp, ssrc = _HEAD.unpack_from(data)
    if ssrc != form.ssrc or kind & 0x7F != form.payload_type:
        return None
    if first == _PLAIN:
        return Head(number, timestamp, kind > 0x7F, None, None, _HEAD.size)
    begin = _HEAD.size + _EXTENSIONS.size
    if first != _EXTENDED or len(data) < begin:
        return None
    profile, words = _EXTENSIONS.unpack_from(data, _HEAD.size)
    end = begin + 4 * words
    if profile != _ONE_BYTE or end > len(data):
        return None
    send_time = transport_number = None
    at = begin
    while at < end:
        if not (one := data[at]):
            at += 1
            continue
        id_, value, at = one >> 4, at + 1, at + 2 + (one & 0x0F)
        if at > end:
            return None
        if id_ == form.send_time_id:
            if at - value != 3:
                return None
            send_time = int.from_bytes(data[value:at], "big")
        elif id_ == form.transport_number_id:
            if at - value != 2:
                return None
            transport_number = data[value] << 8 | data[value + 1]
    return Head(number, timestamp, kind > 0x7F, send_time, transport_number, end)
