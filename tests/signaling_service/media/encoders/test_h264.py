from __future__ import annotations

import logging
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from aiortc import codecs
from aiortc.codecs import h264
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.video.reformatter import ColorRange

from harness.coding import frame_of, luma_psnr_db, panning
from signaling_service.media.bitrate import default_bitrate
from signaling_service.media.encoders.h264 import MOST_UNIT_BYTES, H264Encoder, SingleUnitEncoder
from signaling_service.media.encoders.nvenc import Nvenc
from signaling_service.rtc import aiortc_patches
from tests.signaling_service.media.encoders.pictures import bits_per_s, decoded, encode

H264 = RTCRtpCodecParameters(
    mimeType="video/H264", clockRate=90000, payloadType=99, parameters={"packetization-mode": "1"}
)
SLICE, KEY_SLICE, SETTINGS = 1, 5, 7
"""Types of NAL units (ITU-T H.264 table 7-1)."""


@pytest.fixture(scope="module")
def pictures():
    there = panning((320, 240), 30)
    return there + there[::-1]


def data_of(payloads):
    return b"".join(h264.h264_depayload(payload) for payload in payloads)


def units(payloads):
    return list(h264.H264Encoder._split_bitstream(data_of(payloads)))


def is_key(payloads):
    return KEY_SLICE in {unit[0] & 31 for unit in units(payloads)}


@pytest.mark.parametrize(
    ("size", "least_db"),
    [((640, 480), 39), pytest.param((1280, 720), 38, marks=pytest.mark.slow)],
)
def test_a_panning_photograph_with_noise_stays_near_to_what_was_given(size, least_db):
    encoder = H264Encoder()
    encoder.target_bitrate = default_bitrate(*size)
    given = panning(size, 20)
    frames = encode(encoder, given)
    found = decoded(h264.H264Decoder(), map(data_of, frames))
    assert min(luma_psnr_db(*pair) for pair in list(zip(given, found, strict=True))[10:]) >= least_db
    assert bits_per_s(frames) <= 1.2 * encoder.target_bitrate


def test_only_the_first_frame_is_a_key_frame_and_each_comes_out_at_once(pictures):
    frames = encode(H264Encoder(), pictures)
    assert [is_key(payloads) for payloads in frames] == [True] + [False] * (len(pictures) - 1)
    # One slice a picture: baseline, and no threads that share it out.
    slices = [sum(unit[0] & 31 in (SLICE, KEY_SLICE) for unit in units(payloads)) for payloads in frames]
    assert slices == [1] * len(frames)


def test_a_cut_in_the_picture_makes_no_key_frame(pictures):
    frames = encode(H264Encoder(), [pictures[0], 255 - pictures[0], pictures[20]])
    assert [is_key(payloads) for payloads in frames] == [True, False, False]


def test_a_key_frame_is_made_when_asked_for_and_once(pictures):
    encoder = H264Encoder()
    encode(encoder, pictures[:3])
    frame = frame_of(pictures[3], 3)
    key, _ = encoder.encode(frame, force_keyframe=True)
    # A browser that has just come needs the settings too.
    assert {SETTINGS, KEY_SLICE} <= {unit[0] & 31 for unit in units(key)}
    frame.pts = (frame.pts or 0) + 3000
    assert not is_key(encoder.encode(frame)[0])


def test_a_key_frame_that_is_asked_for_takes_no_longer_than_the_buffer(pictures):
    encoder = H264Encoder()
    encoder.target_bitrate = default_bitrate(320, 240)
    encode(encoder, pictures * 2)
    key, _ = encoder.encode(frame_of(pictures[0], 2 * len(pictures)), force_keyframe=True)
    assert sum(map(len, key)) * 8 / encoder.target_bitrate < 0.35


def test_the_profile_is_the_one_that_every_browser_decodes(pictures):
    (key,) = encode(H264Encoder(), pictures[:1])
    settings = next(unit for unit in units(key) if unit[0] & 31 == SETTINGS)
    # Constrained Baseline (ITU-T H.264 section A.2.1.1): profile_idc 66, constraint_set1_flag.
    assert (settings[1], settings[2] & 0x40) == (66, 0x40)


def test_the_bitrate_is_followed_both_ways_by_the_running_encoder(pictures):
    # So noisy that they take all the bits there are.
    noise = np.random.default_rng(1).normal(0, 8, (7, *pictures[0].shape))
    pictures = [
        np.clip(planes + noise[number % 7], 0, 255).astype(np.uint8) for number, planes in enumerate(pictures)
    ]
    encoder = H264Encoder()
    worth = default_bitrate(320, 240)
    reached = []
    for number, share in enumerate((0.4, 1.0, 0.5, 0.9)):
        encoder.target_bitrate = target = int(share * worth)
        frames = encode(encoder, pictures * 2, first=number * 2 * len(pictures))
        assert [is_key(payloads) for payloads in frames] == [number == 0] + [False] * (len(frames) - 1)
        reached.append(bits_per_s(frames[len(pictures) :]) / target)
    assert all(0.75 < share < 1.15 for share in reached), reached


def test_a_bitrate_above_what_the_size_is_worth_begins_anew_once(pictures):
    encoder = H264Encoder()
    encoder.target_bitrate = default_bitrate(320, 240)
    encode(encoder, pictures[:2])
    encoder.target_bitrate = 2 * encoder.target_bitrate
    frames = encode(encoder, pictures[2:12], first=2)
    assert [is_key(payloads) for payloads in frames] == [True] + [False] * 9


def test_a_target_that_rises_makes_no_key_frame_up_to_what_a_smaller_size_is_sent_at(pictures):
    encoder = H264Encoder()
    encoder.size, encoder.most_bits_per_s = (240, 180), 400_000
    frames = []
    for number, target in enumerate((150_000, 300_000, 390_000, 600_000)):
        encoder.target_bitrate = target
        frames += encode(encoder, pictures[number : number + 1], first=number)
    assert [is_key(payloads) for payloads in frames] == [True, False, False, False]
    codec: Any = encoder.codec
    assert codec.bit_rate == 400_000


def test_another_size_or_range_of_colours_begins_anew(pictures):
    encoder = H264Encoder()
    encode(encoder, pictures[:2])
    smaller = panning((160, 120), 1)[0]
    assert is_key(encoder.encode(frame_of(smaller, 2))[0])
    full = frame_of(smaller, 3)
    full.color_range = ColorRange.JPEG
    payloads = encoder.encode(full)[0]
    assert is_key(payloads)
    # The browser is told, as it was told us.
    (seen,) = h264.H264Decoder().codec.decode(av.Packet(data_of(payloads)))
    assert seen.color_range == ColorRange.JPEG


def test_payloads_carry_the_pts_and_fit_a_packet(pictures):
    encoder = H264Encoder()
    times = [encoder.encode(frame_of(planes, number))[1] for number, planes in enumerate(pictures[:3])]
    assert times == [0, 3001, 6002]
    assert all(len(payload) <= h264.PACKET_MAX for payload in encoder.encode(frame_of(pictures[3], 3))[0])


class Gpu(Nvenc):
    """A GPU whose encoder is libx264, which takes so many sessions, and breaks after so many frames."""

    def __init__(self, sessions=1, frames=10**6):
        super().__init__()
        self.is_usable = True
        self.opened = 0
        self._sessions, self._frames = sessions, frames

    def _opened(self, width, height, fps, bits_per_s):
        if self.opened == self._sessions:
            raise av.error.ExternalError(542398533, "OpenEncodeSessionEx failed: out of memory (10)")
        self.opened += 1
        return GpuCodec(bits_per_s, self._frames)


class GpuCodec:
    """What one of its encoders does."""

    def __init__(self, bits_per_s, frames):
        self.bit_rate = bits_per_s
        self._left = frames
        self._codec = av.CodecContext.create("libx264", "w")
        self._codec.width, self._codec.height, self._codec.pix_fmt = 320, 240, "yuv420p"
        self._codec.framerate, self._codec.options = Fraction(30), {"tune": "zerolatency"}

    def encode(self, frame):
        self._left -= 1
        if self._left < 0:
            raise av.error.ExternalError(542398533, "EncodePicture failed!")
        return self._codec.encode(frame)


def test_the_gpu_encodes_where_there_is_one(pictures):
    gpu = Gpu()
    encoder = H264Encoder(gpu)
    encoder.target_bitrate = 1_000_000
    frames = encode(encoder, pictures[:5])
    codec: Any = encoder.codec
    assert type(codec) is GpuCodec
    assert len(decoded(h264.H264Decoder(), map(data_of, frames))) == 5
    # FFmpeg makes a key frame of each new bitrate there, so a small change is kept from it.
    encoder.target_bitrate = 1_050_000
    encode(encoder, pictures[5:6], first=5)
    assert codec.bit_rate == 1_000_000
    encoder.target_bitrate = 1_200_000
    encode(encoder, pictures[6:7], first=6)
    assert (codec.bit_rate, gpu.opened) == (1_200_000, 1)


def test_a_session_beyond_what_the_gpu_takes_is_encoded_by_software(pictures, caplog):
    gpu = Gpu(sessions=1)
    first, second = H264Encoder(gpu), H264Encoder(gpu)
    encode(first, pictures[:1])
    with caplog.at_level(logging.WARNING):
        frames = encode(second, pictures[:3])
    assert second.codec is not None
    assert second.codec.name == "libx264"
    assert "out of memory" in caplog.text
    assert len(decoded(h264.H264Decoder(), map(data_of, frames))) == 3


def test_a_gpu_that_fails_in_the_middle_loses_no_frame(pictures, caplog):
    encoder = H264Encoder(Gpu(sessions=9, frames=3))
    with caplog.at_level(logging.WARNING):
        frames = encode(encoder, pictures[:8])
    assert "goes on with libx264" in caplog.text
    assert [is_key(payloads) for payloads in frames] == [True, False, False, True, False, False, False, False]
    shown = decoded(h264.H264Decoder(), map(data_of, frames))
    assert all(luma_psnr_db(*pair) > 30 for pair in zip(pictures[:8], shown, strict=True))
    # For good, also when the size changes.
    encoder.encode(frame_of(panning((160, 120), 1)[0], 8))
    assert encoder.codec is not None
    assert encoder.codec.name == "libx264"


def test_sessions_get_this_encoder_with_the_gpu_once_the_patches_are_applied():
    gpu = Nvenc()
    aiortc_patches.apply((), gpu)
    encoder = codecs.get_encoder(H264)
    assert type(encoder) is H264Encoder
    assert encoder._nvenc is gpu


def test_in_mode_0_each_unit_is_a_packet_that_is_small_enough() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (480, 640), np.uint8)
    encoder = SingleUnitEncoder()
    encoder.target_bitrate = 6_000_000
    payloads, _ = encoder.encode(frame_of(noise, 0), force_keyframe=True)
    kinds = [payload[0] & 31 for payload in payloads]
    assert kinds[:2] == [7, 8]
    assert len(kinds) > 20
    assert max(kinds) < 24
    assert max(map(len, payloads)) <= MOST_UNIT_BYTES


def test_a_picture_that_needs_fewer_bits_than_there_are_gets_no_more_and_stays_sharp():
    given = panning((640, 480), 40)
    encoder = H264Encoder()
    encoder.target_bitrate = default_bitrate(640, 480)
    frames = encode(encoder, given)
    found = decoded(h264.H264Decoder(), map(data_of, frames))
    # Without a bound to the quantiser it takes all of them.
    assert bits_per_s(frames[20:]) < 0.75 * encoder.target_bitrate
    assert min(luma_psnr_db(*pair) for pair in list(zip(given, found, strict=True))[20:]) >= 41.2
