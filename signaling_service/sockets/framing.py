"""Datagrams in a stream of bytes, as ICE over TCP has them (RFC 4571 section 2).

0               2
+---------------+------------------------
| length of the | the datagram
| datagram      |
+---------------+------------------------
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAX_DATAGRAM_BYTES = 2048
"""More than a page sends, whose packets are made for a path that carries 1,500 bytes."""

_LENGTH = struct.Struct("!H")


class DatagramTooLong(ValueError):
    """The other side announces more than `MAX_DATAGRAM_BYTES`; the stream is of no use any more."""


def framed(datagram: bytes) -> bytes:
    """Return a datagram of at most 65,535 bytes as the stream has it."""
    return _LENGTH.pack(len(datagram)) + datagram


class Deframer:
    """Cuts what has been read into datagrams; holds less than one of them."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the datagrams that `data` completes, without the empty ones; raises DatagramTooLong."""
        data = self._rest + data
        self._rest = b""
        at = 0
        while at + _LENGTH.size <= len(data):
            (length,) = _LENGTH.unpack_from(data, at)
            if length > MAX_DATAGRAM_BYTES:
                raise DatagramTooLong(f"{length} bytes")
            end = at + _LENGTH.size + length
            if end > len(data):
                break
            if length:
                yield data[at + _LENGTH.size : end]
            at = end
        self._rest = data[at:]
