from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from signaling_service.rtc import aiortc_patches, silence
from signaling_service.rtc.aiortc_patches import Connection, ice_connections
from signaling_service.rtc.silence import Silence
from tests.signaling_service.calling import until

LIMIT_S = 1.0
Pair = tuple[RTCPeerConnection, RTCPeerConnection]


@pytest.fixture
async def quiet_pair() -> AsyncIterator[Pair]:
    """Two connected peers that have a data channel alone: no media, and a consent check every 4 to 6 s."""
    aiortc_patches.apply(["127.0.0.1"])
    ours, theirs = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    theirs.createDataChannel("control")
    await theirs.setLocalDescription(await theirs.createOffer())
    await ours.setRemoteDescription(theirs.localDescription)
    await ours.setLocalDescription(await ours.createAnswer())
    await theirs.setRemoteDescription(ours.localDescription)
    await until(lambda: ours.sctp is not None and ours.sctp.state == "connected")
    yield ours, theirs
    await ours.close()
    await theirs.close()


def cut(pc: RTCPeerConnection) -> None:
    """Take a peer's sockets away, as the system does when its process is killed."""
    for connection in ice_connections(pc):
        for protocol in connection._protocols:
            protocol.transport.abort()


async def lasts(pc: RTCPeerConnection, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await Silence(pc).lasts(LIMIT_S)
    except TimeoutError:
        return False
    return True


async def test_a_peer_with_nothing_to_say_answers_when_asked(
    quiet_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "ASK_AFTER_S", 0.4 * LIMIT_S)
    assert not await lasts(quiet_pair[0], 3 * LIMIT_S)


async def test_without_asking_it_would_be_given_up(quiet_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "ASK_AFTER_S", 2 * LIMIT_S)
    assert await lasts(quiet_pair[0], 4 * LIMIT_S)


async def test_a_peer_that_is_gone_is_noticed_at_the_limit(
    quiet_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "ASK_AFTER_S", 0.4 * LIMIT_S)
    ours, theirs = quiet_pair
    (connection,) = ice_connections(ours)
    cut(theirs)
    assert await lasts(ours, 3 * LIMIT_S)
    assert time.monotonic() - aiortc_patches.heard_s(connection) >= LIMIT_S


async def test_nobody_is_given_up_where_arrivals_are_not_noted(
    quiet_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = quiet_pair
    monkeypatch.setattr(silence, "heard_s", lambda connection: time.monotonic())
    cut(theirs)
    assert not await lasts(ours, 2 * LIMIT_S)


async def test_a_pause_of_this_process_is_no_silence_of_the_peer(
    quiet_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "ASK_AFTER_S", 0.4 * LIMIT_S)
    watching = asyncio.create_task(lasts(quiet_pair[0], 4 * LIMIT_S))
    await asyncio.sleep(0)  # It has begun.
    time.sleep(2 * LIMIT_S)  # noqa: ASYNC251 - the pause itself
    assert not await watching


async def test_several_short_pauses_are_no_silence_of_the_peer_either(
    quiet_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "ASK_AFTER_S", 0.4 * LIMIT_S)
    ask = silence._ask

    async def ask_late(connection: Connection) -> None:
        time.sleep(0.3 * LIMIT_S)  # noqa: ASYNC251 - the second pause
        await ask(connection)

    monkeypatch.setattr(silence, "_ask", ask_late)
    asyncio.get_running_loop().call_later(0.1 * LIMIT_S, time.sleep, 0.7 * LIMIT_S)
    assert not await lasts(quiet_pair[0], 2 * LIMIT_S)
