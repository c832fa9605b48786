"""Writes the headers of one stream's RTP packets (RFC 3550 section 5.1), whose form is always the same.

aiortc makes an object of each packet, and collects and packs its extensions anew. Here the header is made
once, and what differs from packet to packet is written into it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_HEAD = struct.Struct("!BBHLL")
_EXTENSIONS = struct.Struct("!HH")
_PLAIN, _EXTENDED, _MARKER = 0x80, 0x90, 0x80
_ONE_BYTE, _TWO_BYTES = 0xBEDE, 0x1000
"""How extensions are written, RFC 8285 sections 4.2 and 4.3."""
_MOST_ONE_BYTE_ID, _MOST_ONE_BYTE_SIZE = 14, 16
_SEND_TIME_BYTES, _TRANSPORT_NUMBER_BYTES = 3, 2


class WrittenHead:
    """The header of the packets of one stream. Numbers are taken modulo their width."""

    def __init__(
        self,
        payload_type: int,
        ssrc: int,
        same: Sequence[tuple[int, bytes]] = (),
        send_time_id: int | None = None,
        transport_number_id: int | None = None,
    ) -> None:
        """`same` are extensions that all packets have alike: identifier and value, at least a byte of it.

        The other two are the identifiers of abs-send-time and of transport-wide feedback's number, None where
        packets have none.
        """
        self._payload_type = payload_type
        self._ssrc = ssrc
        self._send_time_at = self._number_at = None
        extensions = list(same)
        if send_time_id:
            extensions.append((send_time_id, bytes(_SEND_TIME_BYTES)))
        if transport_number_id:
            extensions.append((transport_number_id, bytes(_TRANSPORT_NUMBER_BYTES)))
        self._head = bytearray(_HEAD.size)
        if not extensions:
            self._first = _PLAIN
            return
        self._first = _EXTENDED
        is_short = all(
            id_ <= _MOST_ONE_BYTE_ID and len(value) <= _MOST_ONE_BYTE_SIZE for id_, value in extensions
        )
        written = bytearray()
        begin = _HEAD.size + _EXTENSIONS.size
        for id_, value in extensions:
            written += bytes([id_ << 4 | len(value) - 1]) if is_short else bytes([id_, len(value)])
            if id_ == send_time_id:
                self._send_time_at = begin + len(written)
            elif id_ == transport_number_id:
                self._number_at = begin + len(written)
            written += value
        written += bytes(-len(written) % 4)
        self._head += _EXTENSIONS.pack(_ONE_BYTE if is_short else _TWO_BYTES, len(written) // 4) + written

    def before(
        self,
        payload: bytes,
        number: int,
        timestamp: int,
        *,
        marker: bool,
        send_time: int = 0,
        transport_number: int = 0,
    ) -> bytes:
        """Return the packet: the header, and the payload behind it."""
        head = self._head
        kind = self._payload_type | _MARKER if marker else self._payload_type
        _HEAD.pack_into(head, 0, self._first, kind, number & 0xFFFF, timestamp & 0xFFFFFFFF, self._ssrc)
        if (at := self._send_time_at) is not None:
            head[at : at + _SEND_TIME_BYTES] = (send_time & 0xFFFFFF).to_bytes(_SEND_TIME_BYTES, "big")
        if (at := self._number_at) is not None:
            head[at : at + _TRANSPORT_NUMBER_BYTES] = (transport_number & 0xFFFF).to_bytes(2, "big")
        return bytes(head) + payload
