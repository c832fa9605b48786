"""What is cut out of a payload here is what aiortc cuts out."""

from __future__ import annotations

import pytest
from aiortc.codecs.h264 import h264_depayload
from aiortc.codecs.vpx import vp8_depayload
from hypothesis import example, given
from hypothesis import strategies as some

from signaling_service.media.payloads import CARRIED, marks

DEPAYLOAD = {"H264": h264_depayload, "VP8": vp8_depayload}
IDR, SPS, STAP_A, FU_A = 5, 7, 24, 28


@pytest.mark.parametrize("codec", DEPAYLOAD)
@given(payload=some.binary(min_size=1, max_size=24))
@example(payload=bytes([0x60 | FU_A, 0x80 | IDR]) + b"first")
@example(payload=bytes([0x60 | FU_A, IDR]) + b"middle")
@example(payload=bytes([0x60 | FU_A, 0x40 | IDR]) + b"last")
@example(payload=bytes([0x60 | FU_A, 0x80 | SPS]) + b"of parameters")
@example(payload=bytes([FU_A, 0x80]))
@example(payload=bytes([FU_A]))
@example(payload=bytes([STAP_A, 0, 2, SPS, 1, 0, 2, IDR, 2]))
def test_data_and_marks_are_those_of_the_general_way(codec: str, payload: bytes) -> None:
    try:
        data = DEPAYLOAD[codec](payload)
    except ValueError:
        with pytest.raises(ValueError, match=r"\w"):
            CARRIED[codec](payload)
        return
    assert CARRIED[codec](payload) == (data, marks(codec, payload, data))
