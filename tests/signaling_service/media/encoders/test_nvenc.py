from __future__ import annotations

import logging
from pathlib import Path

import av
import pytest

from signaling_service.media.encoders import nvenc
from signaling_service.media.encoders.nvenc import Nvenc


def test_every_option_is_one_that_ffmpeg_knows_with_this_value():
    known = av.CodecContext.create(nvenc.CODEC, "w").supported_options
    options = {option.name: option for option in (*known.generic, *known.private)}
    for name, value in nvenc.OPTIONS.items():
        choices = {choice.name for choice in options[name].choices}
        assert value in choices or (not choices and value.isdecimal()), name


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine's GPU may have this encoder")
def test_without_a_gpu_the_log_says_so_and_nothing_is_opened(caplog):
    found = Nvenc()
    with caplog.at_level(logging.INFO):
        found.look()
    assert not found.is_usable
    (line,) = caplog.messages
    assert line == "H264 is encoded by the CPU (libx264)"
    assert found.open(640, 480, 30, 1_000_000) is None


def test_a_wheel_without_the_encoder_is_no_fault(monkeypatch, caplog):
    monkeypatch.setattr(nvenc, "CODEC", "no_such_encoder")
    found = Nvenc()
    with caplog.at_level(logging.DEBUG):
        found.look()
    assert not found.is_usable
    assert "no_such_encoder cannot be used" in caplog.text


def test_a_gpu_that_encodes_is_used_and_the_log_says_so(monkeypatch, caplog):
    monkeypatch.setattr(nvenc, "CODEC", "libx264")
    monkeypatch.setattr(nvenc, "OPTIONS", {"tune": "zerolatency"})
    found = Nvenc()
    with caplog.at_level(logging.INFO):
        found.look()
    assert found.is_usable
    assert "H264 is encoded by the GPU" in caplog.text
    codec = found.open(640, 480, 30, 1_000_000)
    assert codec is not None
    assert codec.bit_rate == 1_000_000


def test_one_that_holds_frames_back_is_not_used(monkeypatch):
    monkeypatch.setattr(nvenc, "CODEC", "libx264")
    monkeypatch.setattr(nvenc, "OPTIONS", {"rc-lookahead": "20"})
    found = Nvenc()
    found.look()
    assert not found.is_usable
