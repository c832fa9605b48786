from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from aioice import stun
from aioice.ice import StunProtocol
from aiortc import RTCConfiguration, RTCPeerConnection

from signaling_service.rtc import aiortc_patches
from signaling_service.rtc.aiortc_patches import ice_connections
from signaling_service.rtc.ice_restart import begin_checks, restart
from signaling_service.rtc.packets import Arriving
from signaling_service.sockets import arrivals, shared_port
from signaling_service.sockets.fixed_port import MediaPortNotTaken
from signaling_service.sockets.handling_time import HandlingTime, time_of
from signaling_service.sockets.own_port import OwnPorts
from signaling_service.sockets.shared_port import SOCKETS_OF_A_CALL, SharedPort
from signaling_service.sockets.udp_socket import Address, UdpSocket
from tests.signaling_service.calling import until
from tests.signaling_service.sockets.test_arrivals import STRANGE, stranger

HOST = "127.0.0.1"


class OneCall:
    """Two connected peers, of which one is at the shared port."""

    def __init__(self) -> None:
        self.ours, self.theirs = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
        self.heard: list[str] = []
        self.answered: list[str] = []
        self.channel = self.theirs.createDataChannel("control")
        self.channel.on("message", self.answered.append)
        self.ours.on("datachannel", self._attach)

    def _attach(self, channel: Any) -> None:
        def answer(text: str) -> None:
            self.heard.append(text)
            channel.send(text)

        channel.on("message", answer)

    @property
    def connection(self) -> Any:
        (connection,) = ice_connections(self.ours)
        return connection

    @property
    def their_connection(self) -> Any:
        (connection,) = ice_connections(self.theirs)
        return connection

    @property
    def pair(self) -> Any:
        """Theirs, with the socket that their media goes by."""
        return self.their_connection._nominated[1]

    async def connect(self, ports: SharedPort | OwnPorts) -> None:
        aiortc_patches.bind_ice(OwnPorts())
        await self.theirs.setLocalDescription(await self.theirs.createOffer())
        await self.ours.setRemoteDescription(self.theirs.localDescription)
        aiortc_patches.bind_ice(ports)
        await self.ours.setLocalDescription(await self.ours.createAnswer())
        await self.theirs.setRemoteDescription(self.ours.localDescription)
        await until(lambda: self.channel.readyState == "open")

    async def is_alive(self) -> None:
        """A message gets there and back."""
        had = len(self.answered)
        self.channel.send(f"still here {had}")
        await until(lambda: len(self.answered) > had)

    def rebind(self) -> Address:
        """Do what a NAT does that has forgotten: theirs sends from another port; return that."""
        transport = self.pair.protocol.transport
        transport._way.close()
        fresh = UdpSocket(HOST, 0)
        fresh.open(self.pair.protocol.datagram_received, HandlingTime())
        transport._way = transport._owner._own = fresh
        return fresh.address

    async def check(self) -> None:
        """Have theirs send one check without a nomination, as browsers do to see whether they are heard."""
        their = self.their_connection
        await self.pair.protocol.request(
            their.build_request(self.pair, nominate=False),
            self.pair.remote_addr,
            integrity_key=their.remote_password.encode(),
        )

    async def close(self) -> None:
        await self.ours.close()
        await self.theirs.close()


@pytest.fixture
async def ports(free_udp_ports: Callable[[int], range]) -> AsyncIterator[SharedPort]:
    aiortc_patches.apply([HOST])
    made = SharedPort(free_udp_ports(1)[0])
    made.open([HOST])
    yield made
    made.close()


@asynccontextmanager
async def called(ports: SharedPort | OwnPorts, count: int = 1) -> AsyncIterator[list[OneCall]]:
    calls = [OneCall() for _ in range(count)]
    try:
        for call in calls:
            await call.connect(ports)
        yield calls
    finally:
        await asyncio.gather(*(call.close() for call in calls))


def has_moved(call: OneCall, address: Address) -> bool:
    """Tell whether ours sends to this address."""
    return bool(call.connection._nominated[1].remote_addr == address)


def at(ports: SharedPort) -> Any:
    return ports._sockets.at(HOST)


async def test_calls_share_one_port_and_each_hears_its_own_page(ports: SharedPort) -> None:
    async with called(ports, 3) as calls:
        taken = {candidate.port for call in calls for candidate in call.connection.local_candidates}
        assert taken == {ports._sockets._port}
        await asyncio.gather(*(call.is_alive() for call in calls for _ in range(5)))
        for number, call in enumerate(calls):
            call.channel.send(f"of call {number}")
        await until(lambda: all(f"of call {number}" in call.heard for number, call in enumerate(calls)))
        assert sum("of call" in text for call in calls for text in call.heard) == 3
        await calls[1].close()
        await calls[0].is_alive()
        await calls[2].is_alive()
    assert (at(ports)._calls, at(ports)._pages, at(ports)._asked) == ({}, {}, {})


@pytest.mark.parametrize("name", STRANGE)
async def test_a_strangers_datagram_reaches_no_call(
    ports: SharedPort, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with called(ports, 2) as calls:
        reached: list[bytes] = []
        monkeypatch.setattr(
            StunProtocol,
            "datagram_received",
            lambda self, data, address: reached.append(data),
        )
        before_s = [aiortc_patches.heard_s(call.connection) for call in calls]
        taken: list[bytes] = []
        take = at(ports)._own._take

        def noting(data: bytes, address: Address) -> None:
            taken.append(data)
            take(data, address)

        at(ports)._own._take = noting
        with stranger() as sender:
            for _ in range(20):
                sender.sendto(STRANGE[name], (HOST, ports._sockets._port))
        await until(lambda: taken.count(STRANGE[name]) == 20)
        assert STRANGE[name] not in reached
        assert [aiortc_patches.heard_s(call.connection) for call in calls] == before_s
        monkeypatch.undo()
        at(ports)._own._take = take
        await asyncio.gather(*(call.is_alive() for call in calls))


async def test_a_check_for_one_call_with_a_wrong_password_makes_no_address_known(ports: SharedPort) -> None:
    async with called(ports) as (call,):
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        check.attributes["USERNAME"] = f"{call.connection.local_username}:x"
        check.add_message_integrity(b"not the password of it")
        with stranger() as sender:
            sender.settimeout(5)
            sender.sendto(bytes(check), (HOST, ports._sockets._port))
            answer = stun.parse_message(await asyncio.to_thread(sender.recv, 2000))
            assert answer.error_code == 401
            assert sender.getsockname() not in at(ports)._pages
        await call.is_alive()


@pytest.mark.parametrize("says_nominate", [True, False])
async def test_a_call_goes_on_when_a_nat_gives_its_page_another_address(
    ports: SharedPort, monkeypatch: pytest.MonkeyPatch, says_nominate: bool
) -> None:
    monkeypatch.setattr(arrivals, "MOVED_S", 1000.0 if says_nominate else 0.0)
    async with called(ports, 2) as (call, bystander):
        before = call.connection._nominated[1].remote_addr
        for _ in range(3):
            now_at = call.rebind()
            their = call.their_connection
            await call.pair.protocol.request(
                their.build_request(call.pair, nominate=says_nominate),
                call.pair.remote_addr,
                integrity_key=their.remote_password.encode(),
            )
            await until(partial(has_moved, call, now_at))
            await call.is_alive()
            await bystander.is_alive()
        assert before != now_at
        assert at(ports)._pages[now_at].protocol.receiver is call.connection


async def test_media_from_a_new_address_waits_for_a_check(ports: SharedPort) -> None:
    async with called(ports) as (call,):
        reached: list[bytes] = []
        call.connection.data_received = lambda data, component: reached.append(data)
        call.rebind()
        call.pair.protocol.transport.sendto(b"\x80early", (HOST, ports._sockets._port))
        await call.check()
        call.pair.protocol.transport.sendto(b"\x80late", (HOST, ports._sockets._port))
        await until(lambda: b"\x80late" in reached)
        assert b"\x80early" not in reached


class Camera:
    """Sends a page's media from any socket, one packet after another."""

    def __init__(self, call: OneCall) -> None:
        transport: Any = call.theirs.sctp.transport  # type: ignore[union-attr]
        self._srtp, self._number = transport._tx_srtp, 0

    def packet(self) -> bytes:
        self._number += 1
        plain = struct.pack("!BBHLL", 0x80, 96, self._number, 0, 1234) + b"a picture"
        protected: bytes = self._srtp.protect(plain)
        return protected


@pytest.mark.parametrize("is_shared", [True, False])
async def test_media_from_a_new_address_has_it_checked_once_the_former_one_is_silent(
    ports: SharedPort, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    async with called(ports if is_shared else OwnPorts()) as (call,):
        Arriving(call.ours.sctp.transport).take_over()  # type: ignore[union-attr]
        call.their_connection._query_consent_task.cancel()
        camera, to = Camera(call), call.pair.remote_addr
        monkeypatch.setattr(arrivals, "SILENT_S", 1000.0)
        with stranger() as sender:
            sender.sendto(camera.packet(), to)
            await call.is_alive()
            monkeypatch.setattr(arrivals, "SILENT_S", -1.0)
            sender.sendto(b"\x80" + bytes(40), to)
            await call.is_alive()
        assert not hasattr(call.connection, "sought_s")
        monkeypatch.setattr(arrivals, "SILENT_S", 0.05)
        now_at = call.rebind()

        def moves() -> bool:
            call.pair.protocol.transport.sendto(camera.packet(), to)
            return has_moved(call, now_at)

        await until(moves)
        await call.is_alive()


async def test_another_call_takes_no_address_from_one_that_is_heard_there(
    ports: SharedPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with called(ports, 2) as (call, other):
        address = call.connection._nominated[1].remote_addr
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        their = other.their_connection
        check.attributes["USERNAME"] = f"{their.remote_username}:{their.local_username}"
        check.attributes["PRIORITY"] = 1
        check.attributes["ICE-CONTROLLING"] = their._tie_breaker
        check.add_message_integrity(their.remote_password.encode())

        await call.is_alive()
        # As a sender with a forged address would do it.
        at(ports)._take(bytes(check), address)
        assert at(ports)._pages[address].protocol.receiver is call.connection
        await call.is_alive()

        monkeypatch.setattr(shared_port, "HELD_S", 0.0)
        at(ports)._take(bytes(check), address)
        assert at(ports)._pages[address].protocol.receiver is other.connection
        # And back, once the first one proves it again.
        await call.check()
        await call.is_alive()


async def test_addresses_of_one_page_are_bounded_at_the_socket_too(ports: SharedPort) -> None:
    async with called(ports) as (call,):
        (protocol,) = call.connection._protocols
        for port in range(1, 2 * arrivals.MAX_KNOWN):
            check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
            check.attributes["USERNAME"] = f"{call.connection.local_username}:x"
            check.add_message_integrity(call.connection.local_password.encode())
            at(ports)._take(bytes(check), ("127.0.0.2", port))
        assert len(protocol.known_addresses) == arrivals.MAX_KNOWN
        assert set(at(ports)._pages) == set(protocol.known_addresses)


async def test_a_port_that_is_taken_is_said_at_start(free_udp_ports: Callable[[int], range]) -> None:
    (port,) = free_udp_ports(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((HOST, port))
        with pytest.raises(MediaPortNotTaken, match=f"UDP port {port} of {HOST}"):
            SharedPort(port).open(["::1", HOST])
    again = SharedPort(port)
    again.open(["::1", HOST, HOST])
    again.close()


async def test_an_address_that_cannot_be_bound_costs_its_candidate_alone(ports: SharedPort) -> None:
    ports.open(["192.0.2.1"])
    with pytest.raises(OSError, match="assign"):
        ports.join(lambda: StunProtocol(None), "192.0.2.1")  # type: ignore[arg-type]


@pytest.fixture
def ipv6_alone() -> Iterator[None]:
    aiortc_patches.apply(["::1"])
    yield
    aiortc_patches.apply([HOST])


@pytest.mark.usefixtures("ipv6_alone")
async def test_ipv6_has_the_same_port(free_udp_ports: Callable[[int], range]) -> None:
    ports = SharedPort(free_udp_ports(1)[0])
    ports.open([HOST, "::1"])
    async with called(ports) as (call,):
        (candidate,) = call.connection.local_candidates
        assert (candidate.host, candidate.port) == ("::1", ports._sockets._port)
        await call.is_alive()
    ports.close()


def kept(ports: SharedPort) -> dict[Address, UdpSocket]:
    """Return the sockets that pages have to themselves."""
    return {address: one for address, (one, _) in at(ports)._kept.items()}


async def test_a_page_that_sends_media_has_a_socket_to_itself(ports: SharedPort) -> None:
    async with called(ports, 2) as calls:
        pages = [call.connection._nominated[1].remote_addr for call in calls]
        assert sorted(kept(ports)) == sorted(pages)
        for call, page in zip(calls, pages, strict=True):
            reader: Any = kept(ports)[page]._reader
            assert reader._budget is time_of(call.connection)
        read: list[Address] = []
        at(ports)._own._take = lambda data, address: read.append(address)
        await asyncio.gather(*(call.is_alive() for call in calls for _ in range(5)))
        assert read == [], "what they send does not come by the common socket"
        await calls[0].close()
        assert list(kept(ports)) == pages[1:]
        await calls[1].is_alive()
    assert kept(ports) == {}
    # The port was shared for as long as a socket was made, and no longer.
    with pytest.raises(MediaPortNotTaken):
        SharedPort(ports._sockets._port).open([HOST])


async def test_strangers_that_fill_the_common_socket_keep_nothing_from_a_page(
    ports: SharedPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its budget is used up, and the system's buffer is full: a datagram of anybody would be dropped."""
    async with called(ports) as (call,):
        own = at(ports)._own
        monkeypatch.setattr(own._reader, "_budget", HandlingTime(cpu_clock=iter(range(10**9)).__next__))
        own._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        with stranger() as sender:

            def rests() -> bool:
                for _ in range(1000):
                    sender.sendto(STRANGE["RTP"], (HOST, ports._sockets._port))
                return own._reader._pause is not None

            await until(rests)
            for _ in range(5):
                await call.is_alive()
            assert own._reader._pause is not None


async def test_sockets_of_one_page_are_bounded_and_the_first_gives_way(ports: SharedPort) -> None:
    async with called(ports) as (call,):
        (protocol,) = call.connection._protocols
        addresses = [("127.0.0.3", port) for port in range(1, 2 * SOCKETS_OF_A_CALL)]
        for address in addresses:
            at(ports).claims(protocol.transport, address)
            at(ports)._take(b"\x80media", address)
        assert list(kept(ports)) == addresses[-SOCKETS_OF_A_CALL:]
        at(ports).gives_up(protocol.transport, addresses[-1])
        assert list(kept(ports)) == addresses[-SOCKETS_OF_A_CALL:-1]
        # What comes from the one that gave way is still the page's.
        await call.is_alive()


async def test_a_system_without_sockets_leaves_the_page_the_common_one(
    ports: SharedPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> UdpSocket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(shared_port, "UdpSocket", refuse)
    async with called(ports) as (call,):
        assert kept(ports) == {}
        await call.is_alive()


async def test_an_address_that_becomes_another_calls_has_its_socket_read_by_that_ones_time(
    ports: SharedPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_port, "HELD_S", 0.0)
    async with called(ports, 2) as (call, other):
        address = call.connection._nominated[1].remote_addr
        (theirs,) = other.connection._protocols
        before = kept(ports)[address]
        assert at(ports).claims(theirs.transport, address)
        assert address not in kept(ports)
        assert not before.is_open
        at(ports)._take(b"\x80media", address)
        assert at(ports)._kept[address][1] is theirs.transport
        (ours,) = call.connection._protocols
        assert at(ports).claims(ours.transport, address)
        await call.is_alive()


async def test_a_port_that_is_given_up_is_a_successors_and_its_calls_go_on(ports: SharedPort) -> None:
    async with called(ports) as (call,):
        successor = SharedPort(ports._sockets._port)
        assert kept(ports), "neither the common socket nor a page's may be shared"
        with pytest.raises(MediaPortNotTaken):
            successor.open([HOST])
        ports.make_way()
        successor.open([HOST])
        try:
            third = SharedPort(ports._sockets._port)
            with pytest.raises(MediaPortNotTaken):
                third.open([HOST])
            async with called(successor) as (newer,):
                for _ in range(5):
                    await asyncio.gather(call.is_alive(), newer.is_alive())
                await call.check()
                assert len(at(successor)._pages) == 1
            await call.is_alive()
        finally:
            successor.close()


async def test_what_has_come_before_the_port_is_given_up_is_heard(ports: SharedPort) -> None:
    async with called(ports) as (call,):
        heard: list[bytes] = []
        call.connection.data_received = lambda data, component: heard.append(data)
        page = call.connection._nominated[1].remote_addr
        # By the common socket, as of a page that has sent nothing but checks until now.
        at(ports)._keep_no_more(page)
        call.pair.protocol.transport._way._socket.sendto(b"\x80early", (HOST, ports._sockets._port))
        ports.make_way()
        assert heard == [b"\x80early"]


async def test_a_call_that_restarts_ice_is_found_by_its_other_name(ports: SharedPort) -> None:
    async with called(ports) as (call,):
        ends: tuple[Any, ...] = (call.theirs.sctp, call.ours.sctp)
        theirs, ours = (one.transport.transport for one in ends)
        pair = call.connection._nominated[1]
        name, password = restart(theirs, "none", "none" * 6)
        their = call.their_connection
        their.remote_username, their.remote_password = restart(ours, name, password)
        for candidate in ours.iceGatherer.getLocalCandidates():
            await theirs.addRemoteCandidate(candidate)
        begin_checks(their)
        await until(lambda: call.connection._nominated[1] is not pair)
        await call.is_alive()
        assert list(at(ports)._calls) == [call.connection.local_username.encode()]
    assert at(ports)._calls == {}
