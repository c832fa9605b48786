from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable, Iterator

import aioice.ice
import aiortc
import aiortc.codecs.vpx as vpx
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

from signaling_service import aiortc_patches

UNPATCHED = JitterBuffer._remove_frame


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Apply the patches for the length of one test."""
    monkeypatch.setattr(JitterBuffer, "_remove_frame", UNPATCHED)
    monkeypatch.setattr(vpx, "DEFAULT_BITRATE", vpx.DEFAULT_BITRATE)
    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)
    return aiortc_patches.apply


def packets(frames: list[int], start: int = 0) -> Iterator[RtpPacket]:
    """Packets of frames with so many packets each; the data says frame and place."""
    number = start
    for frame, count in enumerate(frames):
        for place in range(count):
            packet = RtpPacket(sequence_number=number & 0xFFFF, timestamp=frame * 3000)
            packet.marker = int(place == count - 1)
            packet._data = f"{frame}.{place} ".encode()  # type: ignore[attr-defined]
            yield packet
            number += 1


def whole(frame: int, count: int) -> bytes:
    return b"".join(f"{frame}.{place} ".encode() for place in range(count))


def fed(buffer: JitterBuffer, order: list[RtpPacket]) -> list[JitterFrame]:
    return [frame for packet in order if (frame := buffer.add(packet)[1]) is not None]


def test_a_frame_is_complete_at_its_marker(patched: Callable[..., None]) -> None:
    patched(())
    buffer = JitterBuffer(64, is_video=True)
    assert [frame.data for frame in fed(buffer, list(packets([3])))] == [whole(0, 3)]


def test_without_the_patch_a_frame_waits_for_the_next_one(patched: Callable[..., None]) -> None:
    buffer = JitterBuffer(64, is_video=True)
    assert fed(buffer, list(packets([3]))) == []


@pytest.mark.parametrize("start", [0, 65530])
def test_frames_come_whole_and_in_order_over_the_wrap_around(
    patched: Callable[..., None], start: int
) -> None:
    patched(())
    counts = [3, 1, 1, 5, 2, 1]
    frames = fed(JitterBuffer(64, is_video=True), list(packets(counts, start)))
    assert [frame.data for frame in frames] == [whole(i, count) for i, count in enumerate(counts)]
    assert [frame.timestamp for frame in frames] == [i * 3000 for i in range(len(counts))]


def test_reordered_and_repeated_packets_change_no_frame(patched: Callable[..., None]) -> None:
    patched(())
    counts = [3, 4, 2, 5, 3, 4] * 4
    rng = random.Random(0)
    first, *order = list(packets(counts))
    for i in range(len(order) - 3):
        j = i + rng.randrange(3)
        order[i], order[j] = order[j], order[i]
    order = list(itertools.chain.from_iterable((p, p) if rng.random() < 0.2 else (p,) for p in order))
    frames = fed(JitterBuffer(64, is_video=True), [first, *order])
    expected = [whole(i, count) for i, count in enumerate(counts)]
    assert [frame.data for frame in frames] == expected[: len(frames)]
    assert len(frames) >= len(counts) - 2


def test_a_frame_with_a_hole_waits_for_the_missing_packet(patched: Callable[..., None]) -> None:
    patched(())
    first, missing, *rest = list(packets([1, 3, 2]))
    buffer = JitterBuffer(64, is_video=True)
    assert [f.data for f in fed(buffer, [first, *rest])] == [whole(0, 1)]
    assert [f.data for f in fed(buffer, [missing])] == [whole(1, 3)]


def test_padding_behind_a_marker_is_no_frame(patched: Callable[..., None]) -> None:
    patched(())
    order = list(packets([2, 1, 2]))
    order[2]._data = b""  # type: ignore[attr-defined]
    order[2].timestamp = order[1].timestamp
    order[2].marker = 0
    frames = fed(JitterBuffer(64, is_video=True), order)
    assert [frame.data for frame in frames] == [whole(0, 2), whole(2, 2)]


def test_audio_is_collected_as_before(patched: Callable[..., None]) -> None:
    before = fed(JitterBuffer(16, prefetch=4), list(packets([1] * 12)))
    patched(())
    after = fed(JitterBuffer(16, prefetch=4), list(packets([1] * 12)))
    assert [frame.data for frame in after] == [frame.data for frame in before] != []


async def test_the_answer_says_at_which_bitrate_to_begin() -> None:
    offerer, answerer = RTCPeerConnection(), RTCPeerConnection()
    offerer.addTrack(VideoStreamTrack())
    offer = await offerer.createOffer()
    await answerer.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
    answer = (await answerer.createAnswer()).sdp
    assert "x-google" not in answer
    sdp = aiortc_patches.with_start_bitrate(answer, 1234)
    lines = sdp.splitlines()
    codecs = [
        line.split(":")[1].split()[0]
        for line in lines
        if line.startswith(("a=rtpmap:",)) and "rtx" not in line
    ]
    assert len(codecs) >= 2
    for payload_type in codecs:
        (fmtp,) = [line for line in lines if line.startswith(f"a=fmtp:{payload_type} ")]
        assert fmtp.endswith("x-google-start-bitrate=1234")
    # What was said of H264 and RTX before is still said.
    assert all(line in sdp for line in answer.splitlines() if line.startswith("a=fmtp:"))
    await offerer.close()
    await answerer.close()


def test_the_returned_picture_begins_at_full_bitrate(patched: Callable[..., None]) -> None:
    patched(())
    assert vpx.Vp8Encoder().target_bitrate == aiortc_patches.VP8_BITS_PER_S


def test_candidates_are_offered_on_the_chosen_addresses_alone(patched: Callable[..., None]) -> None:
    patched(["127.0.0.1", "::1"])
    assert aioice.ice.get_host_addresses(True, False) == ["127.0.0.1"]
    assert aioice.ice.get_host_addresses(True, True) == ["127.0.0.1", "::1"]


def test_a_machine_without_a_network_offers_its_loopback(
    patched: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [])
    patched(())
    assert aioice.ice.get_host_addresses(True, True) == ["127.0.0.1"]


def test_another_version_is_left_alone_and_said(
    patched: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aiortc, "__version__", "1.99.0")
    with caplog.at_level(logging.WARNING):
        patched(())
    assert "1.99.0" in caplog.text
    assert JitterBuffer._remove_frame is UNPATCHED
