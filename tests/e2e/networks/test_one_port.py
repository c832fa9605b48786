"""Chromium's calls at one UDP port, also when a NAT gives their pages another address in mid-call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
import pytest
from playwright.async_api import Browser, Page

from harness.browser import frames, opened, shown
from harness.deadline import eventually
from harness.namespaces import HERE
from harness.pages import write_pages
from harness.services import Services
from signaling_service.sockets.handling_time import HandlingTime
from signaling_service.sockets.udp_socket import Address, UdpSocket
from tests.e2e.shim.test_browser import assert_advancing

pytestmark = pytest.mark.asyncio(loop_scope="session")

PORT = 20_100
SERVICE, PUBLIC = "10.77.0.1", "10.77.0.2"
FRAMES_S = 40.0
UNLIMITED = HandlingTime(cpu_clock=lambda: 0.0)


class Nat:
    """A gateway that maps each page to a port of its own, and forgets on demand."""

    def __init__(self) -> None:
        self._public = UdpSocket(PUBLIC, PORT)
        self._ways: dict[Address, UdpSocket] = {}
        self.forgotten = 0

    def open(self) -> None:
        self._public.open(self._outwards, UNLIMITED)

    def forget(self) -> None:
        """Give every page another port from its next datagram on; nothing reaches one by the former port."""
        self.forgotten += len(self._ways)
        while self._ways:
            self._ways.popitem()[1].close()

    def close(self) -> None:
        self.forget()
        self._public.close()

    def _outwards(self, data: bytes, page: Address) -> None:
        if (way := self._ways.get(page)) is None:
            way = self._ways[page] = UdpSocket(PUBLIC, 0)
            way.open(lambda answer, _: self._public.send(answer, page), UNLIMITED)
        way.send(data, (SERVICE, PORT))


@asynccontextmanager
async def behind_nat() -> AsyncIterator[Nat]:
    HERE.run("ip", "address", "add", f"{PUBLIC}/24", "dev", "p2pcamera0")
    nat = Nat()
    nat.open()
    try:
        yield nat
    finally:
        nat.close()
        HERE.run("ip", "address", "del", f"{PUBLIC}/24", "dev", "p2pcamera0")


@pytest.mark.namespace
async def test_pages_share_a_port_and_their_pictures_go_on_when_a_nat_forgets_them(
    services: Services, browser: Browser, site: tuple[Path, str]
) -> None:
    folder, url = site
    flags = ["--udp-port", str(PORT), "--processes", "1", "--ice-addresses", SERVICE, "--public-ip", PUBLIC]
    process = services.start_signaling(*flags)
    services.start_light_worker("invert")
    await services.ready({"invert": 1})
    write_pages(folder, services.url, {"data-filter": "invert"})
    async with AsyncExitStack() as stack:
        nat = await stack.enter_async_context(behind_nat())
        pages = [await stack.enter_async_context(opened(browser, url)) for _ in range(2)]
        for page in pages:
            rows = await frames(page, 20, FRAMES_S)
            assert_advancing(rows)
            assert all(row.is_inverted for row in rows if row.counter is not None)
        # One for the address and one for loopback, and one for what each page sends.
        sockets = psutil.Process(process.pid).net_connections(kind="udp")
        assert {one.laddr.port for one in sockets} == {PORT}
        assert [bool(one.raddr) for one in sockets].count(False) == 2
        assert [bool(one.raddr) for one in sockets].count(True) >= len(pages)

        ended_before = await services.metric("p2pcamera_sessions_ended_total")
        nat.forget()
        assert nat.forgotten >= 2  # A page may check from several addresses.
        for page in pages:
            had = len(await shown(page))

            async def goes_on(page: Page = page, had: int = had) -> bool:
                return len(await shown(page)) > had + 30

            await eventually(goes_on, FRAMES_S, "frames come back by the new address")
        assert await services.metric("p2pcamera_sessions_ended_total") == ended_before
