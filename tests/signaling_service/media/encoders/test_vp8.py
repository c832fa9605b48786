from __future__ import annotations

import numpy as np
import pytest
from aiortc.codecs import get_encoder, vpx
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from harness.coding import frame_of, luma_psnr_db, panning
from harness.picture import Picture
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


def size_bytes(payloads):
    return sum(map(len, payloads))


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
    given = panning(size, 30)
    frames = encode(encoder, given)
    assert bits_per_s(frames) <= 1.2 * default_bitrate(*size)
    shown = decoded(vpx.Vp8Decoder(), map(data_of, frames))
    return [luma_psnr_db(*pair) for pair in zip(given, shown, strict=True)][20:]


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


def test_a_bitrate_or_frame_rate_changes_without_a_key_frame_and_is_kept():
    encoder, camera, made = Vp8Encoder(), Picture(320, 240, noise=2.0), {}
    number = 0
    for target, fps in ((300_000, 30), (600_000, 30), (200_000, 15), (450_000, 30)):
        encoder.target_bitrate, encoder.fps = target, fps
        sizes = []
        for _ in range(4 * fps):
            payloads, _ = encoder.encode(frame_of(camera.frame(number), number))
            assert is_key(payloads) is (number == 0)
            sizes.append(size_bytes(payloads))
            number += 30 // fps
        # libvpx takes up to three seconds to use a higher target.
        made[target] = 8 * sum(sizes[3 * fps :])
    assert made == {target: pytest.approx(target, rel=0.15) for target in made}


def test_a_new_size_begins_anew(pictures):
    encoder = Vp8Encoder()
    encode(encoder, pictures[:2])
    smaller = np.ascontiguousarray(pictures[2][: 120 * 3 // 2, :160])
    assert is_key(encoder.encode(frame_of(smaller, 2))[0])


def test_a_key_frame_is_as_much_smaller_as_the_target_is_lower():
    camera = Picture(640, 480, noise=2.0)
    for target in (300_000, 1_500_000):
        encoder = Vp8Encoder()
        encoder.target_bitrate = target
        for number in range(45):
            encoder.encode(frame_of(camera.frame(number), number))
        payloads, _ = encoder.encode(frame_of(camera.frame(45), 45), force_keyframe=True)
        assert is_key(payloads)
        assert 8 * size_bytes(payloads) <= 0.25 * target


def test_a_picture_after_a_pause_has_no_more_bits_than_others():
    encoder, camera = Vp8Encoder(), Picture(320, 240, noise=2.0)
    encoder.target_bitrate = 300_000
    sizes = [size_bytes(encoder.encode(frame_of(camera.frame(n), n))[0]) for n in range(60)]
    late, _ = encoder.encode(frame_of(camera.frame(60), 120))
    assert size_bytes(late) <= 1.5 * max(sizes[30:])


def test_the_frame_keeps_its_own_time(pictures):
    encoder, frame = Vp8Encoder(), frame_of(pictures[0], 7)
    encoder.target_bitrate = 100_000
    for _ in range(2):
        was = frame.pts, frame.time_base
        encoder.encode(frame)
        assert (frame.pts, frame.time_base) == was


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
