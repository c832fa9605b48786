"""Debian's coturn as the relay of a page, started as docker-compose.yml starts it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route

from harness.browser import chromium, opened
from harness.certificate import write_certificate
from harness.deadline import eventually
from harness.namespaces import HERE, Network, cable, network
from harness.services import Services
from harness.turn import PORT, is_installed, servers, turn_server
from tests.e2e.demo_page import demo
from tests.e2e.shim.test_firefox import PAGE, shows_the_inverse

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.namespace,
    pytest.mark.skipif(not is_installed(), reason="needs a TURN server (apt-get install coturn)"),
]

SERVICE, RELAY, FAR = "10.89.0.1", "10.89.0.2", "10.89.0.9"
FRAMES_S = 60.0
WAY = """(async () => {
  const report = await session.getStats();
  const transport = [...report.values()].find(({ type }) => type === "transport");
  const { localCandidateId } = report.get(transport.selectedCandidatePairId);
  const { candidateType, relayProtocol } = report.get(localCandidateId);
  return [candidateType, relayProtocol];
})()"""


@contextmanager
def only_443_leaves(https_port: int) -> Iterator[Network]:
    """Make a network from which nothing leaves but TCP to port 443, behind which is HTTPS of the service."""
    with network() as far:
        if not far.can("iptables", "--list"):
            pytest.skip("needs iptables for the firewall")
        cable((HERE, "inside0", f"{SERVICE}/24"), (far, "outside0", f"{FAR}/24"))
        HERE.run("ip", "address", "add", f"{RELAY}/24", "dev", "inside0")
        to_https = f"PREROUTING -d {SERVICE} -p tcp --dport 443 -j REDIRECT --to-ports {https_port}".split()
        HERE.run("iptables", "-t", "nat", "-A", *to_https)
        for rule in ("-P OUTPUT DROP", "-A OUTPUT -o lo -j ACCEPT", "-A OUTPUT -p tcp --dport 443 -j ACCEPT"):
            far.run("iptables", *rule.split())
        try:
            yield far
        finally:
            HERE.run("iptables", "-t", "nat", "-D", *to_https)


async def shows_filtered_pictures(page: Page) -> None:
    await page.evaluate("begin()")

    async def has_frames() -> bool:
        return bool(await page.evaluate("count > 30"))

    await eventually(has_frames, FRAMES_S, "frames come")
    await shows_the_inverse(page, FRAMES_S)


async def test_chromium_from_which_only_tcp_443_leaves_shows_the_filtered_picture_by_a_relay_over_tls(
    camera: Path, tmp_path: Path
) -> None:
    certificate = write_certificate(tmp_path, SERVICE, RELAY)
    async with Services(tmp_path, certificate=certificate) as services:
        with only_443_leaves(services.port) as far:
            services.start_signaling(
                *("--host", "0.0.0.0", "--open", "--ice-addresses", SERVICE),
                # The relay reaches the service, so that the service needs none.
                *("--public-ip", SERVICE, "--ice-servers", json.dumps(servers(RELAY))),
            )
            services.start_light_worker("invert")
            await services.ready({"invert": 1})
            (told,) = (await services.http.get("/ice-servers")).json()["iceServers"]
            assert [url.partition(":")[0] + url[-4:] for url in told["urls"]] == [
                "turn=udp",
                "turn=tcp",
                "turns=tcp",
            ]
            trusting = ["--ignore-certificate-errors"]
            async with (
                turn_server(tmp_path, RELAY, SERVICE, certificate),
                chromium(camera, network=far, more=trusting) as browser,
                opened(browser, "about:blank") as page,
            ):
                body = PAGE.format(server=f"https://{SERVICE}")

                async def answer(route: Route) -> None:
                    await route.fulfill(body=body, content_type="text/html")

                await page.route("**/page.html", answer)
                await page.goto(f"https://{SERVICE}/page.html")
                await shows_filtered_pictures(page)
                assert await page.evaluate(WAY) == ["relay", "tls"]


HERE_ADDRESS, NOWHERE = "10.77.0.1", "192.0.2.1"
# A wait for what never comes is shorter.
SHORT_WAITS = """
const { setTimeout: nativeTimeout } = window;
window.longest_ms = 9000;
window.setTimeout = (act, ms, ...rest) => nativeTimeout(act, ms > longest_ms ? ms / 4 : ms, ...rest);
"""


async def test_the_doctor_tells_what_is_wrong_with_a_relay(
    services: Services, browser: Browser, tmp_path: Path
) -> None:
    services.start_signaling(
        "--ice-addresses", HERE_ADDRESS, "--public-ip", HERE_ADDRESS,
        "--ice-servers", json.dumps(servers(HERE_ADDRESS)),
    )  # fmt: skip
    services.start_light_worker("invert")
    await services.ready({"invert": 1})
    by_udp, by_tcp, by_tls = servers(HERE_ADDRESS)[0]["urls"]
    told = (await services.http.get("/ice-servers")).json()["iceServers"][0]
    async with demo(browser, services.url) as page:
        await page.page.add_init_script(SHORT_WAITS)
        await page.page.reload()
        await page.choose("invert")

        async def finding(**changes: object) -> tuple[str, str]:
            await page.page.unroute_all()
            if changes:
                changed = {"iceServers": [{**told, "urls": [by_udp], **changes}]}

                async def answer(route: Route) -> None:
                    await route.fulfill(json=changed)

                await page.page.route("**/ice-servers", answer)
            return (await page.doctor())["turn"]

        async with turn_server(tmp_path, HERE_ADDRESS, HERE_ADDRESS):
            # It has no certificate here.
            outcome, said = await finding()
            assert (outcome, said.startswith(f"{by_udp}, {by_tcp}: relays to the server. {by_tls}: ")) == (
                "note",
                True,
            )
            assert (await finding(urls=[by_udp, by_tcp]))[0] == "ok"
            outcome, said = await finding(credential="another secret's")
            assert (outcome, "TURN_SECRET" in said, "401" in said) == ("fail", True, True)
            await page.page.evaluate("window.longest_ms = 5000")
            outcome, said = await finding(urls=[by_udp.replace(str(PORT), "9")])
            assert (outcome, "cannot be reached" in said) == ("fail", True)
            await page.page.evaluate("window.longest_ms = 9000")
        async with turn_server(tmp_path, HERE_ADDRESS, NOWHERE):
            outcome, said = await finding(urls=[by_udp])
            assert (outcome, "no way to the server" in said) == ("fail", True)
        # The doctor's own sessions are over.
        await services.has_sessions(0, FRAMES_S)
        page.complaints.clear()
