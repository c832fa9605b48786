from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aioice import stun

from signaling_service.rtc import public_address as module
from signaling_service.rtc.public_address import NoPublicAddress, public_address
from signaling_service.setting_types import IceServer

PUBLIC = "203.0.113.9"


def binding(request: stun.Message) -> bytes:
    answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
    answer.attributes["XOR-MAPPED-ADDRESS"] = (PUBLIC, 50_000)
    return bytes(answer)


def of_another_request(request: stun.Message) -> bytes:
    return binding(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))


class StunServer(asyncio.DatagramProtocol):
    """Answers the third request and those behind it, since a datagram may be lost."""

    def __init__(self, answer: Callable[[stun.Message], bytes]) -> None:
        self._answer = answer
        self.asked_from: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked_from.append(addr[0])
        if len(self.asked_from) > 2:
            self._transport.sendto(self._answer(stun.parse_message(data)), addr)


@asynccontextmanager
async def stun_server(
    answer: Callable[[stun.Message], bytes] = binding,
) -> AsyncIterator[tuple[str, StunServer]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: StunServer(answer), local_addr=("127.0.0.1", 0)
    )
    try:
        yield f"stun:127.0.0.1:{transport.get_extra_info('sockname')[1]}", server
    finally:
        transport.close()


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRY_S", 0.1)


async def test_the_first_server_that_answers_tells_the_address() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        async with stun_server() as (url, _):
            servers = [
                IceServer(urls=["turn:127.0.0.1:1", f"stun:127.0.0.1:{silent.getsockname()[1]}"]),
                IceServer(urls=url),
            ]
            assert await asyncio.to_thread(public_address, servers) == PUBLIC


async def test_one_of_the_addresses_to_offer_asks_and_never_loopback() -> None:
    async with stun_server() as (url, server):
        await asyncio.to_thread(public_address, [IceServer(urls=url)], ["127.0.0.1", "::1", "127.0.0.1"])
        assert set(server.asked_from) == {"127.0.0.1"}
    with pytest.raises(NoPublicAddress, match="assign"):  # 192.0.2.1 is no address of this host.
        await asyncio.to_thread(public_address, [IceServer(urls=url)], ["127.0.0.1", "192.0.2.1"])


@pytest.mark.parametrize("answer", [of_another_request, lambda request: b"rubbish"])
async def test_an_answer_to_something_else_is_none(answer: Callable[[stun.Message], bytes]) -> None:
    async with stun_server(answer) as (url, _):
        with pytest.raises(NoPublicAddress, match="stun:127"):
            await asyncio.to_thread(public_address, [IceServer(urls=url)])


async def test_a_server_that_refuses_or_is_silent_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        mute = f"stun:127.0.0.1:{silent.getsockname()[1]}"
        servers = [IceServer(urls=[mute, "stun:127.0.0.1:9"])]
        with pytest.raises(NoPublicAddress) as caught:
            await asyncio.to_thread(public_address, servers)
    assert "--public-ip / SIGNALING_PUBLIC_IP: auto" in str(caught.value)
    assert f"{mute} does not answer" in str(caught.value)
    assert "stun:127.0.0.1:9: " in str(caught.value)


def test_a_service_that_learns_no_address_says_so_and_ends() -> None:
    flags = ["--public-ip", "auto", "--ice-servers", "stun:127.0.0.1:9"]
    done = subprocess.run(
        [sys.executable, "-m", "signaling_service", *flags], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "--public-ip / SIGNALING_PUBLIC_IP: auto has found no address" in done.stderr
    assert "Traceback" not in done.stderr
