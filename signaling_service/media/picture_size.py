"""How large the picture of an encoded frame is, read before anything decodes it.

A key frame of a kilobyte may claim 16383x16383: libavcodec then takes a second and 400 MB to decode it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

_START_CODE = re.compile(rb"\x00\x00\x01")
_SPS = 7
_HIGH_PROFILES = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
"""Those whose parameter sets tell the chroma format (ITU-T H.264 section 7.3.2.1.1)."""
_SPS_BYTES = 1024
"""More than any real one has; what lies behind is not read."""


class Size(NamedTuple):
    """Width and height of a picture, as decoded."""

    width: int
    height: int

    def fits(self, limit: Size) -> bool:
        """Within the limit, either way round, since a phone's camera is upright.

        The limit counts in whole blocks of 16: 1080 rows are coded as 1088, and the last 8 cut off.
        """
        return max(self) <= _blocks(max(limit)) and min(self) <= _blocks(min(limit))


LARGEST = Size(3840, 2160)
"""What a service takes that was told no other limit."""


class UnreadableSize(ValueError):
    """A frame that should tell a size, and tells none."""


def sizes_of(codec: str, data: bytes) -> list[Size]:
    """Return every size that a frame of `VP8` or `H264` (Annex B) sets; none where it keeps the last one.

    Raises UnreadableSize for one that a decoder could understand otherwise than we do.
    """
    if codec == "VP8":
        return _of_vp8(data)
    if codec == "H264":
        return [_of_sps(unit) for unit in _units(data) if unit[0] & 0x1F == _SPS]
    return []


def _blocks(side: int) -> int:
    return -(-side // 16) * 16


def _of_vp8(data: bytes) -> list[Size]:
    """RFC 6386 section 9.1: the frame tag's lowest bit is 0 in a key frame, which then tells its size."""
    if not data or data[0] & 1:
        return []
    if len(data) < 10 or data[3:6] != b"\x9d\x01\x2a":
        raise UnreadableSize("a VP8 key frame without a start code")
    # The upper two bits of each are a scale for whoever shows it.
    return [Size(*(int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (6, 8)))]


def _units(data: bytes) -> Iterator[bytes]:
    """NAL units of a byte stream (ITU-T H.264 annex B)."""
    starts = [match.end() for match in _START_CODE.finditer(data)]
    for start, end in pairwise([*starts, len(data)]):
        if start < end:
            yield data[start : min(end, start + _SPS_BYTES)]


def _of_sps(unit: bytes) -> Size:
    """ITU-T H.264 section 7.3.2.1.1; the size without cropping, which is what is decoded."""
    try:
        bits = _Bits(unit[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
        profile = bits.take(8)
        bits.take(16)
        bits.exp_golomb()
        if profile in _HIGH_PROFILES:
            _skip_chroma(bits)
        bits.exp_golomb()
        order = bits.exp_golomb()
        if order == 0:
            bits.exp_golomb()
        elif order == 1:
            bits.take(1)
            bits.exp_golomb()
            bits.exp_golomb()
            for _ in range(_at_most(bits.exp_golomb(), 255)):
                bits.exp_golomb()
        bits.exp_golomb()
        bits.take(1)
        width = 16 * (bits.exp_golomb() + 1)
        height = 16 * (bits.exp_golomb() + 1)
        return Size(width, height * (2 - bits.take(1)))
    except ValueError as exc:
        raise UnreadableSize(f"an H264 parameter set that cannot be read: {exc}") from exc


def _skip_chroma(bits: _Bits) -> None:
    chroma = bits.exp_golomb()
    if chroma == 3:
        bits.take(1)
    bits.exp_golomb()
    bits.exp_golomb()
    bits.take(1)
    if bits.take(1):
        for place in range(12 if chroma == 3 else 8):
            if bits.take(1):
                _skip_scaling_list(bits, 16 if place < 6 else 64)


def _skip_scaling_list(bits: _Bits, count: int) -> None:
    """Section 7.3.2.1.1.1."""
    last = following = 8
    for _ in range(count):
        if following:
            following = (last + bits.signed_exp_golomb()) % 256
        last = following or last


def _at_most(value: int, most: int) -> int:
    if value > most:
        raise ValueError(f"{value} is over {most}")
    return value


class _Bits:
    """Reads bits from the left; raises ValueError behind the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("it ends too early")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """ue(v), section 9.1."""
        zeros = 0
        while not self.take(1):
            zeros = _at_most(zeros + 1, 32)
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_exp_golomb(self) -> int:
        """se(v), section 9.1.1."""
        code = self.exp_golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)
