"""What an RTP payload carries for the decoder, and what its first bytes say of its frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aiortc.codecs.h264 import h264_depayload
from aiortc.codecs.vpx import vp8_depayload


class Marks(NamedTuple):
    """Whether a packet is certainly the first one of its frame, and whether that is a key frame.

    Both may be False where the packet does not say, as in the middle of a frame.
    """

    begins_frame: bool
    of_key_frame: bool


UNMARKED = Marks(False, False)

_START = b"\0\0\0\1"
"""Before each NAL unit (ITU-T H.264 annex B)."""
_STAP_A, _FU_A = 24, 28
_IDR, _SPS, _ACCESS_UNIT_DELIMITER = 5, 7, 9


def carried_vp8(payload: bytes) -> tuple[bytes, Marks]:
    """Return what is for the decoder, and its marks; raises ValueError for what is no payload of VP8."""
    data = vp8_depayload(payload)
    return data, marks("VP8", payload, data)


def carried_h264(payload: bytes) -> tuple[bytes, Marks]:
    """Return what is for the decoder, and its marks; raises ValueError for what is no payload of H264."""
    # Most are the second or a later part of a unit, which is cut out here; aiortc reads the rest.
    if len(payload) > 2 and payload[0] & 0x1F == _FU_A:
        kind = payload[1] & 0x1F
        of_frame = _MARKS_OF_ONE[kind]
        if payload[1] & 0x80:
            return b"%b%c%b" % (_START, payload[0] & 0xE0 | kind, payload[2:]), of_frame
        return payload[2:], of_frame
    data = h264_depayload(payload)
    return data, marks("H264", payload, data)


CARRIED: dict[str, Callable[[bytes], tuple[bytes, Marks]]] = {"VP8": carried_vp8, "H264": carried_h264}


def marks(codec: str, payload: bytes, data: bytes) -> Marks:
    """Return the marks of a payload of `VP8` or `H264`; `data` is what it carries for the decoder."""
    if not data:
        return UNMARKED
    if codec == "VP8":
        return _vp8(payload, data)
    return _h264(payload) if codec == "H264" else UNMARKED


def _vp8(payload: bytes, data: bytes) -> Marks:
    """RFC 7741: section 4.2 the bits S and PID, section 4.3 the bit P, which is 0 in a key frame."""
    if payload[0] & 0x17 != 0x10:
        return UNMARKED
    return Marks(True, not data[0] & 1)


def _h264(payload: bytes) -> Marks:
    """RFC 6184 sections 5.6 to 5.8; a key frame comes behind its parameter sets, which lose it otherwise."""
    units = _unit_types(payload)
    if not units:
        return UNMARKED
    begins = units[0] in (_SPS, _ACCESS_UNIT_DELIMITER)
    return Marks(begins, _IDR in units or _SPS in units)


_MARKS_OF_ONE = [Marks(kind in (_SPS, _ACCESS_UNIT_DELIMITER), kind in (_IDR, _SPS)) for kind in range(32)]
"""Of a packet of one NAL unit, by its type."""


def _unit_types(payload: bytes) -> list[int]:
    """The types of the NAL units of which a packet carries any part."""
    packet_type = payload[0] & 0x1F
    if packet_type == _FU_A:
        return [payload[1] & 0x1F] if len(payload) > 1 else []
    if packet_type != _STAP_A:
        return [packet_type]
    types = []
    position = 1
    while position + 2 < len(payload):
        types.append(payload[position + 2] & 0x1F)
        position += 2 + int.from_bytes(payload[position : position + 2], "big")
    return types
