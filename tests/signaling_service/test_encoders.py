from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.codecs import get_encoder, vpx
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from benchmarks.encoders import panning
from signaling_service import aiortc_patches
from signaling_service.encoders.vp8 import Vp8Encoder

VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000, payloadType=97)


@pytest.fixture(scope="module")
def pictures():
    return panning((320, 240), 20)


def frame_of(planes, number):
    frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
    frame.pts, frame.time_base = number * 3000, Fraction(1, 90_000)
    return frame


def data_of(payloads):
    return b"".join(vpx.vp8_depayload(payload) for payload in payloads)


def is_key(payloads):
    """The first bit of a VP8 frame is 0 for a key frame (RFC 6386 section 9.1)."""
    return data_of(payloads)[0] & 1 == 0


def decoded(frames):
    decoder = vpx.Vp8Decoder()
    made = []
    for number, payloads in enumerate(frames):
        made += decoder.decode(JitterFrame(data=data_of(payloads), timestamp=number * 3000))
    return [frame.to_ndarray() for frame in made]


def psnr(one, other):
    rows = one.shape[0] * 2 // 3
    return 10 * np.log10(255**2 / np.mean((one[:rows].astype(float) - other[:rows]) ** 2))


def encode(encoder, pictures):
    return [encoder.encode(frame_of(planes, number))[0] for number, planes in enumerate(pictures)]


@pytest.mark.parametrize(
    ("size", "bits_per_s", "least_db"), [((640, 480), 1_500_000, 39), ((1280, 720), 3_000_000, 38)]
)
def test_a_panning_photograph_with_noise_stays_near_to_what_was_given(
    monkeypatch, size, bits_per_s, least_db
):
    monkeypatch.setattr(vpx, "MAX_BITRATE", bits_per_s)
    given = panning(size, 30)
    qualities, own = [], []
    for encoder, found in ((Vp8Encoder(), qualities), (vpx.Vp8Encoder(), own)):
        encoder.target_bitrate = bits_per_s
        frames = encode(encoder, given)
        found += [psnr(*pair) for pair in zip(given, decoded(frames), strict=True)][10:]
        assert sum(len(payload) for payloads in frames for payload in payloads) * 8 <= 1.2 * bits_per_s
    assert min(qualities) >= least_db
    # Without aiortc's denoiser the picture is nearer to what the filter made.
    assert np.mean(qualities) >= np.mean(own) + 1.5


def test_only_the_first_frame_is_a_key_frame(pictures):
    frames = encode(Vp8Encoder(), pictures)
    assert [is_key(payloads) for payloads in frames] == [True] + [False] * (len(pictures) - 1)


def test_a_key_frame_is_made_when_asked_for_and_once(pictures):
    encoder = Vp8Encoder()
    encode(encoder, pictures[:3])
    frame = frame_of(pictures[3], 3)
    assert is_key(encoder.encode(frame, force_keyframe=True)[0])
    frame.pts += 3000
    assert not is_key(encoder.encode(frame)[0])


def test_a_new_bitrate_or_size_begins_anew_and_a_small_change_does_not(pictures):
    encoder = Vp8Encoder()
    encoder.target_bitrate = 1_000_000
    encode(encoder, pictures[:2])
    encoder.target_bitrate = 1_080_000
    assert not is_key(encoder.encode(frame_of(pictures[2], 2))[0])
    encoder.target_bitrate = 1_300_000
    assert is_key(encoder.encode(frame_of(pictures[3], 3))[0])
    assert encoder.codec.bit_rate == 1_300_000
    smaller = np.ascontiguousarray(pictures[4][: 120 * 3 // 2 * 2, :160][: 120 * 3 // 2])
    assert is_key(encoder.encode(frame_of(smaller, 4))[0])


def test_payloads_carry_the_pts_and_count_pictures(pictures):
    encoder = Vp8Encoder()
    encoder.picture_id = (1 << 15) - 1
    (first, first_time), (second, second_time) = (
        encoder.encode(frame_of(planes, number)) for number, planes in enumerate(pictures[:2])
    )
    assert (first_time, second_time) == (0, 3000)
    ids = [vpx.VpxPayloadDescriptor.parse(payloads[0])[0].picture_id for payloads in (first, second)]
    assert ids == [(1 << 15) - 1, 0]
    assert all(len(payload) <= vpx.PACKET_MAX for payload in first)


def test_sessions_get_this_encoder_once_the_patches_are_applied():
    aiortc_patches.apply(())
    assert type(get_encoder(VP8)) is Vp8Encoder
