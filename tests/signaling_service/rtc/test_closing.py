from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, VideoStreamTrack

from signaling_service.rtc import aiortc_patches, closing
from signaling_service.rtc.aiortc_patches import gather_on_tcp, ice_connections
from signaling_service.rtc.closing import Closing, close_connection
from signaling_service.sockets.own_port import OwnPorts
from signaling_service.sockets.tcp_port import TcpPort
from tests.signaling_service.calling import until

HOST = "127.0.0.1"


async def test_whoever_asks_and_however_often_it_is_closed_once() -> None:
    closed: list[str] = []

    async def close() -> None:
        await asyncio.sleep(0)
        closed.append("once")

    closing = Closing(close)
    had_begun = closing.has_begun
    closing.begin()
    assert (had_begun, closing.has_begun) == (False, True)
    await asyncio.gather(closing.wait(), closing.wait())
    closing.begin()
    assert closed == ["once"]


async def test_one_that_gives_up_waiting_cancels_nothing() -> None:
    may_end, closed = asyncio.Event(), asyncio.Event()

    async def close() -> None:
        await may_end.wait()
        closed.set()

    closing = Closing(close)
    waiting = asyncio.create_task(closing.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    may_end.set()
    await closing.wait()
    assert closed.is_set()


class Connected:
    """A call with a picture and a data channel; `ours` has a UDP port and a name at a TCP port."""

    def __init__(self, tcp: TcpPort) -> None:
        self.tcp = tcp
        self.ours, self.theirs = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
        self.channel = self.theirs.createDataChannel("control")
        for peer in (self.ours, self.theirs):
            peer.addTrack(VideoStreamTrack())
        self.before = asyncio.all_tasks()

    async def connect(self) -> None:
        await self.theirs.setLocalDescription(await self.theirs.createOffer())
        await self.ours.setRemoteDescription(self.theirs.localDescription)
        gather_on_tcp(ice_connections(self.ours), self.tcp)
        await self.ours.setLocalDescription(await self.ours.createAnswer())
        await self.theirs.setRemoteDescription(self.ours.localDescription)
        await until(lambda: self.channel.readyState == "open")
        (self.connection,) = ice_connections(self.ours)
        (self.udp_port,) = {
            one.port for one in self.connection.local_candidates if one.transport.lower() == "udp"
        }

    async def nothing_is_left(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, self.udp_port))
        assert self.tcp._listeners.at(HOST)._calls == {}
        await self.theirs.close()
        own = {*self.before, asyncio.current_task()}
        await until(lambda: asyncio.all_tasks() <= own)


@pytest.fixture
async def connected(free_port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connected]:
    monkeypatch.setattr(closing, "CLOSE_LIMIT_S", 0.2)
    aiortc_patches.apply([HOST])
    aiortc_patches.bind_ice(OwnPorts())
    tcp = TcpPort(free_port)
    tcp.open([HOST])
    tcp.start()
    made = Connected(tcp)
    await made.connect()
    yield made
    tcp.close()


async def for_ever(*_: Any) -> None:
    await asyncio.get_running_loop().create_future()


def a_sender(call: Connected) -> None:
    call.ours.getSenders()[0].stop = for_ever  # type: ignore[method-assign]


def a_receiver(call: Connected) -> None:
    call.ours.getReceivers()[0].stop = for_ever  # type: ignore[method-assign]


def the_channel(call: Connected) -> None:
    assert call.ours.sctp is not None
    call.ours.sctp.stop = for_ever  # type: ignore[method-assign]


def a_relay(call: Connected) -> None:
    """As that of a TURN server that is away: it stands before what was made after it."""
    transport = SimpleNamespace(close=lambda: None)
    relay: Any = SimpleNamespace(close=for_ever, transport=transport, transactions={})
    call.connection._protocols.insert(0, relay)


@pytest.mark.parametrize("part", [a_sender, a_receiver, the_channel, a_relay])
async def test_a_part_that_does_not_end_leaves_no_port_and_no_task(
    connected: Connected, part: Callable[[Connected], None]
) -> None:
    part(connected)
    await close_connection(connected.ours)
    if part in (a_sender, a_receiver):
        # Theirs is left to whoever hangs.
        kind = "RTCRtpSender__rtp" if part is a_sender else "RTCRtpReceiver__rtcp"
        one: Any = (connected.ours.getSenders() if part is a_sender else connected.ours.getReceivers())[0]
        for name in (f"_{kind}_task", "_RTCRtpSender__rtcp_task"):
            if (task := getattr(one, name, None)) is not None:
                task.cancel()
    await connected.nothing_is_left()


async def test_one_that_is_cancelled_meanwhile_frees_its_ports(connected: Connected) -> None:
    the_channel(connected)
    closing_it = asyncio.create_task(close_connection(connected.ours))
    await asyncio.sleep(0.05)
    closing_it.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing_it
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, connected.udp_port))
    assert connected.tcp._listeners.at(HOST)._calls == {}
    await connected.theirs.close()


async def test_a_call_that_ends_while_it_gathers_gets_no_port(connected: Connected) -> None:
    gathering: Any = aiortc_patches.Connection(ice_controlling=False, stun_server=(HOST, 9))
    gather_on_tcp([gathering], connected.tcp)
    names = set(connected.tcp._listeners.at(HOST)._calls)
    task = asyncio.create_task(gathering.gather_candidates())
    await until(lambda: bool(gathering._protocols))
    (protocol,) = gathering._protocols
    await gathering.close()
    await task
    assert set(connected.tcp._listeners.at(HOST)._calls) == names
    assert gathering._protocols == []
    assert protocol.transport.is_closing()
    await close_connection(connected.ours)
    await connected.theirs.close()
