"""Browsers whose network lets no UDP through: their media takes the service's TCP port."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from harness.browser import frames, opened, served
from harness.deadline import eventually
from harness.firefox import default_route, running_firefox
from harness.namespaces import HERE
from harness.pages import write_pages
from harness.services import Services
from tests.e2e.shim.test_browser import assert_advancing
from tests.e2e.shim.test_firefox import PAGE, shows_the_inverse

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.namespace]

PORT = 20_200
FRAMES_S = 40.0
FLAGS = ("--tcp-port", str(PORT), "--processes", "1", "--ice-addresses", "10.77.0.1")
PROTOCOL = """(async (session) => {
  const report = await session.getStats();
  const transport = [...report.values()].find(({ type }) => type === "transport");
  const pairs = [...report.values()].filter(({ type }) => type === "candidate-pair");
  const id = transport?.selectedCandidatePairId;
  const pair = pairs.find((one) => (id ? one.id === id : one.selected || one.nominated));
  return report.get(pair.remoteCandidateId)?.protocol;
})"""


@contextmanager
def without_udp() -> Iterator[None]:
    if not HERE.can("iptables", "--list"):
        pytest.skip("needs iptables to block UDP")
    HERE.run("iptables", "-I", "OUTPUT", "-p", "udp", "-j", "DROP")
    try:
        yield
    finally:
        HERE.run("iptables", "-D", "OUTPUT", "-p", "udp", "-j", "DROP")


async def start(services: Services) -> None:
    services.start_signaling(*FLAGS)
    services.start_light_worker("invert")
    await services.ready({"invert": 1})


async def protocol(page: Page) -> str:
    return str(await page.evaluate(f"{PROTOCOL}(window.p2pcamera.sessions[0])"))


async def test_chromium_without_udp_shows_the_filtered_picture_by_tcp_and_with_udp_by_udp(
    services: Services, browser: Browser, site: tuple[Path, str]
) -> None:
    folder, url = site
    await start(services)
    write_pages(folder, services.url, {"data-filter": "invert"})
    with without_udp():
        reader, writer = await asyncio.open_connection("10.77.0.1", PORT)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with opened(browser, url) as page:
            rows = await frames(page, 30, FRAMES_S)
            assert_advancing(rows)
            assert all(row.is_inverted for row in rows if row.counter is not None)
            assert await protocol(page) == "tcp"
        # A stranger's words end its connection.
        assert await reader.read() == b""
        writer.close()
    async with opened(browser, url) as page:
        await frames(page, 30, FRAMES_S)
        assert await protocol(page) == "udp"


@pytest.mark.firefox
@pytest.mark.slow
async def test_firefox_without_udp_shows_the_filtered_picture_by_tcp(
    services: Services, tmp_path: Path
) -> None:
    await start(services)
    (tmp_path / "index.html").write_text(PAGE.format(server=services.url))
    with default_route(), without_udp(), served(tmp_path) as url:
        async with running_firefox(tmp_path) as firefox:
            page = await firefox.open()
            await page.goto(url)
            await page.evaluate("begin()")

            async def has_frames() -> bool:
                return bool(await page.evaluate("count") > 30)

            await eventually(has_frames, FRAMES_S, "frames come by TCP")
            await shows_the_inverse(page, FRAMES_S)
            assert await page.evaluate(f"{PROTOCOL}(session)") == "tcp"
