from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
from aiortc.codecs import get_decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from harness.coding import luma_psnr_db, panning
from signaling_service.media.encoders.h264 import H264Encoder
from signaling_service.media.encoders.vp8 import Vp8Encoder
from signaling_service.rtc import aiortc_patches
from tests.signaling_service.media.encoders import test_h264, test_vp8
from tests.signaling_service.media.encoders.pictures import encode

THREADS = Path("/proc/self/task")


@pytest.mark.skipif(not THREADS.exists(), reason="threads are counted by what Linux tells")
@pytest.mark.skipif(os.cpu_count() == 1, reason="nobody would take a second thread")
@pytest.mark.parametrize(
    ("name", "encoder", "data_of"),
    [("VP8", Vp8Encoder, test_vp8.data_of), ("H264", H264Encoder, test_h264.data_of)],
)
def test_a_session_decodes_in_its_own_thread_alone_and_each_frame_at_once(name, encoder, data_of):
    aiortc_patches.apply(())
    pictures = panning((640, 480), 4)
    data = [data_of(payloads) for payloads in encode(encoder(), pictures)]
    decoder = get_decoder(RTCRtpCodecParameters(mimeType=f"video/{name}", clockRate=90000, payloadType=97))
    before = len(list(THREADS.iterdir()))
    for number, (given, one) in enumerate(zip(pictures, data, strict=True)):
        (frame,) = decoder.decode(JitterFrame(data=one, timestamp=3000 * number))
        assert isinstance(frame, av.VideoFrame)
        assert luma_psnr_db(given, np.asarray(frame.to_ndarray(), np.uint8)) > 30
        assert frame.pts == 3000 * number
    assert len(list(THREADS.iterdir())) == before
