from __future__ import annotations

import numpy as np
import pytest
from aiortc.codecs import get_encoder, vpx
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from harness.coding import frame_of, luma_psnr_db, panning
from signaling_service.media.bitrate import default_bitrate
from signaling_service.media.encoders.vp8 import Vp8Encoder
from signaling_service.rtc import aiortc_patches
from tests.signaling_service.media.encoders.pictures import bits_per_s, decoded, encode

VP8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000, payloadType=97)


@pytest.fixture(scope="module")
def pictures():
    return panning((320, 240), 20)


def data_of(payloads):
    return b"".join(vpx.vp8_depayload(payload) for payload in payloads)


def is_key(payloads):
    """The first bit of a VP8 frame is 0 for a key frame (RFC 6386 section 9.1)."""
    return data_of(payloads)[0] & 1 == 0


@pytest.mark.parametrize(
    ("size", "least_db"),
    [((640, 480), 39), pytest.param((1280, 720), 38, marks=pytest.mark.slow)],
)
def test_a_panning_photograph_with_noise_stays_near_to_what_was_given(size, least_db):
    assert min(quality(Vp8Encoder(), size)) >= least_db


def test_without_the_denoiser_of_aiortc_a_picture_is_nearer_to_what_the_filter_made(monkeypatch):
    monkeypatch.setattr(vpx, "MAX_BITRATE", default_bitrate(640, 480))
    ours, theirs = (quality(encoder, (640, 480)) for encoder in (Vp8Encoder(), vpx.Vp8Encoder()))
    assert np.mean(ours) >= np.mean(theirs) + 1.5


def quality(encoder, size):
    """PSNR of each frame, in dB, at what the size is worth, once the encoder has settled."""
    encoder.target_bitrate = default_bitrate(*size)
    given = panning(size, 20)
    frames = encode(encoder, given)
    assert bits_per_s(frames) <= 1.2 * default_bitrate(*size)
    shown = decoded(vpx.Vp8Decoder(), map(data_of, frames))
    return [luma_psnr_db(*pair) for pair in zip(given, shown, strict=True)][10:]


def test_only_the_first_frame_is_a_key_frame(pictures):
    frames = encode(Vp8Encoder(), pictures)
    assert [is_key(payloads) for payloads in frames] == [True] + [False] * (len(pictures) - 1)


def test_a_key_frame_is_made_when_asked_for_and_once(pictures):
    encoder = Vp8Encoder()
    encode(encoder, pictures[:3])
    frame = frame_of(pictures[3], 3)
    assert is_key(encoder.encode(frame, force_keyframe=True)[0])
    frame.pts = (frame.pts or 0) + 3000
    assert not is_key(encoder.encode(frame)[0])


def test_a_new_bitrate_or_size_begins_anew_and_a_small_change_does_not(pictures):
    encoder = Vp8Encoder()
    encoder.target_bitrate = 1_000_000
    encode(encoder, pictures[:2])
    encoder.target_bitrate = 1_080_000
    assert not is_key(encoder.encode(frame_of(pictures[2], 2))[0])
    encoder.target_bitrate = 1_300_000
    assert is_key(encoder.encode(frame_of(pictures[3], 3))[0])
    assert encoder.codec is not None
    assert encoder.codec.bit_rate == 1_300_000
    smaller = np.ascontiguousarray(pictures[4][: 120 * 3 // 2 * 2, :160][: 120 * 3 // 2])
    assert is_key(encoder.encode(frame_of(smaller, 4))[0])


def test_payloads_carry_the_pts_and_count_pictures(pictures):
    encoder = Vp8Encoder()
    encoder.picture_id = (1 << 15) - 1
    (first, first_time), (second, second_time) = (
        encoder.encode(frame_of(planes, number)) for number, planes in enumerate(pictures[:2])
    )
    # As given, not rounded to the length of a frame: two in one length would be one picture to a browser.
    assert (first_time, second_time) == (0, 3001)
    ids = [vpx.VpxPayloadDescriptor.parse(payloads[0])[0].picture_id for payloads in (first, second)]
    assert ids == [(1 << 15) - 1, 0]
    assert all(len(payload) <= vpx.PACKET_MAX for payload in first)


def test_sessions_get_this_encoder_once_the_patches_are_applied():
    aiortc_patches.apply(())
    assert type(get_encoder(VP8)) is Vp8Encoder
