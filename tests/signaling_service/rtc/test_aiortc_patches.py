from __future__ import annotations

import asyncio
import importlib
import socket
import threading
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aioice.ice
import aiortc
import aiortc.codecs
import pytest
from aioice import stun
from aioice.ice import Connection, StunProtocol
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.codecs import get_capabilities

from signaling_service.media.encoders.vp8 import Vp8Encoder
from signaling_service.rtc import aiortc_patches, known_aiortc
from signaling_service.sockets.own_port import OwnPorts
from tests.signaling_service.calling import until

VP8_ENCODER = vars(aiortc.codecs)["Vp8Encoder"]
GET_COMPONENT_CANDIDATES = Connection.get_component_candidates
DATAGRAM_RECEIVED = StunProtocol.datagram_received
REQUEST = StunProtocol.request
SEND_STUN = StunProtocol.send_stun


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Apply the patches for the length of one test."""
    monkeypatch.setattr(aiortc.codecs, "Vp8Encoder", VP8_ENCODER)
    monkeypatch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)
    monkeypatch.setattr(Connection, "get_component_candidates", GET_COMPONENT_CANDIDATES)
    monkeypatch.setattr(StunProtocol, "datagram_received", DATAGRAM_RECEIVED)
    monkeypatch.setattr(StunProtocol, "request", REQUEST)
    monkeypatch.setattr(StunProtocol, "send_stun", SEND_STUN)
    return aiortc_patches.apply


async def test_the_answer_says_at_which_bitrate_to_begin() -> None:
    offerer, answerer = RTCPeerConnection(), RTCPeerConnection()
    offerer.addTrack(VideoStreamTrack())
    offer = await offerer.createOffer()
    await answerer.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
    answer = (await answerer.createAnswer()).sdp
    assert "x-google" not in answer
    sdp = aiortc_patches.with_start_bitrate(answer, 1_234_000)
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


@pytest.mark.parametrize("module", known_aiortc.READ_FILES)
def test_other_code_is_left_alone_and_nothing_starts_with_it(
    patched: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str
) -> None:
    imported = importlib.import_module(module)
    other = tmp_path / "other.py"
    other.write_bytes(Path(str(imported.__file__)).read_bytes() + b"\n")
    monkeypatch.setattr(imported, "__file__", str(other))
    with pytest.raises(known_aiortc.UnknownAiortc, match=rf"{module}.*pip install.*aiortc=="):
        patched(())
    assert vars(aiortc.codecs)["Vp8Encoder"] is VP8_ENCODER
    assert StunProtocol.datagram_received is DATAGRAM_RECEIVED
    monkeypatch.setattr(imported, "__file__", str(tmp_path / "without-source.py"))
    with pytest.raises(known_aiortc.UnknownAiortc):
        patched(())


def test_the_versions_to_install_are_those_that_are_pinned() -> None:
    root = Path(__file__).parents[3]
    needed = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pinned = (root / "constraints.txt").read_text().splitlines()
    for name, version in known_aiortc.READ_VERSIONS.items():
        assert f"{name}=={version}" in needed["signaling"]
        assert f"{name}=={version}" in pinned


async def test_a_stun_server_that_does_not_answer_costs_a_second_and_not_five(
    patched: Callable[..., None],
) -> None:
    patched(["127.0.0.1"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        connection = Connection(ice_controlling=False, stun_server=silent.getsockname())
        began_s = time.monotonic()
        await connection.gather_candidates()
        assert time.monotonic() - began_s < 2 * aiortc_patches.GATHER_LIMIT_S
    assert [candidate.type for candidate in connection.local_candidates] == ["host"]
    await connection.close()


@pytest.mark.parametrize("is_patched", [True, False])
async def test_a_consent_check_that_is_answered_late_ends_no_session(
    patched: Callable[..., None], monkeypatch: pytest.MonkeyPatch, is_patched: bool
) -> None:
    if is_patched:
        patched(["127.0.0.1"])
    else:
        monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    offerer, answerer = Connection(ice_controlling=True), Connection(ice_controlling=False)
    await asyncio.gather(offerer.gather_candidates(), answerer.gather_candidates())
    for one, other in ((offerer, answerer), (answerer, offerer)):
        for candidate in [*other.local_candidates, None]:
            await one.add_remote_candidate(candidate)
        one.remote_username, one.remote_password = other.local_username, other.local_password
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.01)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 1)
    await asyncio.gather(offerer.connect(), answerer.connect())
    answered = 0
    send_stun = StunProtocol.send_stun

    def late(self: StunProtocol, message: stun.Message, addr: tuple[str, int]) -> None:
        if message.message_class is not stun.Class.RESPONSE:
            send_stun(self, message, addr)
            return
        asyncio.get_running_loop().call_later(0.8, send_on, self, message, addr)

    def send_on(self: StunProtocol, message: stun.Message, addr: tuple[str, int]) -> None:
        nonlocal answered
        if not self.transport.is_closing():
            send_stun(self, message, addr)
            answered += 1

    monkeypatch.setattr(StunProtocol, "send_stun", late)
    await until(lambda: answered >= 4 or offerer._query_consent_task is None)
    assert (offerer._query_consent_task is not None) is is_patched
    await asyncio.gather(offerer.close(), answerer.close())


async def gathered() -> Connection:
    connection = Connection(ice_controlling=False)
    await connection.gather_candidates()
    return connection


async def test_ice_sockets_bind_within_the_range_until_every_port_is_taken(
    patched: Callable[..., None], free_udp_ports: Callable[[int], range]
) -> None:
    patched(["127.0.0.1"])
    ports = free_udp_ports(4)
    aiortc_patches.bind_ice(OwnPorts(ports))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
        foreign.bind(("127.0.0.1", ports[1]))
        made = await asyncio.gather(*(gathered() for _ in range(3)))
        taken = [candidate.port for connection in made for candidate in connection.local_candidates]
        assert sorted(taken) == [ports[0], ports[2], ports[3]]
        assert not any(map(aiortc_patches.lacks_port, made))

        one_too_many = await gathered()
        assert one_too_many.local_candidates == []
        assert aiortc_patches.lacks_port(one_too_many)

        freed = made[1].local_candidates[0].port
        await made[1].close()
        next_one = await gathered()
        assert next_one.local_candidates[0].port == freed
    for connection in [*made, one_too_many, next_one]:
        await connection.close()


async def test_a_port_that_has_just_been_freed_is_taken_last(
    patched: Callable[..., None], free_udp_ports: Callable[[int], range]
) -> None:
    patched(["127.0.0.1"])
    ports = free_udp_ports(3)
    aiortc_patches.bind_ice(OwnPorts(ports))
    order = []
    for _ in range(4):
        connection = await gathered()
        order.append(connection.local_candidates[0].port)
        await connection.close()
    assert order == [*ports, ports[0]]


async def test_other_sockets_take_any_port(
    patched: Callable[..., None], free_udp_ports: Callable[[int], range]
) -> None:
    patched(["127.0.0.1"])
    ports = free_udp_ports(1)
    aiortc_patches.bind_ice(OwnPorts(ports))
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", 9))
    assert transport.get_extra_info("sockname")[1] not in ports
    transport.close()


async def test_a_sender_encodes_in_the_threads_that_it_is_given(patched: Callable[..., None]) -> None:
    patched(["127.0.0.1"])
    with ThreadPoolExecutor(1, "of-our-own") as executor:
        names = await threads_of_encodes(lambda sender: aiortc_patches.encode_in(sender, executor))
    assert names == {"of-our-own_0"}


async def test_without_the_patch_it_encodes_where_everything_else_waits(patched: Callable[..., None]) -> None:
    patched(["127.0.0.1"])
    names = await threads_of_encodes(lambda sender: None)
    assert all(name.startswith("asyncio_") for name in names)


async def threads_of_encodes(prepare: Callable[[aiortc.RTCRtpSender], None]) -> set[str]:
    """Send three frames to another peer; return the names of the threads that encoded them."""
    names: list[str] = []

    class Noting(Vp8Encoder):
        def encode(self, frame: Any, force_keyframe: bool = False) -> tuple[list[bytes], int]:
            names.append(threading.current_thread().name)
            return super().encode(frame, force_keyframe)

    one, other = (RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[])) for _ in range(2))
    sender = one.addTrack(VideoStreamTrack())
    prepare(sender)
    sender._RTCRtpSender__encoder = Noting()  # type: ignore[attr-defined]
    await one.setLocalDescription(await one.createOffer())
    await other.setRemoteDescription(one.localDescription)
    await other.setLocalDescription(await other.createAnswer())
    await one.setRemoteDescription(other.localDescription)
    await until(lambda: len(names) >= 3)
    await one.close()
    await other.close()
    return set(names)


def test_h264_is_answered_at_a_level_for_large_pictures(patched: Callable[..., None]) -> None:
    for _ in range(2):
        patched(())
        video = get_capabilities("video").codecs
        levels = [codec.parameters["profile-level-id"] for codec in video if codec.name == "H264"]
        assert levels == ["420033", "42e033"]
        # For a browser whose own level is another (RFC 6184 section 8.2.2).
        assert all(
            codec.parameters["level-asymmetry-allowed"] == "1" for codec in video if codec.name == "H264"
        )


def test_calls_have_user_names_that_are_long_enough_to_tell_them_apart(patched: Callable[..., None]) -> None:
    patched(())
    names = {Connection(ice_controlling=False).local_username for _ in range(20)}
    assert len(names) == 20
    assert {len(name) for name in names} == {aiortc_patches.USER_NAME_CHARACTERS}
    assert Connection(ice_controlling=False, local_username="chosen").local_username == "chosen"
