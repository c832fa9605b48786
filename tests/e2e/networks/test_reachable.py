"""A service behind 1:1 NAT, and one that may use few UDP ports."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from harness.deadline import eventually
from harness.namespaces import HERE, Network, cable, network
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Services
from tests.e2e.far_peer import STUN_PORT, FarPeer, far_peer, far_stun_server

pytestmark = pytest.mark.asyncio(loop_scope="session")

PRIVATE, GATEWAY = "10.88.0.2", "10.88.0.1"
PUBLIC, FAR = "198.51.100.2", "198.51.100.9"
FIRST, LAST = 20_000, 20_009
CALLS_S = 20.0


@contextmanager
def behind_nat() -> Iterator[Network]:
    """Give this namespace PRIVATE behind a gateway, which maps PUBLIC to it; returns the far side.

    The far side has no route to PRIVATE, and the gateway lets new datagrams in for the range of ports alone.
    """
    with network() as gateway, network() as far:
        if not gateway.can("iptables", "--table", "nat", "--list"):
            pytest.skip("needs iptables for the NAT")
        cable((HERE, "inside0", f"{PRIVATE}/24"), (gateway, "inside1", f"{GATEWAY}/24"))
        cable((far, "outside0", f"{FAR}/24"), (gateway, "outside1", f"{PUBLIC}/24"))
        HERE.run("ip", "route", "add", "198.51.100.0/24", "via", GATEWAY)
        gateway.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        for rule in (
            f"-t nat -A PREROUTING -i outside1 -d {PUBLIC} -j DNAT --to-destination {PRIVATE}",
            f"-t nat -A POSTROUTING -o outside1 -s {PRIVATE} -j SNAT --to-source {PUBLIC}",
            "-P FORWARD DROP",
            "-A FORWARD -i inside1 -j ACCEPT",
            "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
            f"-A FORWARD -i outside1 -p udp --dport {FIRST}:{LAST} -j ACCEPT",
        ):
            gateway.run("iptables", *rule.split())
        yield far


async def start(services: Services, *flags: str) -> None:
    services.start_signaling(
        *("--ice-addresses", PRIVATE, "--udp-port-range", f"{FIRST}-{LAST}"),
        *("--default-filter", "passthrough", *flags),
    )
    services.start_light_worker("passthrough")
    await services.ready({"passthrough": 1})


async def outcome(peer: FarPeer) -> str:
    await eventually(lambda: peer.outcome is not None, CALLS_S, "the far peer says how its call went")
    assert peer.outcome is not None
    return peer.outcome


@pytest.mark.namespace
@pytest.mark.parametrize("public_ip", [PUBLIC, "auto"])
async def test_service_behind_nat_is_reached_under_its_public_address(
    services: Services, public_ip: str
) -> None:
    async with AsyncExitStack() as stack:
        far = stack.enter_context(behind_nat())
        assert not far.can("ip", "route", "get", PRIVATE)
        flags = ["--public-ip", public_ip]
        if public_ip == "auto":
            await stack.enter_async_context(far_stun_server(far))
            flags += ["--ice-servers", f"stun:{FAR}:{STUN_PORT}"]
        await start(services, *flags)
        peer = await stack.enter_async_context(far_peer(far, services.http, "--hide-addresses"))
        assert await outcome(peer) == "connected"
        await eventually(lambda: peer.frames > 10, CALLS_S, "frames come back")
        assert PRIVATE not in peer.answer["sdp"]
        assert PUBLIC in peer.answer["sdp"]
        (port,) = media_ports(peer.answer["sdp"])
        assert FIRST <= port <= LAST


@pytest.mark.slow
@pytest.mark.namespace
async def test_without_a_public_address_a_service_behind_nat_is_not_reached(services: Services) -> None:
    with behind_nat() as far:
        await start(services)
        async with far_peer(far, services.http, "--hide-addresses") as peer:
            assert "connected" in (said := await outcome(peer))
            assert said != "connected"
            assert f"{PRIVATE} " in peer.answer["sdp"]


def media_ports(answer_sdp: str) -> set[int]:
    return {int(port) for port in re.findall(r"a=candidate:\S+ 1 udp \d+ \S+ (\d+) typ host", answer_sdp)}


async def refused_offer(services: Services) -> None:
    """Offer once more than there are ports for."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("video")
    offer = await connection.createOffer()
    response = await services.http.post("/offer", json={"sdp": offer.sdp, "type": "offer"})
    await connection.close()
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "ports_taken"
    assert int(response.headers["retry-after"]) > 0


async def test_ten_ports_carry_ten_sessions_eight_of_them_at_once_and_refuse_the_eleventh(
    services: Services,
) -> None:
    services.start_signaling(
        *("--udp-port-range", f"{FIRST}-{LAST}", "--max-sessions", "20"),
        *("--default-filter", "passthrough", "--ice-addresses", "127.0.0.1"),
    )
    services.start_light_worker("passthrough")
    await services.ready({"passthrough": 1})
    async with AsyncExitStack() as stack:

        async def called(count: int) -> list[Peer]:
            peers = [Peer(services.http, Picture(160, 120, mark), fps=4) for mark in range(count)]
            for peer in peers:
                await stack.enter_async_context(peer)
            await asyncio.gather(*(peer.call() for peer in peers))
            await asyncio.gather(*(peer.frames(3, within_s=CALLS_S) for peer in peers))
            return peers

        peers = [*await called(8), *await called(2)]
        ports = [media_ports(peer.answer["sdp"]) for peer in peers]
        assert sorted(port for one in ports for port in one) == list(range(FIRST, LAST + 1))

        await refused_offer(services)
        assert await services.sessions() == 10
        await asyncio.gather(*(peer.frames(3, within_s=CALLS_S) for peer in peers))

        ended = (await services.http.delete(f"/sessions/{peers[3].session}")).status_code
        assert ended == 200
        (next_one,) = await called(1)
        assert media_ports(next_one.answer["sdp"]) == ports[3]
